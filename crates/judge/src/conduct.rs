//! What was done before a message, as a reason of its verdict.

use mail::conduct::{Asked, Conduct};
use mail::verdict::{Demand, Evidence};
use mail::{Action, Reason};

/// The reason: it adds nothing to the score and demands an action, because it is about the sender and not about the message.
pub(crate) fn reason(conduct: &Conduct) -> Reason {
    let (action, text) = match conduct.asks {
        Asked::Defer => (
            Action::Defer,
            "Whoever sends it is asked to wait, for what was done before",
        ),
        Asked::Hold => (
            Action::Quarantine,
            "Mail of this account is held until somebody has looked, for what was done with it before",
        ),
        Asked::Refuse => (
            Action::Reject,
            "The machine it comes from is blocked, for what was done from it before",
        ),
    };
    Reason {
        name: format!("conduct-{}", conduct.asks.as_str()),
        score: 0.0,
        text: text.to_owned(),
        evidence: conduct.why.iter().cloned().map(Evidence::of).collect(),
        demands: Some(Demand::Action(action)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asks_for_its_action_and_says_why() {
        let cases = [
            (Asked::Defer, Action::Defer, "conduct-defer"),
            (Asked::Hold, Action::Quarantine, "conduct-hold"),
            (Asked::Refuse, Action::Reject, "conduct-refuse"),
        ];
        for (asks, action, name) in cases {
            let reason = reason(&Conduct {
                asks,
                why: vec!["auth.hit: a password that was guessed".into()],
                decisions: Vec::new(),
            });
            assert_eq!(reason.name, name);
            assert_eq!(reason.demands, Some(Demand::Action(action)));
            assert!(reason.evidence[0].text.starts_with("auth.hit"));
        }
    }
}
