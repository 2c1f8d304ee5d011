//! The ladder: what can be done, from a note to what only a person may do.

use serde::{Deserialize, Serialize};

/// One step. The order is that of the ladder (behaviour.md 4.1): further down is harder on whoever it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Somebody is told.
    Note,
    /// Answers to this source about this account wait, at most fifteen seconds.
    SlowPair,
    /// Answers to this source wait.
    SlowSource,
    /// List mail, bounces and mail of unknown machines to this mailbox are asked to come later.
    LimitMailbox,
    /// The account's mail is asked to come later.
    DeferMail,
    /// A rule that was just made does not take effect until somebody has looked.
    HoldRule,
    /// This source is refused for this account.
    BlockPair,
    /// Whom the account does not know gets a temporary failure; its owner goes on.
    Protect,
    /// What the account sends is accepted and held.
    Freeze,
    /// Sessions that are open are ended.
    EndSessions,
    /// The password must be changed; until then only who is known gets in.
    ResetCredential,
    /// This source is refused, except for accounts that knew it before.
    BlockSource,
    /// Nobody gets in. Only a person decides that.
    Disable,
}

const NAMES: [(Step, &str); 13] = [
    (Step::Note, "note"),
    (Step::SlowPair, "slow-pair"),
    (Step::SlowSource, "slow-source"),
    (Step::LimitMailbox, "limit-mailbox"),
    (Step::DeferMail, "defer-mail"),
    (Step::HoldRule, "hold-rule"),
    (Step::BlockPair, "block-pair"),
    (Step::Protect, "protect"),
    (Step::Freeze, "freeze"),
    (Step::EndSessions, "end-sessions"),
    (Step::ResetCredential, "reset-credential"),
    (Step::BlockSource, "block-source"),
    (Step::Disable, "disable"),
];

impl Step {
    /// As it is written in settings and shown.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(step, _)| *step == self)
            .map_or("note", |(_, name)| name)
    }

    /// Reads a name that a table of settings may hold: what a detector may do by itself.
    pub fn read(text: &str) -> Result<Self, String> {
        let step = NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(step, _)| *step);
        match step {
            Some(Self::Disable) => {
                Err("is for people only: a detector cannot disable an account".into())
            }
            Some(step) => Ok(step),
            None => Err(format!("{text:?} is no step")),
        }
    }

    /// What can be written, for whoever wrote something else.
    pub fn all_names() -> String {
        let names: Vec<&str> = NAMES
            .iter()
            .filter(|(step, _)| *step != Self::Disable)
            .map(|(_, name)| *name)
            .collect();
        names.join(", ")
    }

    /// How long the first decision of its kind stands, seconds; each further one twice as long.
    pub const fn first_secs(self) -> i64 {
        match self {
            Self::SlowSource => 600,
            Self::BlockSource => 900,
            Self::SlowPair
            | Self::BlockPair
            | Self::DeferMail
            | Self::LimitMailbox
            | Self::Protect => 3600,
            // A stolen account is not given back by time: a day, so that somebody has come to the office.
            Self::Note
            | Self::HoldRule
            | Self::Freeze
            | Self::EndSessions
            | Self::ResetCredential
            | Self::Disable => 86_400,
        }
    }
}
