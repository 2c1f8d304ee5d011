//! The blast radius: what no automatic decision may reach, however sure a detector is.

use super::book::Book;
use super::{Author, Step, Who, Wish};
use crate::ledger::Ledger;

/// People of ours that came by a source within a day, from which on it is not blocked whole (behaviour.md 4.3).
const GOOD_USERS_MAX: u32 = 5;
/// Share of all active people that standing blocks may concern together, in thousandths.
const BLOCKED_PER_MILLE: u64 = 5;

/// What the guard says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Why it is only written down.
    pub held_back: Option<String>,
    /// People who came by the source lately.
    pub good_users: u32,
}

/// May this be decided without a person? What a person wants is not asked about.
pub(crate) fn may(wish: &Wish, who: &Who<'_>, ledger: &Ledger, book: &Book) -> Verdict {
    if wish.step != Step::BlockSource || matches!(wish.author, Author::Person(_)) {
        return Verdict::default();
    }
    let logins = who
        .marks
        .source
        .and_then(|source| ledger.sources.get(source))
        .and_then(|source| source.logins.as_ref());
    let good_users = logins.map_or(0, |logins| logins.good_day.count(wish.at));
    let active = u64::from(ledger.active.count(wish.at));
    let concerned = u64::from(book.good_users_blocked()) + u64::from(good_users);
    let held_back = if good_users >= GOOD_USERS_MAX {
        Some(format!(
            "{good_users} people logged in from there within a day"
        ))
    } else if good_users > 0 && concerned > (active * BLOCKED_PER_MILLE / 1000).max(1) {
        Some(format!(
            "standing blocks would concern {concerned} of {active} people"
        ))
    } else {
        None
    };
    Verdict {
        held_back,
        good_users,
    }
}
