//! Does a condition hold? And what shows it: the evidence for the verdict.

use mail::verdict::{Evidence, ListEntryRef};
use mail::{Address, Facts, Hit, Site, WindowKey};

use super::{Condition, Count, KeyKind, Test, Value};
use crate::policy::IMPORTED;
use crate::policy::Policy;
use crate::scan::{INLINE, Places};
use crate::signals;

/// What a condition is asked of.
pub(crate) struct Scope<'f> {
    pub facts: &'f Facts,
    pub site: &'f Site,
    pub policy: &'f Policy,
    /// All recipients, or the one a rule is asked for.
    pub recipients: &'f [Address],
}

impl Condition {
    /// Does it hold? What shows it is added to `evidence` when it does.
    pub(crate) fn holds(&self, scope: &Scope<'_>, evidence: &mut Vec<Evidence>) -> bool {
        let before = evidence.len();
        let holds = self.ask(scope, evidence);
        if !holds {
            evidence.truncate(before);
        }
        holds
    }

    fn ask(&self, scope: &Scope<'_>, evidence: &mut Vec<Evidence>) -> bool {
        match self {
            Self::All(of) => of.iter().all(|one| one.holds(scope, evidence)),
            Self::Any(of) => of.iter().any(|one| one.holds(scope, evidence)),
            Self::Not(one) => !one.holds(scope, &mut Vec::new()),
            Self::AtLeast { count, of } => {
                of.iter().filter(|one| one.holds(scope, evidence)).count() >= *count
            }
            Self::Field { field, test } => {
                if let Test::Exists(wanted) = test {
                    return field.any(scope.facts, scope.recipients, &mut |_| true) == *wanted;
                }
                field.any(scope.facts, scope.recipients, &mut |value| {
                    if let Test::InList(list) = test {
                        let at = scope.facts.envelope.received_at;
                        let entry = scope.policy.list_holds(list, &value, at);
                        evidence.extend(entry.map(|entry| listed(value.shown(), list, entry)));
                        return entry.is_some();
                    }
                    let passes = test.passes(&value);
                    if passes {
                        evidence.push(Evidence::of(value.shown()));
                    }
                    passes
                })
            }
            Self::Keywords { set, over } => {
                let hits: Vec<&Hit> = scope
                    .facts
                    .hits
                    .iter()
                    .filter(|hit| hit.set == *set)
                    .collect();
                let sum = scope.policy.keyword_weight(set, &hits);
                let more = sum > *over;
                if more {
                    show(&hits, evidence);
                }
                more
            }
            Self::Found {
                set,
                term,
                places,
                times,
            } => {
                let wanted = |hit: &&Hit| {
                    hit.set == *set && hit.term == *term && places.contains(&hit.place)
                };
                let hits: Vec<&Hit> = scope.facts.hits.iter().filter(wanted).collect();
                show(&hits, evidence);
                hits.iter().map(|hit| hit.count).sum::<u32>() >= *times
            }
            Self::Near {
                terms,
                within,
                places,
            } => near(scope.facts, terms, *within, places, evidence),
            Self::Window {
                key,
                count,
                span_secs,
                over,
            } => window(scope, *key, *count, *span_secs, *over, evidence),
            Self::Signal(id) => {
                let signal = signals::SIGNALS.iter().find(|signal| signal.id == *id);
                let seen = signal.and_then(|signal| (signal.sees)(scope.facts, scope.site));
                let is_seen = seen.is_some();
                evidence.extend(seen.map(Evidence::of));
                is_seen
            }
            Self::RelayAttempt => {
                let relayed = &scope.facts.relayed_recipients;
                let found = scope.recipients.iter().find(|to| relayed.contains(to));
                evidence.extend(
                    found.map(|to| Evidence::of(format!("{to} is not a mailbox of this site"))),
                );
                found.is_some()
            }
            Self::Imported(rule) => {
                let hits = scope.facts.hits.iter();
                let hits: Vec<&Hit> = hits
                    .filter(|hit| hit.set == IMPORTED && hit.term == *rule)
                    .collect();
                show(&hits, evidence);
                !hits.is_empty()
            }
            Self::ImportedOver(over) => {
                let points = scope.policy.imported_points(scope.facts);
                let more = points > *over;
                if more {
                    evidence.push(Evidence::of(format!("{points:.1} points")));
                }
                more
            }
            Self::SenderIn(list) => {
                let entry = scope.policy.sender_in(list, scope.facts, scope.recipients);
                evidence.extend(entry.map(|entry| listed(entry.to_owned(), list, entry)));
                entry.is_some()
            }
        }
    }
}

/// The evidence of a list: what stood in it, and which entry that was.
fn listed(shown: String, list: &str, entry: &str) -> Evidence {
    Evidence {
        entry: Some(ListEntryRef {
            list: list.to_owned(),
            value: entry.to_owned(),
        }),
        ..Evidence::of(shown)
    }
}

impl Test {
    fn passes(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::InNetwork(networks), Value::Ip(ip)) => {
                networks.iter().any(|net| net.contains(&ip.to_canonical()))
            }
            (Self::Over(limit), Value::Number(number)) => number > limit,
            (Self::Under(limit), Value::Number(number)) => number < limit,
            (Self::Is(texts), value) => {
                let shown = value.shown();
                texts
                    .iter()
                    .any(|text| text.to_lowercase() == shown.to_lowercase())
            }
            (Self::Wildcard(patterns), value) => {
                let shown = value.shown();
                patterns.iter().any(|pattern| pattern.fits(&shown))
            }
            (Self::Regex(regex), value) => regex.is_match(&value.shown()),
            (
                Self::InNetwork(_)
                | Self::InList(_)
                | Self::Over(_)
                | Self::Under(_)
                | Self::Exists(_),
                _,
            ) => false,
        }
    }
}

impl Value<'_> {
    /// As a person would write it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Ip(ip) => ip.to_canonical().to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The evidence of hits: each term with its first place.
pub(crate) fn show(hits: &[&Hit], evidence: &mut Vec<Evidence>) {
    for hit in hits.iter().take(8) {
        let times = if hit.count > 1 {
            format!(" ({} times)", hit.count)
        } else {
            String::new()
        };
        evidence.push(Evidence {
            place: Some(hit.place.clone()),
            text: format!("“{}”{times}", hit.term),
            quote: Some(hit.evidence.clone()),
            entry: None,
        });
    }
}

/// Are all terms somewhere within `within` words of each other? Looks at each position of the first term and asks whether
/// every other term has a position in reach on the same side or both; all pairs must be in reach.
fn near(
    facts: &Facts,
    terms: &[String],
    within: u32,
    places: &Places,
    evidence: &mut Vec<Evidence>,
) -> bool {
    for place in &places.0 {
        let hits: Vec<&Hit> = terms
            .iter()
            .filter_map(|term| {
                facts
                    .hits
                    .iter()
                    .find(|hit| hit.set == INLINE && hit.term == *term && hit.place == *place)
            })
            .collect();
        if hits.len() == terms.len() && smallest_span(&hits).is_some_and(|span| span <= within) {
            show(&hits, evidence);
            return true;
        }
    }
    false
}

/// The fewest words that hold one position of every hit: a window slid over all positions in order.
fn smallest_span(hits: &[&Hit]) -> Option<u32> {
    let mut all: Vec<(u32, usize)> = Vec::new();
    for (number, hit) in hits.iter().enumerate() {
        all.extend(hit.positions.iter().map(|position| (*position, number)));
    }
    all.sort_unstable();
    let mut counts = vec![0_u32; hits.len()];
    let mut missing = hits.len();
    let mut first = 0;
    let mut best = None;
    for (position, number) in &all {
        if counts[*number] == 0 {
            missing -= 1;
        }
        counts[*number] += 1;
        while missing == 0 {
            let (start, leaving) = all[first];
            let span = position - start;
            best = Some(best.map_or(span, |best: u32| best.min(span)));
            counts[leaving] -= 1;
            if counts[leaving] == 0 {
                missing += 1;
            }
            first += 1;
        }
    }
    best
}

fn window(
    scope: &Scope<'_>,
    kind: KeyKind,
    count: Count,
    span_secs: u32,
    over: u32,
    evidence: &mut Vec<Evidence>,
) -> bool {
    let keys: Vec<String> = scope.recipients.iter().map(Address::key).collect();
    for fact in &scope.facts.windows {
        let (fits, who) = match (&fact.key, kind) {
            (WindowKey::Peer(ip), KeyKind::Peer) => (true, ip.to_string()),
            (WindowKey::Sender(sender), KeyKind::Sender) => (true, sender.clone()),
            (WindowKey::Recipient(to), KeyKind::Recipient) => (keys.contains(to), to.clone()),
            (WindowKey::Peer(_) | WindowKey::Sender(_) | WindowKey::Recipient(_), _) => continue,
        };
        let (number, what) = match count {
            Count::Messages => (fact.messages, "messages"),
            Count::Kibibytes => (fact.kibibytes, "KiB"),
            Count::Recipients => (fact.recipients, "recipients"),
            Count::DistinctPeers => (fact.distinct_peers, "different machines"),
            Count::DistinctSenders => (fact.distinct_senders, "different senders"),
        };
        if fits && fact.span_secs == span_secs && number > over {
            let text = format!(
                "{who}: {number} {what} in {}, more than {over}",
                in_words(span_secs)
            );
            evidence.push(Evidence::of(text));
            return true;
        }
    }
    false
}

fn in_words(secs: u32) -> String {
    match secs {
        secs if secs % 3600 == 0 => format!("{} h", secs / 3600),
        secs if secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}
