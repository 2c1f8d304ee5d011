//! What people see of domains' standing, and what they set about it.
//!
//! What is set stands in the policy, `[[standing.domains]]`: so it has a history, and is taken back as any version is.

use std::sync::Arc;

use ipnet::IpNet;
use judge::edit::Edit;
use judge::standing::{Advice, DomainSettings, Settings, Standing, View, advice};
use mail::standing::{Handling, Stage};
use mail::{Domain, Mark};
use store::{ActFilter, ChainedAct};

use super::{Desk, DeskError, Right};
use crate::standing::SWITCH;

/// Moves of one domain that are shown.
const SWITCHES_SHOWN: u32 = 20;

/// Which domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFilter {
    /// Part of the name; empty is any.
    pub name: String,
    /// Only this site's own, or only those that are not.
    pub ours: Option<bool>,
    /// How many are left out from the beginning.
    pub skip: usize,
    /// How many at most.
    pub limit: usize,
}

/// Domains, the busiest first and by name where they are equal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainPage {
    /// These.
    pub views: Vec<View>,
    /// How many fit in all.
    pub total: usize,
}

/// One domain, with what is set for it.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainView {
    /// What is known of its mail.
    pub view: View,
    /// Is it this site's own?
    pub is_ours: bool,
    /// What is set for it.
    pub set: DomainSettings,
    /// Under which name it is set: its own, or one above it.
    pub set_by: Option<Domain>,
    /// What could be mended.
    pub advice: Vec<Advice>,
    /// How it came to its stage: the last moves, newest first.
    pub switches: Vec<ChainedAct>,
    /// What holds for all domains.
    pub settings: Settings,
    /// By which version of the policy.
    pub policy_version: i64,
}

impl Desk {
    /// Domains whose mail is counted apart, this site's own, and those something is set for.
    pub async fn standings(&self, filter: &DomainFilter) -> Result<DomainPage, DeskError> {
        let (standing, settings, _) = self.standing().await?;
        let wanted = written(&filter.name);
        let site = self.site();
        // Of our own something is to be known before any mail came.
        let mut silent: Vec<&Domain> = settings.domains.keys().chain(&site.local_domains).collect();
        silent.sort_unstable();
        silent.dedup();
        silent.retain(|domain| standing.messages(domain) == 0);
        let mut domains: Vec<(u64, &Domain)> = standing
            .domains()
            .chain(silent)
            .filter(|domain| domain.as_str().contains(&wanted))
            .filter(|domain| {
                filter
                    .ours
                    .is_none_or(|ours| ours == is_ours(&site, domain))
            })
            .map(|domain| (standing.messages(domain), domain))
            .collect();
        domains.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let shown = domains.iter().skip(filter.skip).take(filter.limit);
        let views = shown.map(|(_, domain)| view(&standing, domain, &settings));
        Ok(DomainPage {
            views: views.collect(),
            total: domains.len(),
        })
    }

    /// One domain whose mail is counted apart, one of this site's own, or one that something is set for.
    pub async fn standing_of(&self, domain: &Domain) -> Result<DomainView, DeskError> {
        let (standing, settings, policy_version) = self.standing().await?;
        let set_by = settings.section_of(domain);
        let is_ours = is_ours(&self.site(), domain);
        if standing.messages(domain) == 0 && set_by.is_none() && !is_ours {
            return Err(DeskError::NotFound(format!(
                "mail in the name of {domain} (a domain is counted apart from its second message on)"
            )));
        }
        let view = view(&standing, domain, &settings);
        let filter = ActFilter {
            act: Some(SWITCH.to_owned()),
            target: Some(domain.to_string()),
            limit: SWITCHES_SHOWN,
            ..ActFilter::default()
        };
        Ok(DomainView {
            is_ours,
            set: settings.of(domain).clone(),
            set_by,
            advice: advice(&view),
            switches: self.store().acts(&filter).await?,
            view,
            settings,
            policy_version,
        })
    }

    /// Says what a server or network is to a domain; `Unmarked` takes that back. With `base`, only while that version of the policy is in
    /// force.
    pub async fn mark_server(
        &self,
        domain: &Domain,
        network: IpNet,
        mark: Mark,
        base: Option<i64>,
        reason: &str,
    ) -> Result<i64, DeskError> {
        let edit = Edit::MarkServer {
            domain: domain.clone(),
            network,
            mark,
        };
        self.set_for_domain(&edit, base, reason).await
    }

    /// Keeps a domain in a stage; `None` lets it move by itself again. `base` as above.
    pub async fn pin_stage(
        &self,
        domain: &Domain,
        stage: Option<Stage>,
        base: Option<i64>,
        reason: &str,
    ) -> Result<i64, DeskError> {
        let edit = Edit::PinStage {
            domain: domain.clone(),
            stage,
        };
        self.set_for_domain(&edit, base, reason).await
    }

    /// The most that is done to mail in a domain's name; `None` is whatever follows. `base` as above.
    pub async fn wish_for(
        &self,
        domain: &Domain,
        wish: Option<Handling>,
        base: Option<i64>,
        reason: &str,
    ) -> Result<i64, DeskError> {
        let edit = Edit::SetWish {
            domain: domain.clone(),
            wish,
        };
        self.set_for_domain(&edit, base, reason).await
    }

    /// It decides about others' mail, so somebody must be able to read why.
    async fn set_for_domain(
        &self,
        edit: &Edit,
        base: Option<i64>,
        reason: &str,
    ) -> Result<i64, DeskError> {
        self.need(Right::ChangePolicy)?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(DeskError::NeedsReason);
        }
        match base {
            Some(base) => self.edit_policy(edit, base, reason).await,
            None => self.edit_newest(edit, reason).await,
        }
    }

    /// All that is kept, under the policy in force.
    pub(super) async fn standing(&self) -> Result<(Arc<Standing>, Settings, i64), DeskError> {
        self.need(Right::SeePolicy)?;
        let (version, _) = self.policy_in_force().await?;
        let policy = self.compiled(version).await?;
        let unknown = || DeskError::NotFound(format!("policy version {version}"));
        let settings = policy.ok_or_else(unknown)?.standing().clone();
        let mut sum = self.office.standing.lock().await;
        let standing = sum.now(self.store(), (version, &settings), self.limits());
        Ok((standing.await?, settings, version))
    }
}

fn view(standing: &Standing, domain: &Domain, settings: &Settings) -> View {
    let known = standing.view(domain, settings);
    known.unwrap_or_else(|| View::unseen(domain, settings))
}

/// A part of a name as names are kept: small letters, and a name in another script as it stands in DNS.
fn written(name: &str) -> String {
    let name = name.trim();
    let whole = (!name.is_ascii())
        .then(|| Domain::parse(name).ok())
        .flatten();
    whole.map_or_else(|| name.to_lowercase(), |domain| domain.to_string())
}

/// Mail in the name of this domain speaks for the site.
fn is_ours(site: &mail::Site, domain: &Domain) -> bool {
    site.local_domains.iter().any(|own| domain.is_within(own))
}

#[cfg(test)]
mod tests;
