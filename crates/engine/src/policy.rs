//! The policy in force: loaded from the store, checked, swapped whole, never half.

use std::sync::Arc;

use arc_swap::ArcSwap;
use judge::policy::{Policy, Problem};
use mail::Limits;
use store::{Act, NewPolicy, Store, StoreError};

use crate::StartError;
use crate::clock::now;
use crate::metrics::Metrics;

/// One compiled version.
pub struct Active {
    /// Its number in the store.
    pub version: i64,
    /// Ready to judge by.
    pub policy: Policy,
}

/// The version every message is judged by, until the next one is whole.
pub struct PolicyInForce {
    now: ArcSwap<Active>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl PolicyInForce {
    /// Loads the active version. The very first start puts the shipped policy into the store.
    ///
    /// When the stored version cannot be read by this program (an older program, a hand in the
    /// database), the newest earlier version that can is used and the log says so: a service that does
    /// not start protects nobody.
    pub async fn load(
        store: &Store,
        limits: &Limits,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let active = if let Some((version, text)) = store.active_policy().await? {
            match Policy::parse(&text, limits) {
                Ok(policy) => Active { version, policy },
                Err(problems) => {
                    tracing::error!(
                        policy.version = version,
                        "policy version {version} cannot be used: {}; looking for the last good one",
                        first(&problems)
                    );
                    metrics.policy_refused.inc();
                    last_good(store, limits).await?
                }
            }
        } else {
            let text = judge::DEFAULT_POLICY;
            let policy = Policy::parse(text, limits)
                .map_err(|problems| StartError::Policy(first(&problems)))?;
            let new = NewPolicy {
                text: text.to_owned(),
                author: "mailvigil".to_owned(),
                reason: "the policy that ships with the program".to_owned(),
                at: now(),
                base: None,
            };
            let act = Act {
                at: now(),
                who: "mailvigil".to_owned(),
                from: "first start".to_owned(),
                act: "policy".to_owned(),
                target: String::new(),
                reason: new.reason.clone(),
                before: String::new(),
                after: String::new(),
            };
            let version = store.add_policy(&new, &act).await?;
            Active { version, policy }
        };
        metrics.policy_version.set(active.version);
        Ok(Self {
            now: ArcSwap::from_pointee(active),
            limits: limits.clone(),
            metrics,
        })
    }

    /// The version in force at this moment.
    pub fn now(&self) -> Arc<Active> {
        self.now.load_full()
    }

    /// Takes over a newer version from the store, if there is one. A version that cannot be used is
    /// refused, counted and logged, and the one in force stays.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<bool, StoreError> {
        let version = store.active_policy_version().await?;
        if version == Some(self.now.load().version) {
            return Ok(false);
        }
        let Some((version, text)) = store.active_policy().await? else {
            return Ok(false);
        };
        match Policy::parse(&text, &self.limits) {
            Ok(policy) => {
                self.now.store(Arc::new(Active { version, policy }));
                self.metrics.policy_version.set(version);
                tracing::info!(
                    policy.version = version,
                    "policy version {version} is in force"
                );
                Ok(true)
            }
            Err(problems) => {
                self.metrics.policy_refused.inc();
                tracing::error!(
                    policy.version = version,
                    "policy version {version} cannot be used, version {} stays: {}",
                    self.now.load().version,
                    first(&problems)
                );
                Ok(false)
            }
        }
    }
}

/// The newest stored version that this program can use.
async fn last_good(store: &Store, limits: &Limits) -> Result<Active, StartError> {
    for known in store.policy_history(100).await? {
        let Some(text) = store.policy_text(known.version).await? else {
            continue;
        };
        if let Ok(policy) = Policy::parse(&text, limits) {
            return Ok(Active {
                version: known.version,
                policy,
            });
        }
    }
    let policy = Policy::parse(judge::DEFAULT_POLICY, limits)
        .map_err(|problems| StartError::Policy(first(&problems)))?;
    tracing::error!("no stored policy can be used; judging by the shipped one as version 0");
    Ok(Active { version: 0, policy })
}

/// The first problem, and how many more there are.
fn first(problems: &[Problem]) -> String {
    let more = problems.len().saturating_sub(1);
    let first = problems
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    if more == 0 {
        first
    } else {
        format!("{first} (and {more} more)")
    }
}
