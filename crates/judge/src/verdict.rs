//! Facts and policy together: the verdict.
//!
//! Everything adds up: each signal seen, each set that scores, each rule that holds is an entry of the ledger. The sum
//! finds its level by the policy's boundaries, the level its action. Rules may demand a level or an action instead:
//!
//! - a demanded level is the least the message gets;
//! - a demanded action replaces the level's; of several, the strongest counts. So `accept` (an allow-list) wins over any
//!   score, and a demanded refusal wins over `accept`.

use mail::verdict::{Demand, Evidence, Outcome};
use mail::{
    Action, Address, Envelope, Facts, Hit, Known, Level, Message, Reason, Site, Verdict, WindowFact,
};

use crate::campaign;
use crate::condition::Scope;
use crate::condition::eval::show;
use crate::conduct;
use crate::learnt;
use crate::policy::{GAVE_UP, Policy, Rule};
use crate::signals::SIGNALS;
use crate::standing;

/// Judges. The same facts under the same policy give the same verdict.
pub fn judge(facts: &Facts, site: &Site, policy: &Policy, version: i64) -> Verdict {
    let mut reasons = signals(facts, site, policy);
    reasons.extend(sets(facts, policy));
    reasons.extend(policy.imported_reasons(facts));
    let standing = facts.standing.as_ref();
    reasons.extend(standing.and_then(|ruling| standing::reason(ruling, policy.standing())));
    reasons.extend(facts.conduct.as_ref().map(conduct::reason));
    let learnt = facts.learnt.as_ref();
    reasons.extend(learnt.and_then(|learnt| learnt::reason(learnt, policy.learning())));
    let campaign = facts.campaign.as_ref();
    reasons.extend(campaign.and_then(|campaign| campaign::reason(campaign, policy.learning())));
    let everyone = Scope {
        facts,
        site,
        policy,
        recipients: &facts.envelope.recipients,
    };
    for rule in policy
        .rules
        .iter()
        .filter(|rule| rule.enabled && !rule.at_recipient && !rule.for_each_recipient)
    {
        reasons.extend(fired(rule, &everyone));
    }
    // An empty sum of floats is -0.0, which people would read.
    let common: f64 = 0.0 + reasons.iter().map(|reason| reason.score).sum::<f64>();
    let demands: Vec<Demand> = reasons
        .iter()
        .filter_map(|reason| reason.demands.clone())
        .collect();

    let single: Vec<&Rule> = policy
        .rules
        .iter()
        .filter(|rule| rule.enabled && !rule.at_recipient && rule.for_each_recipient)
        .collect();
    let mut outcomes = Vec::with_capacity(facts.envelope.recipients.len());
    for recipient in &facts.envelope.recipients {
        let alone = Scope {
            facts,
            site,
            policy,
            recipients: std::slice::from_ref(recipient),
        };
        let own: Vec<Reason> = single
            .iter()
            .filter_map(|rule| fired(rule, &alone))
            .collect();
        let score = common + own.iter().map(|reason| reason.score).sum::<f64>();
        let demanded = demands
            .iter()
            .chain(own.iter().filter_map(|reason| reason.demands.as_ref()));
        outcomes.push(outcome(facts, policy, recipient, score, demanded));
        for reason in own {
            join(&mut reasons, reason, recipient);
        }
    }
    if outcomes.is_empty() {
        // A file scanned by hand has nobody to go to; it is judged as if it had.
        let nobody = Address::new("nobody@localhost");
        outcomes
            .extend(nobody.map(|nobody| outcome(facts, policy, &nobody, common, demands.iter())));
    }
    finish(facts, reasons, outcomes, version)
}

/// Asks the rules that refuse one recipient before there is a text. `None`: take it.
pub fn judge_recipient(
    envelope: &Envelope,
    recipient: &Address,
    windows: &[WindowFact],
    site: &Site,
    policy: &Policy,
) -> Option<(Action, Reason)> {
    let mut rules = policy
        .rules
        .iter()
        .filter(|rule| rule.enabled && rule.at_recipient)
        .peekable();
    rules.peek()?;
    let is_relay = !site.is_ours(envelope) && site.is_foreign(recipient);
    let facts = Facts {
        relayed_recipients: if is_relay {
            vec![recipient.clone()]
        } else {
            Vec::new()
        },
        windows: windows.to_vec(),
        ..Facts::new(envelope.clone(), Message::default())
    };
    let scope = Scope {
        facts: &facts,
        site,
        policy,
        recipients: std::slice::from_ref(recipient),
    };
    let fired = rules.filter_map(|rule| Some((rule.effect.action.clone()?, fired(rule, &scope)?)));
    fired.max_by(|(a, _), (b, _)| a.cmp(b))
}

fn signals(facts: &Facts, site: &Site, policy: &Policy) -> Vec<Reason> {
    let weighted = SIGNALS
        .iter()
        .zip(&policy.signal_weights)
        .filter(|(_, weight)| **weight != 0.0);
    let seen = weighted.filter_map(|(signal, weight)| {
        (signal.sees)(facts, site).map(|text| Reason {
            name: signal.id.to_owned(),
            score: *weight,
            text: signal.text.to_owned(),
            evidence: vec![Evidence::of(text)],
            demands: None,
        })
    });
    seen.collect()
}

fn sets(facts: &Facts, policy: &Policy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for set in policy.sets.iter().filter(|set| set.scores) {
        let hits: Vec<&Hit> = facts
            .hits
            .iter()
            .filter(|hit| hit.set == set.name)
            .collect();
        let score = set.weigh(&hits);
        if !hits.is_empty() && score != 0.0 {
            let mut evidence = Vec::new();
            show(&hits, &mut evidence);
            reasons.push(Reason {
                name: set.name.clone(),
                score,
                text: set.text.clone(),
                evidence,
                demands: None,
            });
        }
    }
    reasons
}

fn fired(rule: &Rule, scope: &Scope<'_>) -> Option<Reason> {
    let mut evidence = Vec::new();
    rule.when.holds(scope, &mut evidence).then(|| Reason {
        name: rule.name.clone(),
        score: rule.effect.score,
        text: rule.text.clone(),
        evidence,
        demands: match (&rule.effect.action, rule.effect.level) {
            (Some(action), _) => Some(Demand::Action(action.clone())),
            (None, Some(level)) => Some(Demand::Level(level)),
            (None, None) => None,
        },
    })
}

fn outcome<'d>(
    facts: &Facts,
    policy: &Policy,
    recipient: &Address,
    score: f64,
    demands: impl Iterator<Item = &'d Demand>,
) -> Outcome {
    let mut level = policy.level(score);
    let mut demanded: Option<&Action> = None;
    for demand in demands {
        match demand {
            Demand::Level(least) => level = level.max(*least),
            Demand::Action(action) => demanded = demanded.max(Some(action)),
        }
    }
    let action =
        demanded.unwrap_or_else(|| policy.actions.action(&facts.envelope, recipient, level));
    Outcome {
        recipient: recipient.clone(),
        score,
        level,
        action: action.clone(),
    }
}

/// Adds a reason that holds for one recipient; the same rule for many recipients is one reason that names them.
fn join(reasons: &mut Vec<Reason>, mut reason: Reason, recipient: &Address) {
    let whom = Evidence::of(format!("for {recipient}"));
    match reasons.iter_mut().find(|known| known.name == reason.name) {
        Some(known) if known.evidence.len() < 12 => known.evidence.push(whom),
        Some(_) => {}
        None => {
            reason.evidence.push(whom);
            reasons.push(reason);
        }
    }
}

fn finish(
    facts: &Facts,
    mut reasons: Vec<Reason>,
    outcomes: Vec<Outcome>,
    version: i64,
) -> Verdict {
    // Demands first, then what weighs most; the order among equals is the policy's.
    reasons.sort_by(|a, b| {
        b.demands
            .is_some()
            .cmp(&a.demands.is_some())
            .then(b.score.abs().total_cmp(&a.score.abs()))
    });
    if reasons.is_empty() {
        reasons.push(Reason {
            name: "nothing-found".to_owned(),
            score: 0.0,
            text: "No signal was seen and no rule holds".to_owned(),
            evidence: Vec::new(),
            demands: None,
        });
    }
    let mut unknown = match &facts.authentication {
        Known::Unavailable(why) => vec![format!("authentication: {why}")],
        Known::Yes(_) | Known::Absent | Known::NotAsked => Vec::new(),
    };
    let gave_up = facts.hits.iter().filter(|hit| hit.set == GAVE_UP);
    unknown.extend(gave_up.map(|hit| format!("imported rule {}: its pattern gave up", hit.term)));
    Verdict {
        level: outcomes
            .iter()
            .map(|outcome| outcome.level)
            .max()
            .unwrap_or(Level::Ordinary),
        score: outcomes
            .iter()
            .map(|outcome| outcome.score)
            .fold(f64::NEG_INFINITY, f64::max),
        action: outcomes
            .iter()
            .map(|outcome| &outcome.action)
            .max()
            .cloned()
            .unwrap_or(Action::Accept),
        reasons,
        outcomes,
        policy_version: version,
        unknown,
    }
}
