//! The log of acts: read, verified, taken away.

use store::{ActFilter, ChainedAct, Verified};

use super::{Desk, DeskError, Right};

impl Desk {
    /// A page of acts, newest first.
    pub async fn acts(&self, filter: &ActFilter) -> Result<Vec<ChainedAct>, DeskError> {
        self.need(Right::SeeActs)?;
        Ok(self.store().acts(filter).await?)
    }

    /// What was done about one thing, newest first; for everybody who may see that thing.
    pub(super) async fn acts_on(&self, target: &str) -> Result<Vec<ChainedAct>, DeskError> {
        let filter = ActFilter {
            target: Some(target.to_owned()),
            limit: 50,
            ..ActFilter::default()
        };
        Ok(self.store().acts(&filter).await?)
    }

    /// Acts in the order they were done, after `seq`. The first piece of an export is itself an act.
    pub async fn export_acts(&self, after: i64, limit: u32) -> Result<Vec<ChainedAct>, DeskError> {
        self.need(Right::SeeActs)?;
        if after <= 0 {
            self.store()
                .append_act(&self.act("audit-exported", "", "", "", ""))
                .await?;
        }
        Ok(self.store().acts_after(after, limit).await?)
    }

    /// Walks the whole chain: was anything altered, removed or moved?
    pub async fn verify_acts(&self) -> Result<Verified, DeskError> {
        self.need(Right::SeeActs)?;
        Ok(self.store().verify_acts().await?)
    }
}
