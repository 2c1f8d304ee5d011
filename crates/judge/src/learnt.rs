//! What the site's own learner thought of a message, as a reason of its verdict.

use mail::learnt::{Moved, OBSERVED_MIN, OTHERWISE, Personal, Phases};
use mail::verdict::Evidence;
use mail::{Learnt, Place, Reason};

use crate::policy::{Chosen, Learning};

/// Said while there are too few labels; `OBSERVED_MIN` of each are enough.
const OBSERVES: &str = "it only observes until there are 200 of each, and adds nothing";
const _: () = assert!(OBSERVED_MIN == 200);
/// From this probability on a message is likely unwanted, and up to its opposite likely wanted.
const LIKELY: f64 = 0.95;

/// The reason, where there is anything to say: what lies between likely and unlikely says nothing.
pub(crate) fn reason(learnt: &Learnt, learning: &Learning) -> Option<Reason> {
    if !learning.enabled {
        return None;
    }
    match learning.phases.chosen {
        Chosen::Content => by_content(learnt, learning),
        Chosen::Bayes => by_class(learnt, learning),
        Chosen::TwoPhase => by_both_phases(learnt, learning),
    }
}

/// The class alone decides: the first phase.
fn by_class(learnt: &Learnt, learning: &Learning) -> Option<Reason> {
    let phases = learnt.phases.as_ref()?;
    let (name, score, text) = if phases.unwanted {
        (
            "learnt-likely-unwanted",
            learning.likely,
            "Of a class of unwanted mail, as people have shown it",
        )
    } else {
        (
            "learnt-wanted",
            learning.wanted,
            "Of a class of wanted mail, as people have shown it",
        )
    };
    Some(told(learnt, name, score, text, of_class(phases)))
}

/// Too much of one class at once: both phases. Mail of which there is not too much is nothing that was seen, so it says nothing.
fn by_both_phases(learnt: &Learnt, learning: &Learning) -> Option<Reason> {
    let phases = learnt.phases.as_ref()?;
    let thresholds = learning.phases.thresholds(&phases.class);
    (phases.hot > thresholds.matched_tokens).then(|| {
        let mut evidence = of_class(phases);
        evidence.push(Evidence::of(format!(
            "{} of its {} tokens came oftener than {} times lately in that class; {} may",
            phases.hot, phases.tokens, phases.token_frequency, thresholds.matched_tokens
        )));
        let text = "There is suddenly much of its class";
        told(learnt, "learnt-sudden", learning.likely, text, evidence)
    })
}

fn told(
    learnt: &Learnt,
    name: &str,
    score: f64,
    text: &str,
    mut evidence: Vec<Evidence>,
) -> Reason {
    if learnt.observes() {
        evidence.push(Evidence::of(OBSERVES.to_owned()));
    }
    Reason {
        name: name.to_owned(),
        score: if learnt.observes() { 0.0 } else { score },
        text: text.to_owned(),
        evidence,
        demands: None,
    }
}

/// The class, and how well the complement of every class fits.
fn of_class(phases: &Phases) -> Vec<Evidence> {
    let values = phases.values.iter();
    let values = values.map(|(name, value)| format!("{name} {value:.2}"));
    vec![
        Evidence::of(format!("most like the class {}", phases.class)),
        Evidence::of(format!(
            "what is not in a class fits so well, the lowest wins: {}",
            values.collect::<Vec<_>>().join(", ")
        )),
    ]
}

fn by_content(learnt: &Learnt, learning: &Learning) -> Option<Reason> {
    let personal = learnt.personal.as_ref().filter(|_| learning.personal);
    let probability = personal.map_or(learnt.probability, |own| own.probability);
    let ham_above = personal.map_or(learnt.ham_above, |own| own.ham_above);
    let proven = ham_above.is_some_and(|share| share <= learning.ham_share);
    let (name, score, text) = if proven && !learnt.observes() {
        (
            "learnt-unwanted",
            learning.certain,
            "Like the unwanted mail of this site, beyond what wanted mail is proven to be like",
        )
    } else if probability >= LIKELY {
        (
            "learnt-likely-unwanted",
            learning.likely,
            "Like the unwanted mail that was shown to the learner",
        )
    } else if probability <= 1.0 - LIKELY {
        (
            "learnt-wanted",
            learning.wanted,
            "Like the wanted mail that was shown to the learner",
        )
    } else if personal.is_some_and(|own| own.by.abs() >= OTHERWISE) {
        (
            "learnt-personal",
            0.0,
            "Who it is for calls such mail otherwise than everybody, which leaves it undecided",
        )
    } else {
        return None;
    };
    Some(Reason {
        name: name.to_owned(),
        score: if learnt.observes() { 0.0 } else { score },
        text: text.to_owned(),
        evidence: evidence(learnt, ham_above.filter(|_| proven), personal),
        demands: None,
    })
}

fn evidence(learnt: &Learnt, proven: Option<f64>, personal: Option<&Personal>) -> Vec<Evidence> {
    let [wanted, unwanted] = learnt.labels;
    let mut evidence = vec![Evidence::of(format!(
        "{} likely to be unwanted, by {wanted} labels of wanted and {unwanted} of unwanted mail",
        percent(learnt.probability)
    ))];
    if learnt.observes() {
        evidence.push(Evidence::of(OBSERVES.to_owned()));
    } else if let Some(share) = proven {
        evidence.push(Evidence::of(format!(
            "at most {} of wanted mail scores so high, which is proven",
            percent(share)
        )));
    }
    let sides = [("header", learnt.header), ("body", learnt.body)];
    for (side, probability) in sides {
        evidence.extend(probability.map(|probability| {
            Evidence::of(format!("by the {side} alone {}", percent(probability)))
        }));
    }
    evidence.extend(personal.map(|own| {
        Evidence::of(format!(
            "{} with the {} labels of who it is for, which move it by {:+.2}",
            percent(own.probability),
            own.labels,
            own.by
        ))
    }));
    evidence.extend(learnt.words.iter().map(moved));
    evidence
}

fn moved(moved: &Moved) -> Evidence {
    let place = match &moved.field {
        Some(field) => Place::Header(field.clone()),
        None => Place::Body,
    };
    Evidence {
        place: Some(place),
        quote: Some(moved.word.clone()),
        ..Evidence::of(format!("{:+.2}", moved.by))
    }
}

/// A share as people read it: no digits that mean nothing, and never 100 % of what is not certain.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let near = percent.min(100.0 - percent);
    if near >= 1.0 {
        format!("{percent:.0} %")
    } else if near >= 0.1 {
        format!("{percent:.1} %")
    } else if near >= 0.01 {
        format!("{percent:.2} %")
    } else if percent > 50.0 {
        "over 99.99 %".to_owned()
    } else {
        "under 0.01 %".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(probability: f64, labels: u32, ham_above: Option<f64>) -> Learnt {
        Learnt {
            probability,
            score: 1.0,
            labels: [labels; 2],
            ham_above,
            header: Some(0.99),
            body: None,
            personal: None,
            words: Vec::new(),
            phases: None,
        }
    }

    fn said(learnt: &Learnt) -> Option<(String, f64)> {
        let reason = reason(learnt, &Learning::default());
        reason.map(|reason| (reason.name, reason.score))
    }

    #[test]
    fn what_is_known_decides_what_it_is_worth() {
        let cases = [
            (
                learnt(0.99, 10, None),
                Some(("learnt-likely-unwanted", 0.0)),
            ),
            (
                learnt(0.99, 10, Some(0.001)),
                Some(("learnt-likely-unwanted", 0.0)),
            ),
            (
                learnt(0.99, 500, None),
                Some(("learnt-likely-unwanted", 2.5)),
            ),
            (
                learnt(0.99, 500, Some(0.01)),
                Some(("learnt-likely-unwanted", 2.5)),
            ),
            (
                learnt(0.99, 500, Some(0.001)),
                Some(("learnt-unwanted", 6.0)),
            ),
            (learnt(0.5, 500, None), None),
            (learnt(0.01, 500, None), Some(("learnt-wanted", -1.0))),
        ];
        for (learnt, want) in cases {
            let want = want.map(|(name, score)| (name.to_owned(), score));
            assert_eq!(said(&learnt), want, "{learnt:?}");
        }
        let off = Learning {
            enabled: false,
            ..Learning::default()
        };
        assert_eq!(reason(&learnt(0.99, 500, None), &off), None);
    }

    #[test]
    fn it_says_what_it_rests_on() {
        let mut learnt = learnt(0.9995, 500, Some(0.001));
        learnt.words.push(Moved {
            word: "casino".into(),
            field: None,
            by: 1.234,
        });
        let reason = reason(&learnt, &Learning::default()).expect("a reason");
        let texts: Vec<&str> = reason
            .evidence
            .iter()
            .map(|one| one.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "99.95 % likely to be unwanted, by 500 labels of wanted and 500 of unwanted mail",
                "at most 0.1 % of wanted mail scores so high, which is proven",
                "by the header alone 99 %",
                "+1.23",
            ]
        );
        assert_eq!(reason.evidence[3].quote.as_deref(), Some("casino"));
    }

    fn to_one(by: f64, probability: f64, ham_above: Option<f64>) -> Learnt {
        Learnt {
            personal: Some(Personal {
                labels: 34,
                by,
                probability,
                ham_above,
            }),
            ..learnt(0.99, 500, Some(0.001))
        }
    }

    #[test]
    fn who_it_is_for_has_a_word_in_it() {
        let told = said;
        let (wants, undecided) = (to_one(-3.9, 0.03, None), to_one(-4.0, 0.64, None));
        assert_eq!(told(&wants), Some(("learnt-wanted".to_owned(), -1.0)));
        assert_eq!(told(&undecided), Some(("learnt-personal".to_owned(), 0.0)));
        assert_eq!(
            told(&to_one(0.2, 0.992, Some(0.001))),
            Some(("learnt-unwanted".to_owned(), 6.0))
        );
        let reason_of = reason(&undecided, &Learning::default()).expect("a reason");
        assert_eq!(reason_of.evidence[1].text, "by the header alone 99 %");
        assert_eq!(
            reason_of.evidence[2].text,
            "64 % with the 34 labels of who it is for, which move it by -4.00"
        );
        // Another policy asks only what everybody says, of the same facts.
        let all = Learning {
            personal: false,
            ..Learning::default()
        };
        let by_all = reason(&wants, &all).expect("a reason");
        assert_eq!(
            (by_all.name.as_str(), by_all.score),
            ("learnt-unwanted", 6.0)
        );
    }

    #[test]
    fn nothing_is_certain() {
        let told = [0.5, 0.007, 0.9995, 0.999_999_9, 1e-9].map(percent);
        assert_eq!(
            told,
            ["50 %", "0.7 %", "99.95 %", "over 99.99 %", "under 0.01 %"]
        );
    }

    fn in_phases(unwanted: bool, hot: u32, labels: u32) -> Learnt {
        Learnt {
            phases: Some(Phases {
                class: if unwanted { "lottery" } else { "wanted" }.to_owned(),
                unwanted,
                values: vec![("wanted".to_owned(), -9.5), ("lottery".to_owned(), -11.25)],
                tokens: 40,
                hot,
                token_frequency: 4,
            }),
            ..learnt(0.5, labels, None)
        }
    }

    #[test]
    fn the_policy_says_which_classifier_has_a_say() {
        let by = |text: &str| {
            let text = format!("[learning]\n{text}\n");
            let limits = mail::Limits::default();
            let policy = crate::Policy::parse(&text, &limits).expect("a good policy");
            policy.learning().clone()
        };
        let (bayes, both) = (
            by("classifier = \"bayes\""),
            by("classifier = \"two-phase\""),
        );
        let said = |learnt: &Learnt, learning: &Learning| {
            reason(learnt, learning).map(|reason| (reason.name, reason.score))
        };
        let told = |name: &str, score: f64| Some((name.to_owned(), score));
        assert_eq!(
            said(&in_phases(true, 0, 500), &bayes),
            told("learnt-likely-unwanted", 2.5)
        );
        assert_eq!(
            said(&in_phases(false, 0, 500), &bayes),
            told("learnt-wanted", -1.0)
        );
        // Not much of it is neither; more hot tokens than may be is, whatever the class.
        assert_eq!(said(&in_phases(true, 8, 500), &both), None);
        assert_eq!(
            said(&in_phases(true, 9, 500), &both),
            told("learnt-sudden", 2.5)
        );
        assert_eq!(
            said(&in_phases(false, 9, 500), &both),
            told("learnt-sudden", 2.5)
        );
        // A class has limits of its own.
        let own = by("classifier = \"two-phase\"\nclasses.lottery = { matched_tokens = 20 }");
        assert_eq!(said(&in_phases(true, 20, 500), &own), None);
        assert_eq!(
            said(&in_phases(true, 21, 500), &own),
            told("learnt-sudden", 2.5)
        );
        // Too few labels add nothing; a record from before knows no class.
        assert_eq!(
            said(&in_phases(true, 9, 10), &both),
            told("learnt-sudden", 0.0)
        );
        assert_eq!(said(&learnt(0.99, 500, None), &both), None);
        let shown = reason(&in_phases(true, 9, 500), &both).expect("a reason");
        let evidence = format!("{:?}", shown.evidence);
        assert!(evidence.contains("lottery -11.25") && evidence.contains("9 of its 40 tokens"));
    }
}
