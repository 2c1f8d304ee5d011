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
    /// Header fields to put on top, topmost first: name and value. They say where in the message's way they were written.
    pub top_headers: Vec<(String, String)>,
    /// Header fields to add at the end of the header: name and value.
    pub add_headers: Vec<(String, String)>,
    /// Header fields to remove: name, and which occurrence from the top, counted from 1.
    pub remove_headers: Vec<(String, u32)>,
    /// Recipients that do not get it.
    pub delete_recipients: Vec<Address>,
    /// Recipients that get it in their place.
    pub add_recipients: Vec<Address>,
    /// Of the deleted recipients, those whose sender is told so, where each takes its own answer.
    pub refused: Vec<(Address, Text)>,
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
    /// Each recipient takes its own answer after the text (LMTP).
    pub answer_each: bool,
    /// What is answered is carried out. A door that only gives advice holds nothing: the asking program would deliver it as well.
    pub obeys: bool,
}

impl Abilities {
    /// Everything: Postfix since 2.6, Sendmail since 8.14.
    pub const ALL: Self = Self {
        add_headers: true,
        change_headers: true,
        change_recipients: true,
        hold: true,
        answer_each: false,
        obeys: true,
    };
    /// A program that asks, and decides itself.
    pub const ADVICE: Self = Self {
        add_headers: true,
        change_headers: true,
        change_recipients: false,
        hold: false,
        answer_each: false,
        obeys: false,
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
        if !abilities.obeys {
            return Self::advice(verdict);
        }
        let with = |wanted: fn(&Action) -> bool| -> Vec<Address> {
            let wanted = verdict
                .outcomes
                .iter()
                .filter(|outcome| wanted(&outcome.action));
            wanted.map(|outcome| outcome.recipient.clone()).collect()
        };
        let delivered = with(Action::delivers);
        let redirected = with(|action| matches!(action, Action::Redirect(_)));
        let quarantined = with(|action| *action == Action::Quarantine);
        let refused = with(|action| matches!(action, Action::Reject));
        let deferred = with(|action| matches!(action, Action::Defer));
        let discarded = with(|action| matches!(action, Action::Discard));
        let everyone = verdict.outcomes.len();
        let cannot_redirect = !redirected.is_empty() && !abilities.change_recipients;

        if delivered.len() == everyone && !cannot_redirect {
            return Self::simple(Course::Deliver, Fate::Delivered);
        }
        if delivered.is_empty() && quarantined.is_empty() && !abilities.answer_each {
            // Nobody gets it and nobody is promised a copy. A retry is judged anew, so "later" for
            // one is "later" for all; a refusal tells the sender, which deleting would not.
            return if !deferred.is_empty() {
                Self::simple(Course::Later, Fate::Deferred)
            } else if !refused.is_empty() {
                Self::simple(Course::Refuse, Fate::Rejected)
            } else {
                Self::simple(Course::Drop, Fate::Discarded)
            };
        }

        // Some get it or are promised a copy, so the message must be taken now. Those who should have
        // been refused or put off can't be, one by one, after the message text: they are held.
        let mut held = quarantined;
        let mut note = None;
        if refused.len() + deferred.len() > 0 && !abilities.answer_each {
            note = Some(format!(
                "held instead of refused for {} of {everyone} recipients: a mail server takes one reply for all after the text",
                refused.len() + deferred.len(),
            ));
            held.extend(refused.iter().chain(&deferred).cloned());
        }
        let mut course = if delivered.is_empty() && !abilities.answer_each {
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
        } else if !delivered.is_empty() {
            Fate::Delivered
        } else if !deferred.is_empty() {
            Fate::Deferred
        } else {
            Fate::Rejected
        };
        Self {
            course,
            held,
            fate,
            note,
        }
    }

    fn simple(course: Course, fate: Fate) -> Self {
        Self {
            course,
            held: Vec::new(),
            fate,
            note: None,
        }
    }

    /// What is told to a program that decides itself. Nothing is promised, so nothing is kept.
    fn advice(verdict: &Verdict) -> Self {
        let mut plan = match verdict.action {
            Action::Accept | Action::Tag | Action::Redirect(_) | Action::Quarantine => {
                Self::simple(Course::Deliver, Fate::Delivered)
            }
            Action::Reject => Self::simple(Course::Refuse, Fate::Rejected),
            Action::Defer => Self::simple(Course::Later, Fate::Deferred),
            Action::Discard => Self::simple(Course::Drop, Fate::Discarded),
        };
        if verdict.action != Action::Accept {
            plan.note = Some(format!(
                "advice to a program that decides itself: {}",
                verdict.action.as_str()
            ));
        }
        plan
    }
}

impl Changes {
    /// The recipient changes that give each recipient its outcome when the message is delivered.
    pub fn recipients(verdict: &Verdict, text: impl Fn(&Action) -> Text) -> Self {
        let mut changes = Self::default();
        for outcome in &verdict.outcomes {
            if let Action::Redirect(target) = &outcome.action {
                changes.delete_recipients.push(outcome.recipient.clone());
                if !changes.add_recipients.contains(target) {
                    changes.add_recipients.push(target.clone());
                }
            } else if !outcome.action.delivers() {
                changes.delete_recipients.push(outcome.recipient.clone());
                if matches!(outcome.action, Action::Reject | Action::Defer) {
                    let text = text(&outcome.action);
                    changes.refused.push((outcome.recipient.clone(), text));
                }
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

    fn no(action: &Action) -> Text {
        Text {
            code: 550,
            enhanced: "5.7.1".to_owned(),
            text: action.as_str().to_owned(),
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
    fn where_each_is_answered_nobody_is_held_instead_of_refused() {
        use Action::{Accept, Defer, Quarantine, Reject};
        let lmtp = Abilities {
            answer_each: true,
            ..Abilities::ALL
        };
        let plan = Plan::new(&verdict(&[Accept, Reject, Defer]), lmtp);
        assert_eq!((plan.course, plan.fate), (Course::Deliver, Fate::Delivered));
        assert!(plan.held.is_empty() && plan.note.is_none());
        let plan = Plan::new(&verdict(&[Quarantine, Reject]), lmtp);
        assert_eq!((plan.held.len(), plan.fate), (1, Fate::Quarantined));
        let changes = Changes::recipients(&verdict(&[Accept, Reject, Defer]), no);
        assert_eq!(changes.refused.len(), 2);
    }

    #[test]
    fn advice_holds_nothing() {
        let plan = Plan::new(&verdict(&[Action::Quarantine]), Abilities::ADVICE);
        assert!(plan.held.is_empty());
        let mut advised = verdict(&[Action::Reject]);
        advised.action = Action::Reject;
        let plan = Plan::new(&advised, Abilities::ADVICE);
        assert_eq!((plan.course, plan.fate), (Course::Refuse, Fate::Rejected));
        assert!(plan.note.is_some());
    }

    #[test]
    fn what_cannot_be_redirected_is_held() {
        let target = Address::new("abuse@example.org").expect("an address");
        let weak = Abilities {
            change_recipients: false,
            ..Abilities::ALL
        };
        let plan = Plan::new(&verdict(&[Action::Redirect(target)]), weak);
        assert_eq!((plan.course, plan.held.len()), (Course::Drop, 1));
    }

    #[test]
    fn redirection_swaps_the_recipient_once() {
        let target = Address::new("abuse@example.org").expect("an address");
        let verdict = verdict(&[
            Action::Redirect(target.clone()),
            Action::Redirect(target.clone()),
            Action::Accept,
        ]);
        let changes = Changes::recipients(&verdict, no);
        assert_eq!(changes.delete_recipients.len(), 2);
        assert_eq!(changes.add_recipients, [target]);
    }
}
