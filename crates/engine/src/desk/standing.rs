//! What people see of domains' standing.

use judge::standing::View;
use mail::Domain;

use super::{Desk, DeskError, Right};
use crate::standing::load;

impl Desk {
    /// Domains whose mail is counted apart, the busiest first.
    pub async fn standings(&self) -> Result<Vec<View>, DeskError> {
        self.need(Right::SeePolicy)?;
        let (version, _) = self.policy_in_force().await?;
        let policy = self.compiled(version).await?;
        let unknown = || DeskError::NotFound(format!("policy version {version}"));
        let policy = policy.ok_or_else(unknown)?;
        let settings = policy.standing();
        let (standing, _) = load(self.store(), settings, self.limits()).await?;
        let domains: Vec<Domain> = standing.domains().cloned().collect();
        let mut views: Vec<View> = domains
            .iter()
            .filter_map(|domain| standing.view(domain, settings))
            .collect();
        views.sort_by(|a, b| {
            let by_mail = b.counts.total.cmp(&a.counts.total);
            by_mail.then_with(|| a.domain.cmp(&b.domain))
        });
        Ok(views)
    }
}
