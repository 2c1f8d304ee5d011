//! `demo`: a day of a small organisation's mail through the whole service, on loopback.

use crate::cli::DemoArgs;
use crate::config::Config;

/// Plays the day.
pub async fn run(_config: Config, _args: &DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
