//! Who may do what, and on whose mail.

use mail::{Address, Record};
use serde::{Deserialize, Serialize};

/// What somebody is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Looks after mail: searches, reads, releases, deletes, teaches, allows senders.
    Operator,
    /// Looks after the administrators: reads records, policy, people and the log of acts, and changes nothing.
    Auditor,
    /// A mailbox owner: their own quarantine only.
    Owner,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Administrator,
        Self::Operator,
        Self::Auditor,
        Self::Owner,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Owner => "owner",
        }
    }

    /// Reads the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// May somebody in this role do it?
    pub const fn may(self, right: Right) -> bool {
        match right {
            Right::SeeQuarantine | Right::ReadHeld | Right::DecideHeld => {
                !matches!(self, Self::Auditor)
            }
            Right::SeeRecords => !matches!(self, Self::Owner),
            Right::SeePolicy | Right::SeeLessons => !matches!(self, Self::Owner),
            Right::AllowSender | Right::DecideWatched | Right::TeachAll | Right::Recall => {
                matches!(self, Self::Administrator | Self::Operator)
            }
            Right::SeeActs | Right::SeePeople => {
                matches!(self, Self::Administrator | Self::Auditor)
            }
            Right::ChangePolicy | Right::ChangePeople | Right::Approve => {
                matches!(self, Self::Administrator)
            }
        }
    }
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Search records, read verdicts, see the overview.
    SeeRecords,
    /// List held mail.
    SeeQuarantine,
    /// Read what a held message says.
    ReadHeld,
    /// Release, delete, teach.
    DecideHeld,
    /// Enter a sender into the list of allowed ones.
    AllowSender,
    /// Read policy and its history, test it, try it on recorded mail.
    SeePolicy,
    /// Put a policy in force.
    ChangePolicy,
    /// Read the log of acts, verify and export it.
    SeeActs,
    /// See who may log in.
    SeePeople,
    /// Enter, change and remove people.
    ChangePeople,
    /// Decide what others ask for.
    Approve,
    /// Block and allow users and machines, and undo what the watch decided.
    DecideWatched,
    /// Read the training log.
    SeeLessons,
    /// Teach mail that did not come past here, and take back what was learnt.
    TeachAll,
    /// Call delivered mail back out of mailboxes, and put it back.
    Recall,
}

impl Right {
    /// In words, for "you may not …".
    pub const fn words(self) -> &'static str {
        match self {
            Self::SeeRecords => "see records of messages",
            Self::SeeQuarantine => "see held mail",
            Self::ReadHeld => "read held mail",
            Self::DecideHeld => "decide about held mail",
            Self::AllowSender => "allow senders",
            Self::SeePolicy => "see the policy",
            Self::ChangePolicy => "change the policy",
            Self::SeeActs => "see the log of acts",
            Self::SeePeople => "see who may log in",
            Self::ChangePeople => "change who may log in",
            Self::Approve => "approve requests",
            Self::DecideWatched => "decide about users and machines",
            Self::SeeLessons => "see the training log",
            Self::TeachAll => "teach for the whole site",
            Self::Recall => "call delivered mail back",
        }
    }

    /// Concerns the whole site, so that somebody whose scope is a part of it may not.
    pub const fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::ChangePolicy
                | Self::AllowSender
                | Self::SeeActs
                | Self::SeePeople
                | Self::ChangePeople
                | Self::Approve
                | Self::DecideWatched
                | Self::SeeLessons
                | Self::TeachAll
        )
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub who: String,
    /// From where: `command line`, an address.
    pub from: String,
    /// What they are.
    pub role: Role,
    /// On whose mail: `@domain` or addresses; empty is everybody's.
    pub scope: Vec<String>,
}

impl Author {
    /// Somebody at the machine itself: may do everything, because they could do it by hand.
    pub fn at_the_machine(who: &str) -> Self {
        Self {
            who: who.to_owned(),
            from: "command line".to_owned(),
            role: Role::Administrator,
            scope: Vec::new(),
        }
    }

    /// The service itself, in what it does by the clock.
    pub fn by_itself(what: &str) -> Self {
        Self {
            who: "mailvigil".to_owned(),
            from: what.to_owned(),
            role: Role::Administrator,
            scope: Vec::new(),
        }
    }

    /// May they do it?
    pub fn may(&self, right: Right) -> bool {
        self.role.may(right)
            && (self.scope.is_empty() || !right.is_for_all())
            // An owner without an address owns nothing.
            && !(self.role == Role::Owner && self.scope.is_empty())
    }

    /// Does their scope cover this address?
    pub fn covers(&self, address: &Address) -> bool {
        let key = address.key();
        let domain = key.rfind('@').map(|at| &key[at..]);
        self.scope.is_empty()
            || self
                .scope
                .iter()
                .any(|one| *one == key || Some(one.as_str()) == domain)
    }

    /// Does their scope cover anybody of this record?
    pub fn covers_record(&self, record: &Record) -> bool {
        let envelope = &record.envelope;
        let visible = record.header_from.as_deref().and_then(Address::new);
        envelope
            .recipients
            .iter()
            .chain(&envelope.envelope_from)
            .chain(&visible)
            .any(|address| self.covers(address))
            || self.scope.is_empty()
    }
}

/// Reads a scope: `@domain` or addresses, in their compared form.
pub fn read_scope(texts: &[String]) -> Result<Vec<String>, String> {
    let one = |text: &String| {
        let text = text.trim();
        let domain = text.strip_prefix('@');
        let good = match domain {
            Some(domain) => mail::Domain::parse(domain)
                .ok()
                .map(|domain| format!("@{domain}")),
            None => Address::new(text)
                .filter(|address| address.domain().is_some())
                .map(|address| address.key()),
        };
        good.ok_or_else(|| format!("{text:?} is neither an address nor @domain"))
    };
    let mut scope: Vec<String> = texts
        .iter()
        .filter(|text| !text.trim().is_empty())
        .map(one)
        .collect::<Result<_, _>>()?;
    scope.sort_unstable();
    scope.dedup();
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(role: Role, scope: &[&str]) -> Author {
        Author {
            who: "ann".into(),
            from: "test".into(),
            role,
            scope: scope.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn an_auditor_changes_nothing_and_reads_no_mail() {
        let auditor = author(Role::Auditor, &[]);
        for right in [
            Right::ReadHeld,
            Right::DecideHeld,
            Right::AllowSender,
            Right::ChangePolicy,
            Right::ChangePeople,
            Right::Approve,
        ] {
            assert!(!auditor.may(right), "{right:?}");
        }
        for right in [
            Right::SeeRecords,
            Right::SeePolicy,
            Right::SeeActs,
            Right::SeePeople,
        ] {
            assert!(auditor.may(right), "{right:?}");
        }
    }

    #[test]
    fn who_looks_after_a_part_changes_nothing_for_all() {
        let part = author(Role::Administrator, &["@a.example"]);
        assert!(part.may(Right::DecideHeld) && part.may(Right::SeePolicy));
        assert!(!part.may(Right::ChangePolicy) && !part.may(Right::ChangePeople));
        let covers = |of: &Author, text: &str| of.covers(&Address::new(text).expect("an address"));
        assert!(covers(&part, "X@A.example") && !covers(&part, "x@b.a.example"));
        let owner = author(Role::Owner, &["ann@a.example"]);
        assert!(covers(&owner, "ann@a.example") && !covers(&owner, "bob@a.example"));
        assert!(owner.may(Right::DecideHeld) && !owner.may(Right::SeeRecords));
        assert!(!author(Role::Owner, &[]).may(Right::SeeQuarantine));
    }

    #[test]
    fn scopes_are_read_strictly() {
        let read = |texts: &[&str]| {
            read_scope(
                &texts
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            read(&["@A.example", "ann@b.example", ""]).as_deref(),
            Ok(&["@a.example".to_owned(), "ann@b.example".to_owned()][..])
        );
        assert!(read(&["a.example"]).is_err());
        assert!(read(&["@"]).is_err());
    }
}
