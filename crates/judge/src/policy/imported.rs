//! Rules of SpamAssassin that the policy carries as they are: `[spamassassin]`.
//!
//! What they find are hits like those of keyword sets, so that a verdict can be given again from recorded facts; their points are the
//! policy's, and are looked up when it judges.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use mail::verdict::Evidence;
use mail::{Envelope, Facts, Hit, Limits, Message, Place, Reason};
use spamassassin::{Reading, Rules, Source, Stands};
use written::{Section, Spot};

use crate::condition::eval::show;

/// The set name of hits of imported rules.
pub(crate) const IMPORTED: &str = "spamassassin";
/// The set name of imported rules whose pattern gave up.
pub(crate) const GAVE_UP: &str = "spamassassin-gave-up";
/// Texts whose rules stay compiled, for a policy is read again whenever somebody looks at it, and compiling takes a second.
const KEPT_MAX: usize = 2;

/// The imported rules.
pub(crate) struct Imported {
    reading: Arc<Reading>,
    hits_max: usize,
    /// What one of their points is worth.
    weight: f64,
    /// Points in place of the rules' own.
    scores: HashMap<String, f64>,
    /// Parts of rules that conditions of the policy name.
    asked: BTreeSet<String>,
}

impl Imported {
    /// Reads `[spamassassin]`. `asked` are the rules that conditions name.
    pub(crate) fn read(root: &Section<'_, '_>, asked: &[(String, Spot)], limits: &Limits) -> Self {
        let section = root.section("spamassassin");
        let weight = section.decimal("weight", 0.0..=100.0).unwrap_or(1.0);
        let text = section.string("rules").unwrap_or_default();
        let reading = reading(&text);
        for left in &reading.left_out {
            let wrong = format!("{}: {} {}", left.place, left.what, left.reason);
            section.complain(
                "rules",
                &wrong,
                "rules as `mailvigil policy import spamassassin` writes them",
            );
        }
        let rules = &reading.rules;
        let known = |name: &str| match rules.named(name) {
            Some(_) => Ok(()),
            None => Err(format!("{name} is none of the rules above")),
        };
        let scores = section.section("scores").decimals(-1000.0..=1000.0, known);
        section.finish();
        for (name, spot) in asked {
            if rules.named(name).is_none() {
                root.complain_at(
                    spot,
                    &format!("{name:?} is no rule of [spamassassin]"),
                    "the name of an imported rule",
                );
            }
        }
        Self {
            weight,
            scores: scores.into_iter().collect(),
            asked: asked.iter().map(|(name, _)| name.clone()).collect(),
            reading,
            hits_max: limits.hits_max,
        }
    }

    /// Rules with points of their own.
    pub(crate) fn scored(&self) -> usize {
        self.reading.rules.scored()
    }

    /// Names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.reading.rules.names()
    }

    /// Runs them over a message, as its bytes came.
    pub(crate) fn scan(&self, message: &Message, raw: &[u8], envelope: &Envelope) -> Vec<Hit> {
        if self.reading.rules.is_empty() {
            return Vec::new();
        }
        let told = received(message, envelope);
        let seen = match &told {
            Some(field) => self.reading.rules.check(&[field.as_bytes(), raw].concat()),
            None => self.reading.rules.check(raw),
        };
        let kept = seen.hits.into_iter();
        let hits = kept
            .filter(|hit| !hit.is_part() || self.asked.contains(hit.rule))
            .map(|hit| Hit {
                set: IMPORTED.to_owned(),
                term: hit.rule.to_owned(),
                place: place(hit.stands),
                count: u32::try_from(hit.times).unwrap_or(u32::MAX),
                positions: Vec::new(),
                evidence: hit.evidence,
            });
        let gave_up = seen.gave_up.into_iter().map(|rule| Hit {
            set: GAVE_UP.to_owned(),
            term: rule.to_owned(),
            place: Place::Message,
            count: 1,
            positions: Vec::new(),
            evidence: String::new(),
        });
        hits.chain(gave_up).take(self.hits_max).collect()
    }

    /// A reason for each that hit and counts.
    pub(crate) fn reasons(&self, facts: &Facts) -> Vec<Reason> {
        let hits = facts.hits.iter().filter(|hit| hit.set == IMPORTED);
        let reasons = hits.filter_map(|hit| {
            let (description, points) = self.counts(hit)?;
            let score = points * self.weight;
            (score != 0.0).then(|| {
                let mut evidence: Vec<Evidence> = Vec::new();
                show(&[hit], &mut evidence);
                Reason {
                    name: hit.term.clone(),
                    score,
                    text: description.to_owned(),
                    evidence,
                    demands: None,
                }
            })
        });
        reasons.collect()
    }

    /// The sum of their points, as their authors count.
    pub(crate) fn points(&self, facts: &Facts) -> f64 {
        let hits = facts.hits.iter().filter(|hit| hit.set == IMPORTED);
        let points = hits.filter_map(|hit| self.counts(hit));
        0.0 + points.map(|(_, points)| points).sum::<f64>()
    }

    /// What a rule says of itself, and its points for so many hits. Parts of others have none.
    fn counts(&self, hit: &Hit) -> Option<(&str, f64)> {
        let (description, score) = self.reading.rules.named(&hit.term)?;
        let score = self.scores.get(&hit.term).copied().unwrap_or(score);
        let is_part = hit.term.starts_with("__");
        (!is_part).then(|| (description, score * f64::from(hit.count)))
    }
}

/// The rules of a text, compiled once. What is kept changes nothing but the time it takes.
fn reading(text: &str) -> Arc<Reading> {
    static KEPT: Mutex<Vec<(String, Arc<Reading>)>> = Mutex::new(Vec::new());
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept()
        .iter()
        .find(|(known, _)| known == text)
        .map(|(_, reading)| reading.clone());
    known.unwrap_or_else(|| {
        let reading = Arc::new(Rules::read(&[Source {
            name: "line".to_owned(),
            text: text.as_bytes().to_vec(),
        }]));
        if !text.is_empty() {
            let mut kept = kept();
            kept.truncate(KEPT_MAX - 1);
            kept.insert(0, (text.to_owned(), reading.clone()));
        }
        reading
    })
}

fn place(stands: &Stands) -> Place {
    match stands {
        Stands::Header(name) => Place::Header(name.to_ascii_lowercase()),
        Stands::Text => Place::Body,
        Stands::Link => Place::Url,
        Stands::Message => Place::Message,
    }
}

/// The field the server will write when it takes the message, which rules about the path expect and a filter asked before that does not
/// get. Not when the message tells already of the machine that hands it over.
fn received(message: &Message, envelope: &Envelope) -> Option<String> {
    let ip = envelope.peer.ip?;
    if message.received.first().and_then(|hop| hop.ip) == Some(ip) {
        return None;
    }
    // All of these were said by others; nothing of them may begin a field of its own.
    let word = |text: &str| -> String {
        let good = |c: &char| c.is_ascii_graphic() && !"()[]<>;\"".contains(*c);
        text.chars().filter(good).take(255).collect()
    };
    let helo = word(envelope.helo_name.as_deref().unwrap_or("unknown"));
    let name = word(envelope.peer.ptr_name.as_deref().unwrap_or("unknown"));
    let server = match word(&envelope.server) {
        name if name.is_empty() => "localhost".to_owned(),
        name => name,
    };
    let with = match (&envelope.account, &envelope.tls) {
        (Some(_), _) => "ESMTPSA",
        (None, Some(_)) => "ESMTPS",
        (None, None) => "ESMTP",
    };
    let ip = match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("IPv6:{ip}"),
    };
    let sender = envelope.envelope_from.as_ref();
    let sender = sender.map_or_else(String::new, |sender| word(sender.as_str()));
    let id = word(envelope.queue_id.as_deref().unwrap_or("unknown"));
    Some(format!(
        "Received: from {helo} ({name} [{ip}])\r\n\tby {server} (Postfix) with {with} id {id}\r\n\t(envelope-from <{sender}>); {}\r\n",
        envelope.received_at.in_mail()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{Address, Site, Timestamp};

    use crate::Policy;

    const RULES: &str = "body A /free money/i\ndescribe A Promises money\nscore A 3.0\nheader B Subject =~ /hello/i\nscore B 1.0\ntflags B nice\nscore B -1.0\n\
                         body __C /money/\ntflags __C multiple\nmeta D A && __C > 1\nscore D 2.0\nheader E X-Spam-Relays-External =~ /rdns=host\\.example helo=me\\.example/\n";

    fn policy(more: &str) -> Policy {
        let text = format!(
            "[spamassassin]\nweight = 2.0\nrules = '''\n{RULES}'''\n[spamassassin.scores]\nB = -0.5\n{more}"
        );
        Policy::parse(&text, &Limits::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn facts(policy: &Policy, raw: &[u8]) -> Facts {
        let message = Message::read(raw, &Limits::default());
        let mut envelope = Envelope::new(Timestamp::from_secs(1_795_000_000), "test");
        envelope.peer.ip = Some([192, 0, 2, 1].into());
        envelope.peer.ptr_name = Some("host.example".into());
        envelope.helo_name = Some("me.example)\r\nX-Evil: 1".into());
        envelope.envelope_from = Address::new("ann@a.example");
        let hits = policy.scan_imported(&message, raw, &envelope);
        Facts {
            hits,
            ..Facts::new(envelope, message)
        }
    }

    const MAIL: &[u8] = b"Subject: Hello\r\n\r\nFree money, really money.\r\n";

    #[test]
    fn rules_that_hit_are_reasons_with_their_points() {
        let policy = policy("");
        let facts = facts(&policy, MAIL);
        let verdict = crate::judge(&facts, &Site::default(), &policy, 1);
        let reason = |name: &str| {
            let reason = verdict.reasons.iter().find(|reason| reason.name == name);
            reason.map(|reason| (reason.score, reason.text.as_str()))
        };
        assert_eq!(reason("A"), Some((6.0, "Promises money")));
        assert_eq!(reason("B"), Some((-1.0, "")));
        assert_eq!(reason("D"), Some((4.0, "")));
        // Parts of others are none, and the field that the server has not written yet is seen by rules about the path.
        assert_eq!(reason("__C"), None);
        assert_eq!(reason("E"), Some((2.0, "")));
        let evidence = &verdict.reasons[0].evidence[0];
        assert_eq!(evidence.quote.as_deref(), Some("Free money, really money."));
        assert_eq!(evidence.place, Some(Place::Body));
    }

    #[test]
    fn conditions_ask_for_them() {
        for (condition, holds) in [
            (r#"{ spamassassin = "A" }"#, true),
            (r#"{ spamassassin = "__C" }"#, true),
            ("{ spamassassin_over = 5.4 }", true),
            ("{ spamassassin_over = 5.6 }", false),
        ] {
            let policy = policy(&format!(
                "[[rules]]\nname = \"x\"\nreason = \"x\"\nscore = 1.0\nwhen = {condition}\n"
            ));
            let facts = facts(&policy, MAIL);
            let verdict = crate::judge(&facts, &Site::default(), &policy, 1);
            let fired = verdict.reasons.iter().any(|reason| reason.name == "x");
            assert_eq!(fired, holds, "{condition}: {:?}", verdict.reasons);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        let text = "[spamassassin]\nrules = '''\nbody A /(/\n'''\n[spamassassin.scores]\nX = 1.0\n[[rules]]\nname = \"x\"\nreason = \"x\"\nscore = 1.0\nwhen = { spamassassin = \"Y\" }\n";
        let Err(problems) = Policy::parse(text, &Limits::default()) else {
            panic!("it is good");
        };
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems[0].contains("line:1: A its pattern is refused"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_pattern_that_gives_up_is_told() {
        let text = "[spamassassin]\nrules = '''\nbody A /^(?:(a+)\\1*)+\\1c/\n'''\n";
        let policy = Policy::parse(text, &Limits::default())
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let raw = format!("Subject: x\r\n\r\n{}!c\r\n", "a".repeat(1900));
        let facts = facts(&policy, raw.as_bytes());
        let verdict = crate::judge(&facts, &Site::default(), &policy, 1);
        assert!(
            verdict
                .unknown
                .iter()
                .any(|unknown| unknown.contains("rule A")),
            "{:?}",
            verdict.unknown
        );
    }

    #[test]
    fn importing_keeps_the_rest_of_the_policy() {
        use crate::edit::{Edit, apply};
        let before = "# mine\n[boundaries]\nsuspicious = 4.0\ndangerous = 9.0\n";
        let import = |rules: &str, weight| Edit::ImportRules {
            rules: rules.into(),
            weight,
        };
        let first =
            apply(before, &import("body A /a'''b/\nbody B /b/\n", Some(0.8))).expect("applies");
        assert!(first.starts_with(before), "{first}");
        let scored = format!("{first}\n[spamassassin.scores]\nA = 2.0\nB = 3.0\n");
        let second = apply(&scored, &import("body B /c/\n", None)).expect("applies");
        assert!(second.contains("rules = '''\nbody B /c/\n'''"), "{second}");
        assert!(
            second.contains("weight = 0.8")
                && !second.contains("A = 2.0")
                && second.contains("B = 3.0"),
            "{second}"
        );
        assert!(Policy::parse(&second, &Limits::default()).is_ok());
        let removed = apply(&second, &Edit::RemoveImported).expect("applies");
        assert_eq!(removed.trim(), before.trim());
    }
}
