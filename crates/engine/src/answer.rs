//! From a verdict to one answer a mail server can carry out.
//!
//! A verdict has an outcome per recipient; after the message text a mail server takes one answer for
//! all, plus changes to headers and recipients. [`Plan::new`] finds the answer that gives every
//! recipient its outcome where the protocol can, and otherwise the nearest one that loses nothing.

use mail::{Action, Address, Fate, Verdict};

/// What the mail server is told, in no protocol's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Go on, with these changes.
    Deliver(Changes),
    /// Refuse for good.
    Refuse(Text),
    /// Ask to come back later.
    Later(Text),
    /// Accept and forget.
    Drop,
    /// Keep it in the server's own hold queue, giving this reason.
    Hold(String),
}

/// A reply text for the sending side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// `451`, `550`
    pub code: u16,
    /// `5.7.1`
    pub enhanced: String,
    /// One line.
    pub text: String,
}

/// Changes to a message that is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Header fields to add at the end of the header: name and value.
    pub add_headers: Vec<(String, String)>,
    /// Header fields to remove: name, and which occurrence from the top, counted from 1.
    pub remove_headers: Vec<(String, u32)>,
    /// Recipients that do not get it.
    pub delete_recipients: Vec<Address>,
    /// Recipients that get it in their place.
    pub add_recipients: Vec<Address>,
}

/// What the asking server can carry out, as negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Header fields may be added.
    pub add_headers: bool,
    /// Header fields may be removed.
    pub change_headers: bool,
    /// Recipients may be added and removed.
    pub change_recipients: bool,
    /// The server has a hold queue.
    pub hold: bool,
}

impl Abilities {
    /// Everything: Postfix since 2.6, Sendmail since 8.14.
    pub const ALL: Self = Self {
        add_headers: true,
        change_headers: true,
        change_recipients: true,
        hold: true,
    };
}

/// How a verdict is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the server is told once all promises are kept.
    pub course: Course,
    /// Recipients for whom the message goes to the quarantine first.
    pub held: Vec<Address>,
    /// What the record says became of the message.
    pub fate: Fate,
    /// Why some recipient gets another outcome than its verdict says.
    pub note: Option<String>,
}

/// The answer for the message as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Deliver to those whose action delivers.
    Deliver,
    /// Refuse.
    Refuse,
    /// Later.
    Later,
    /// Accept and forget.
    Drop,
}

impl Plan {
    /// Finds the plan for `verdict` on a server with these `abilities`.
    pub fn new(verdict: &Verdict, abilities: Abilities) -> Self {
        let with = |wanted: fn(&Action) -> bool| -> Vec<Address> {
            let wanted = verdict
                .outcomes
                .iter()
                .filter(|outcome| wanted(&outcome.action));
            wanted.map(|outcome| outcome.recipient.clone()).collect()
        };
        let delivered = with(Action::delivers);
        let quarantined = with(|action| *action == Action::Quarantine);
        let refused = with(|action| matches!(action, Action::Reject));
        let deferred = with(|action| matches!(action, Action::Defer));
        let discarded = with(|action| matches!(action, Action::Discard));
        let everyone = verdict.outcomes.len();

        let simple = |course, held: Vec<Address>, fate| Self {
            course,
            held,
            fate,
            note: None,
        };
        if delivered.len() == everyone {
            return simple(Course::Deliver, Vec::new(), Fate::Delivered);
        }
        if delivered.is_empty() && quarantined.is_empty() {
            // Nobody gets it and nobody is promised a copy. A retry is judged anew, so "later" for
            // one is "later" for all; a refusal tells the sender, which deleting would not.
            return if !deferred.is_empty() {
                simple(Course::Later, Vec::new(), Fate::Deferred)
            } else if !refused.is_empty() {
                simple(Course::Refuse, Vec::new(), Fate::Rejected)
            } else {
                simple(Course::Drop, Vec::new(), Fate::Discarded)
            };
        }

        // Some get it or are promised a copy, so the message must be taken now. Those who should have
        // been refused or put off can't be, one by one, after the message text: they are held.
        let mut held = quarantined;
        let mut note = None;
        if refused.len() + deferred.len() > 0 {
            note = Some(format!(
                "held instead of refused for {} of {everyone} recipients: a mail server takes one reply for all after the text",
                refused.len() + deferred.len(),
            ));
            held.extend(refused);
            held.extend(deferred);
        }
        let mut course = if delivered.is_empty() {
            Course::Drop
        } else {
            Course::Deliver
        };
        if course == Course::Deliver && !abilities.change_recipients {
            note = Some("held for all: this server lets no recipient be taken off".to_owned());
            held = verdict
                .outcomes
                .iter()
                .map(|outcome| outcome.recipient.clone())
                .collect();
            course = Course::Drop;
        }
        let fate = if !held.is_empty() {
            Fate::Quarantined
        } else if !discarded.is_empty() {
            Fate::Discarded
        } else {
            Fate::Delivered
        };
        Self {
            course,
            held,
            fate,
            note,
        }
    }
}

impl Changes {
    /// The recipient changes that give each recipient its outcome when the message is delivered.
    pub fn recipients(verdict: &Verdict) -> Self {
        let mut changes = Self::default();
        for outcome in &verdict.outcomes {
            if let Action::Redirect(target) = &outcome.action {
                changes.delete_recipients.push(outcome.recipient.clone());
                if !changes.add_recipients.contains(target) {
                    changes.add_recipients.push(target.clone());
                }
            } else if !outcome.action.delivers() {
                changes.delete_recipients.push(outcome.recipient.clone());
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::verdict::Outcome;
    use mail::{Level, Reason};

    fn verdict(actions: &[Action]) -> Verdict {
        let outcomes = actions.iter().enumerate().map(|(number, action)| Outcome {
            recipient: Address::new(&format!("r{number}@example.org")).expect("an address"),
            score: 0.0,
            level: Level::Ordinary,
            action: action.clone(),
        });
        Verdict {
            level: Level::Ordinary,
            score: 0.0,
            action: Action::Accept,
            reasons: Vec::<Reason>::new(),
            outcomes: outcomes.collect(),
            policy_version: 1,
            unknown: Vec::new(),
        }
    }

    fn check(actions: &[Action], course: Course, held: &[usize], fate: Fate) {
        let verdict = verdict(actions);
        let plan = Plan::new(&verdict, Abilities::ALL);
        let mut expected: Vec<_> = held
            .iter()
            .map(|i| verdict.outcomes[*i].recipient.clone())
            .collect();
        let mut got = plan.held.clone();
        expected.sort();
        got.sort();
        assert_eq!(
            (plan.course, got, plan.fate),
            (course, expected, fate),
            "{actions:?}"
        );
    }

    #[test]
    fn one_action_for_all() {
        use Action::{Accept, Defer, Discard, Quarantine, Reject, Tag};
        check(&[Accept, Tag], Course::Deliver, &[], Fate::Delivered);
        check(&[Discard, Discard], Course::Drop, &[], Fate::Discarded);
        check(
            &[Quarantine, Quarantine],
            Course::Drop,
            &[0, 1],
            Fate::Quarantined,
        );
        check(&[Reject], Course::Refuse, &[], Fate::Rejected);
        check(&[Defer, Defer], Course::Later, &[], Fate::Deferred);
    }

    #[test]
    fn mixed_actions_lose_nothing() {
        use Action::{Accept, Defer, Discard, Quarantine, Reject};
        check(
            &[Accept, Discard, Quarantine],
            Course::Deliver,
            &[2],
            Fate::Quarantined,
        );
        check(
            &[Accept, Reject, Defer],
            Course::Deliver,
            &[1, 2],
            Fate::Quarantined,
        );
        check(&[Accept, Discard], Course::Deliver, &[], Fate::Discarded);
        check(
            &[Quarantine, Discard],
            Course::Drop,
            &[0],
            Fate::Quarantined,
        );
        check(
            &[Quarantine, Reject],
            Course::Drop,
            &[0, 1],
            Fate::Quarantined,
        );
        check(&[Reject, Discard], Course::Refuse, &[], Fate::Rejected);
        check(&[Reject, Defer], Course::Later, &[], Fate::Deferred);
    }

    #[test]
    fn a_server_that_cannot_change_recipients_holds_for_all() {
        let verdict = verdict(&[Action::Accept, Action::Discard]);
        let weak = Abilities {
            change_recipients: false,
            ..Abilities::ALL
        };
        let plan = Plan::new(&verdict, weak);
        assert_eq!(plan.course, Course::Drop);
        assert_eq!(plan.held.len(), 2);
        assert!(plan.note.is_some());
    }

    #[test]
    fn redirection_swaps_the_recipient_once() {
        let target = Address::new("abuse@example.org").expect("an address");
        let verdict = verdict(&[
            Action::Redirect(target.clone()),
            Action::Redirect(target.clone()),
            Action::Accept,
        ]);
        let changes = Changes::recipients(&verdict);
        assert_eq!(changes.delete_recipients.len(), 2);
        assert_eq!(changes.add_recipients, [target]);
    }
}
