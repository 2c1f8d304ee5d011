//! What is done about findings: a ladder of steps, decisions that end by themselves, and the answers that follow from them.
//!
//! A detection never does anything; `Response::consider` turns it into decisions, by the site's table and within the bounds
//! that keep a mistake small (`guard`). Answers ([`answer`]) only read. An account is never locked because strangers fail: its
//! owner goes on from where he is known, whatever happens.

use mail::operation::DeviceTag;
use mail::{Account, Address, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

mod allow;
pub mod answer;
mod book;
mod guard;
mod step;

pub use allow::{Allowance, Allowed};
pub use book::Undone;
pub use step::Step;

use crate::Detection;
use crate::detectors::{About, DETECTORS, Knob};
use crate::ledger::Ledger;
use crate::ledger::keys::{Marks, cut};
use allow::Allowances;
use book::Book;

/// What a decision is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// A source: an IPv4 address, or a /64.
    Source(std::net::IpAddr),
    /// An account as a source asks for it.
    Pair(std::net::IpAddr, Account),
    /// An account.
    Account(Account),
    /// A mailbox that strangers write to.
    Mailbox(Address),
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// A detector, by its id; `"sum"` when several together did.
    Detector(String),
    /// A person.
    Person(String),
}

/// A standing decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name.
    pub id: RecordId,
    /// About whom.
    pub scope: Scope,
    /// What is done.
    pub step: Step,
    /// By whom.
    pub author: Author,
    /// Why, in words.
    pub reason: String,
    /// The operations behind it.
    pub evidence: Vec<RecordId>,
    /// Since when.
    pub created: Timestamp,
    /// Until when; there is no decision without an end.
    pub expires: Timestamp,
    /// Only written down: the detector observes, the kill switch is on, or the guard held it back.
    pub simulated: bool,
    /// Why the guard held it back; a person should look.
    pub held_back: Option<String>,
    /// It concerns those only whom the account does not know.
    pub strangers_only: bool,
    /// People who came by that source lately.
    pub good_users: u32,
}

/// Decisions, and what bounds them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Response {
    pub(crate) book: Book,
    pub(crate) allowances: Allowances,
}

/// An operation's identities, for decisions about them.
pub(crate) struct Who<'a> {
    pub source: Option<std::net::IpAddr>,
    pub account: Option<&'a Account>,
    pub device: Option<DeviceTag>,
    pub mailbox: Option<&'a Address>,
    pub marks: &'a Marks,
}

/// What a detection is to bring about.
pub(crate) struct Course<'a> {
    pub steps: &'a [Step],
    /// It is only written down.
    pub simulated: bool,
    /// It concerns those only whom the account does not know.
    pub strangers_only: bool,
}

impl Response {
    /// Without any decision, within a budget of bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            book: Book::new(bytes_max),
            allowances: Allowances::default(),
        }
    }

    pub(crate) fn restored(self, bytes_max: usize, now: Timestamp) -> Self {
        Self {
            book: self.book.restored(bytes_max, now),
            allowances: self.allowances,
        }
    }

    /// Turns a detection into decisions.
    pub(crate) fn consider(
        &mut self,
        detection: &Detection,
        who: &Who<'_>,
        course: &Course<'_>,
        ledger: &Ledger,
    ) -> Vec<Decision> {
        let mut made = Vec::new();
        for step in course.steps {
            let Some(scope) = scope_of(*step, who) else {
                continue;
            };
            let author = Author::Detector(detection.detector.to_owned());
            made.extend(self.decide(
                Wish {
                    at: detection.at,
                    secs: None,
                    scope,
                    step: *step,
                    author,
                    reason: detection.in_words(),
                    evidence: detection.evidence.clone(),
                    simulated: course.simulated,
                    strangers_only: course.strangers_only,
                },
                who,
                ledger,
            ));
        }
        made
    }

    /// What findings of an account add up to is enough: its mail is frozen.
    pub(crate) fn freeze(
        &mut self,
        wish: Wish,
        who: &Who<'_>,
        ledger: &Ledger,
    ) -> Option<Decision> {
        self.decide(wish, who, ledger).into_iter().next()
    }

    /// What a person decided.
    pub(crate) fn of_person(&mut self, wish: Wish, ledger: &Ledger) -> Option<Decision> {
        self.book.enter(wish, guard::Verdict::default(), ledger)
    }

    fn decide(&mut self, wish: Wish, who: &Who<'_>, ledger: &Ledger) -> Vec<Decision> {
        if self
            .allowances
            .covers(who.source, who.account, who.device, wish.at)
            || self.book.in_grace(&wish.scope, ledger, wish.at)
        {
            return Vec::new();
        }
        let verdict = guard::may(&wish, who, ledger, &self.book);
        let mut wishes = Vec::new();
        if let (Some(_), Some(source), Some(account)) =
            (&verdict.held_back, who.source, who.account)
        {
            // Many of our people come by it: the account as this source asks for it, instead of the source.
            wishes.push((
                Wish {
                    scope: Scope::Pair(cut(source, 32, 64), account.clone()),
                    step: Step::BlockPair,
                    ..wish.clone()
                },
                guard::Verdict::default(),
            ));
        }
        wishes.push((wish, verdict));
        wishes
            .into_iter()
            .filter_map(|(wish, verdict)| self.book.enter(wish, verdict, ledger))
            .collect()
    }
}

/// What somebody wants decided.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub at: Timestamp,
    /// How long, when somebody said so.
    pub secs: Option<i64>,
    pub scope: Scope,
    pub step: Step,
    pub author: Author,
    pub reason: String,
    pub evidence: Vec<RecordId>,
    pub simulated: bool,
    pub strangers_only: bool,
}

/// Whom a step is about; `None` when the operation does not say.
fn scope_of(step: Step, who: &Who<'_>) -> Option<Scope> {
    let source = who.source.map(|ip| cut(ip, 32, 64));
    match step {
        Step::SlowPair | Step::BlockPair => Some(Scope::Pair(source?, who.account?.clone())),
        Step::SlowSource | Step::BlockSource => source.map(Scope::Source),
        Step::LimitMailbox => who.mailbox.cloned().map(Scope::Mailbox),
        Step::Note => match (who.account, source, who.mailbox) {
            (Some(account), _, _) => Some(Scope::Account(account.clone())),
            (None, Some(source), _) => Some(Scope::Source(source)),
            (None, None, mailbox) => mailbox.cloned().map(Scope::Mailbox),
        },
        Step::DeferMail
        | Step::HoldRule
        | Step::Protect
        | Step::Freeze
        | Step::EndSessions
        | Step::ResetCredential
        | Step::Disable => who.account.cloned().map(Scope::Account),
    }
}

impl Detection {
    /// `auth.bf.ip: one source offers many different wrong passwords (passwords 61 of 50)`
    pub fn in_words(&self) -> String {
        let knobs: &[Knob] = DETECTORS[self.number].knobs;
        let counts: Vec<String> = self
            .values
            .iter()
            .map(|(name, value)| {
                let most = knobs.iter().position(|knob| knob.name == *name);
                let most = most.and_then(|number| self.thresholds.get(number));
                match most {
                    Some((_, most)) => format!("{name} {} of {}", figure(*value), figure(*most)),
                    None => format!("{name} {}", figure(*value)),
                }
            })
            .collect();
        let meaning = DETECTORS[self.number].meaning;
        if counts.is_empty() {
            format!("{}: {meaning}", self.detector)
        } else {
            format!("{}: {meaning} ({})", self.detector, counts.join(", "))
        }
    }

    /// Which of the identities it is about.
    pub const fn about(&self) -> About {
        self.about
    }
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value.abs() < 0.1 {
        // Shares of a few in a thousand are thresholds, too.
        format!("{value:.4}").trim_end_matches('0').to_owned()
    } else {
        format!("{value:.2}")
    }
}
