//! What people want of the watch: written into the store by whoever says it, granted by every node within a fifth of a second.

use mail::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError, WishRow};
use watch::{Allowed, Scope, Step};

/// A wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wished {
    /// Do something about somebody.
    Decide {
        scope: Scope,
        step: Step,
        secs: Option<i64>,
        reason: String,
    },
    /// End what stands about somebody, and forget what was counted.
    Undo { scope: Scope, reason: String },
    /// Never do anything about somebody.
    Allow {
        whom: Allowed,
        until: Option<Timestamp>,
        reason: String,
    },
    /// Take that back.
    Disallow { whom: Allowed, reason: String },
    /// Watch by these settings.
    Settings { text: String, reason: String },
}

/// Longest that a decision stands for which nobody said how long (see `watch::response`), seconds.
const USUAL_SECS: i64 = 7 * 86_400;

/// Removes what nobody needs to hear any more: neither does it hold, nor does a node without a snapshot, which counts the last
/// `DAYS_BACK` days again, come past it.
pub(crate) async fn tidy(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut wishes = Vec::new();
    let mut place = 0;
    loop {
        let rows = store.wishes_after(place).await?;
        let Some(last) = rows.last() else { break };
        place = last.seq;
        wishes.extend(rows.iter().filter_map(read));
    }
    let gone = outlived(&wishes, now);
    if gone.is_empty() {
        return Ok(0);
    }
    store.remove_wishes(&gone).await
}

/// What cannot be read is of a newer program, and stays.
fn read(row: &WishRow) -> Option<(i64, Timestamp, Wished)> {
    let wished = serde_json::from_str(&row.body).ok()?;
    Some((row.seq, row.at, wished))
}

/// Places of wishes, given in their order, that are older than what is counted again and hold no more: what others took the place of, what
/// has ended, what was taken back.
fn outlived(wishes: &[(i64, Timestamp, Wished)], now: Timestamp) -> Vec<i64> {
    let counted_again = now.plus_secs(-super::keeping::DAYS_BACK * 86_400);
    let old = wishes.iter().filter(|(_, at, _)| *at < counted_again);
    let (mut settings_known, mut spoken_of) = (false, Vec::new());
    let mut gone = Vec::new();
    for (seq, at, wished) in old.rev() {
        let holds = match wished {
            Wished::Decide { secs, .. } => at.plus_secs(secs.unwrap_or(USUAL_SECS)) > now,
            Wished::Undo { .. } => false,
            Wished::Allow { whom, until, .. } => {
                let newest = !spoken_of.contains(&whom);
                spoken_of.push(whom);
                newest && until.is_none_or(|until| until > now)
            }
            Wished::Disallow { whom, .. } => {
                spoken_of.push(whom);
                false
            }
            Wished::Settings { .. } => !std::mem::replace(&mut settings_known, true),
        };
        if !holds {
            gone.push(*seq);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use mail::Account;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn allow(name: &str, until_days: Option<i64>) -> Wished {
        Wished::Allow {
            whom: allowed(name),
            until: until_days.map(|days| Timestamp::from_secs(NOW + days * 86_400)),
            reason: String::new(),
        }
    }

    fn allowed(name: &str) -> Allowed {
        Allowed::Account(Account::new(name, 20).expect("a name"))
    }

    fn disallow(name: &str) -> Wished {
        Wished::Disallow {
            whom: allowed(name),
            reason: String::new(),
        }
    }

    fn decide(days: Option<i64>) -> Wished {
        Wished::Decide {
            scope: Scope::Account(Account::new("ann", 20).expect("a name")),
            step: Step::Disable,
            secs: days.map(|days| days * 86_400),
            reason: String::new(),
        }
    }

    fn settings(text: &str) -> Wished {
        Wished::Settings {
            text: text.to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn only_what_holds_no_more_and_is_not_counted_again_goes() {
        // Days ago, and whether it goes.
        let wishes = [
            (300, allow("ann", None), false),
            (299, allow("bob", None), true),
            (298, allow("carl", Some(-1)), true),
            (297, allow("dora", Some(1)), false),
            (296, allow("eve", None), true),
            (200, decide(Some(365)), false),
            (199, decide(Some(100)), true),
            (198, decide(None), true),
            (100, settings("a"), true),
            (90, settings("b"), false),
            (80, disallow("bob"), true),
            (70, allow("eve", None), false),
            // What a new node counts again finds everything as it was then.
            (60, allow("fay", None), false),
            (20, disallow("fay"), false),
            (10, settings("c"), false),
            (5, decide(Some(1)), false),
        ];
        let given: Vec<(i64, Timestamp, Wished)> = wishes
            .iter()
            .zip(1..)
            .map(|((days, wished, _), seq)| {
                (
                    seq,
                    Timestamp::from_secs(NOW - days * 86_400),
                    wished.clone(),
                )
            })
            .collect();
        let mut gone = outlived(&given, Timestamp::from_secs(NOW));
        gone.sort_unstable();
        let expected: Vec<i64> = wishes
            .iter()
            .zip(1..)
            .filter_map(|((_, _, goes), seq)| goes.then_some(seq))
            .collect();
        assert_eq!(gone, expected);
    }
}
