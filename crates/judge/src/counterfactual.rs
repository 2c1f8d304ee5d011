//! What would have had to be different: the smallest changes that would have given another level.

use mail::verdict::Demand;
use mail::{Level, Verdict};

use crate::policy::Policy;

/// Reasons taken away together are searched exactly up to so many; beyond it the heaviest go first.
const TOGETHER: usize = 3;
/// Reasons considered in the exact search.
const CONSIDERED: usize = 24;

/// A change that would have altered the outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Without these reasons the level would be lower.
    Without {
        /// Which.
        reasons: Vec<String>,
        /// The score then.
        score: f64,
        /// The level then.
        level: Level,
    },
    /// With the boundary of `level` above the score, the level would be the next lower one.
    Boundary {
        /// Whose boundary.
        level: Level,
        /// Where it is.
        from: f64,
        /// Where it would have to be, at least.
        to: f64,
    },
    /// So much more score would give the next higher level.
    More {
        /// How much.
        score: f64,
        /// Which level.
        level: Level,
    },
    /// A demand decides about the action, whatever the score.
    Demand {
        /// Whose.
        reason: String,
        /// What it demands.
        demand: Demand,
    },
}

/// The smallest changes that would have given another outcome, for the recipient with the highest score.
pub fn smallest_changes(verdict: &Verdict, policy: &Policy) -> Vec<Change> {
    let mut changes: Vec<Change> = verdict
        .reasons
        .iter()
        .filter_map(|reason| match &reason.demands {
            Some(Demand::Action(action)) if *action == verdict.action => Some(Change::Demand {
                reason: reason.name.clone(),
                demand: Demand::Action(action.clone()),
            }),
            _ => None,
        })
        .collect();
    changes.extend(without(verdict, policy));
    let by_score = policy.level(verdict.score);
    if verdict.level > Level::Ordinary && by_score == verdict.level {
        let from = boundary(policy, verdict.level);
        changes.push(Change::Boundary {
            level: verdict.level,
            from,
            to: (verdict.score * 10.0).floor() / 10.0 + 0.1,
        });
    }
    let next = match verdict.level {
        Level::Ordinary => Some(Level::Suspicious),
        Level::Suspicious => Some(Level::Dangerous),
        Level::Dangerous => None,
    };
    if let Some(level) = next {
        changes.push(Change::More {
            score: boundary(policy, level) - verdict.score,
            level,
        });
    }
    changes
}

const fn boundary(policy: &Policy, level: Level) -> f64 {
    match level {
        Level::Ordinary => f64::NEG_INFINITY,
        Level::Suspicious => policy.suspicious,
        Level::Dangerous => policy.dangerous,
    }
}

/// The fewest reasons (of equally few, the least weight) without which the level would be lower.
fn without(verdict: &Verdict, policy: &Policy) -> Option<Change> {
    if verdict.level == Level::Ordinary {
        return None;
    }
    let mut places: Vec<usize> = (0..verdict.reasons.len())
        .filter(|place| {
            let reason = &verdict.reasons[*place];
            reason.score > 0.0 || matches!(reason.demands, Some(Demand::Level(_)))
        })
        .collect();
    places.sort_by(|a, b| {
        let weight = |place: &usize| verdict.reasons[*place].score;
        weight(b).total_cmp(&weight(a))
    });
    let exact = &places[..places.len().min(CONSIDERED)];
    for size in 1..=TOGETHER {
        let mut best: Option<(f64, Vec<usize>)> = None;
        subsets(exact, size, &mut Vec::new(), &mut |taken| {
            if outcome(verdict, policy, taken).1 < verdict.level {
                let weight: f64 = taken
                    .iter()
                    .map(|place| verdict.reasons[*place].score)
                    .sum();
                if best.as_ref().is_none_or(|(least, _)| weight < *least) {
                    best = Some((weight, taken.to_vec()));
                }
            }
        });
        if let Some((_, taken)) = best {
            return Some(named(verdict, policy, &taken));
        }
    }
    // Level demands first: as long as one stands, no score helps.
    let mut taken: Vec<usize> = places
        .iter()
        .copied()
        .filter(|place| matches!(verdict.reasons[*place].demands, Some(Demand::Level(level)) if level >= verdict.level))
        .collect();
    for place in &places {
        if outcome(verdict, policy, &taken).1 < verdict.level {
            break;
        }
        if !taken.contains(place) {
            taken.push(*place);
        }
    }
    (outcome(verdict, policy, &taken).1 < verdict.level).then(|| named(verdict, policy, &taken))
}

fn named(verdict: &Verdict, policy: &Policy, taken: &[usize]) -> Change {
    let (score, level) = outcome(verdict, policy, taken);
    Change::Without {
        reasons: taken
            .iter()
            .map(|place| verdict.reasons[*place].name.clone())
            .collect(),
        score,
        level,
    }
}

/// Score and level without some reasons. The verdict's score is that of the recipient who has most.
fn outcome(verdict: &Verdict, policy: &Policy, taken: &[usize]) -> (f64, Level) {
    let gone: f64 = taken
        .iter()
        .map(|place| verdict.reasons[*place].score)
        .sum();
    let score = verdict.score - gone;
    let demanded = verdict
        .reasons
        .iter()
        .enumerate()
        .filter(|(place, _)| !taken.contains(place))
        .filter_map(|(_, reason)| match &reason.demands {
            Some(Demand::Level(level)) => Some(*level),
            _ => None,
        })
        .max();
    let level = policy.level(score);
    (
        score,
        demanded.map_or(level, |demanded| level.max(demanded)),
    )
}

fn subsets(of: &[usize], size: usize, taken: &mut Vec<usize>, visit: &mut impl FnMut(&[usize])) {
    if size == 0 {
        visit(taken);
        return;
    }
    for (place, one) in of.iter().enumerate() {
        taken.push(*one);
        subsets(&of[place + 1..], size - 1, taken, visit);
        taken.pop();
    }
}

/// Terms and patterns, as `(set, term)`, that `new` looks for and `old` did not: of mail that is gone, nobody can tell whether they
/// stood in it.
pub fn new_terms(old: &Policy, new: &Policy) -> Vec<(String, String)> {
    let known = old.scanner.wanted();
    let mut terms: Vec<(String, String)> = new
        .scanner
        .wanted()
        .iter()
        .filter(|wanted| !known.contains(wanted))
        .map(|wanted| (wanted.set.clone(), wanted.term.clone()))
        .collect();
    terms.extend(new.new_imported(old));
    terms
}

/// Window lengths, seconds, that `new` asks about and `old` did not count.
pub fn new_spans(old: &Policy, new: &Policy) -> Vec<u32> {
    new.spans()
        .iter()
        .filter(|span| !old.spans().contains(span))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::{Action, Reason};
    use proptest::prelude::*;

    fn policy() -> Policy {
        let text = "[boundaries]\nsuspicious = 5.0\ndangerous = 12.0\n";
        Policy::parse(text, &mail::Limits::default())
            .unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn verdict(scores: &[f64], demands: Option<Level>) -> Verdict {
        let mut reasons: Vec<Reason> = scores
            .iter()
            .enumerate()
            .map(|(number, score)| Reason {
                name: format!("r{number}"),
                score: *score,
                text: String::new(),
                evidence: Vec::new(),
                demands: None,
            })
            .collect();
        if let Some(level) = demands {
            reasons.push(Reason {
                name: "demand".into(),
                score: 0.0,
                text: String::new(),
                evidence: Vec::new(),
                demands: Some(Demand::Level(level)),
            });
        }
        let score: f64 = scores.iter().sum();
        let level = policy()
            .level(score)
            .max(demands.unwrap_or(Level::Ordinary));
        Verdict {
            level,
            score,
            action: Action::Quarantine,
            reasons,
            outcomes: Vec::new(),
            policy_version: 1,
            unknown: Vec::new(),
        }
    }

    #[test]
    fn the_fewest_and_lightest_reasons_are_named() {
        let changes = smallest_changes(&verdict(&[4.0, 2.0, 1.5, -1.0], None), &policy());
        assert_eq!(
            changes[0],
            Change::Without {
                reasons: vec!["r1".into()],
                score: 4.5,
                level: Level::Ordinary
            }
        );
        assert!(
            matches!(changes[1], Change::Boundary { from, to, .. } if (from - 5.0).abs() < 1e-9 && to > 6.5 && to < 6.7)
        );
        assert!(
            matches!(changes[2], Change::More { score, level: Level::Dangerous } if (score - 5.5).abs() < 1e-9)
        );
    }

    #[test]
    fn a_demanded_level_must_be_among_them() {
        let changes = smallest_changes(&verdict(&[1.0], Some(Level::Dangerous)), &policy());
        assert!(
            matches!(&changes[0], Change::Without { reasons, level: Level::Ordinary, .. } if *reasons == ["demand"]),
            "{changes:?}"
        );
        assert!(
            !changes
                .iter()
                .any(|change| matches!(change, Change::Boundary { .. }))
        );
    }

    proptest! {
        #[test]
        fn what_is_said_would_come_true(scores in prop::collection::vec(-3.0_f64..6.0, 1..20), demand in 0..3_usize) {
            let demands = [None, Some(Level::Suspicious), Some(Level::Dangerous)][demand];
            let verdict = verdict(&scores, demands);
            for change in smallest_changes(&verdict, &policy()) {
                if let Change::Without { reasons, score, level } = change {
                    let left: f64 = verdict.reasons.iter().filter(|reason| !reasons.contains(&reason.name)).map(|reason| reason.score).sum();
                    prop_assert!((left - score).abs() < 1e-9);
                    prop_assert!(level < verdict.level);
                    let demanded = verdict.reasons.iter().filter(|reason| !reasons.contains(&reason.name)).any(|reason| reason.demands.is_some());
                    let demanded = if demanded { demands.unwrap_or(Level::Ordinary) } else { Level::Ordinary };
                    prop_assert_eq!(policy().level(left).max(demanded), level);
                }
            }
        }
    }
}
