//! What is asked about users and machines, and what is decided about them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use watch::Step;

#[derive(Debug, Subcommand)]
pub enum WhoCommand {
    /// What happened, the newest first.
    Show(WhoArgs),
}

#[derive(Debug, Args)]
pub struct WhoArgs {
    /// Who: an account's name, an IP address, an address of mail.
    pub who: String,
    /// Only since then: a time, or a span such as `2h`, `3d`.
    #[arg(long, default_value = "7d")]
    pub since: String,
    /// How much at most, the newest first.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum DecisionsCommand {
    /// What stands, or with --all what stood.
    List(ListArgs),
    /// Decide something about somebody.
    Add(AddArgs),
    /// End what stands about somebody, and forget what was counted.
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// About this account.
    #[arg(long)]
    pub account: Option<String>,
    /// About this address.
    #[arg(long)]
    pub ip: Option<std::net::IpAddr>,
    /// What has ended, too.
    #[arg(long)]
    pub all: bool,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[group(id = "whom", required = true, multiple = true)]
pub struct AddArgs {
    /// About this account.
    #[arg(long, group = "whom")]
    pub account: Option<String>,
    /// About this address; with --account, about the account as this address asks for it.
    #[arg(long, group = "whom")]
    pub ip: Option<std::net::IpAddr>,
    /// What is done.
    #[arg(long, value_parser = step)]
    pub step: Step,
    /// How long: `30m`, `2h`, `3d`; without, as long as the step usually stands.
    #[arg(long = "for", value_name = "SPAN")]
    pub span: Option<String>,
    /// Why; written into the log of acts.
    #[arg(long, short = 'm')]
    pub reason: String,
}

#[derive(Debug, Args)]
#[group(id = "ended", required = true, multiple = true)]
pub struct RemoveArgs {
    /// The decision, by its id.
    #[arg(group = "ended", conflicts_with_all = ["account", "ip"])]
    pub id: Option<String>,
    /// Everything about this account.
    #[arg(long, group = "ended")]
    pub account: Option<String>,
    /// Everything about this address; with --account, about the two together.
    #[arg(long, group = "ended")]
    pub ip: Option<std::net::IpAddr>,
    /// Why; written into the log of acts.
    #[arg(long, short = 'm')]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct DetectionsArgs {
    /// Of this detector.
    #[arg(long)]
    pub detector: Option<String>,
    /// About this account.
    #[arg(long)]
    pub account: Option<String>,
    /// About this address.
    #[arg(long)]
    pub ip: Option<std::net::IpAddr>,
    /// Only since then: a time, or a span such as `2h`, `3d`.
    #[arg(long, default_value = "7d")]
    pub since: String,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// The settings in force: each detector with its mode, thresholds and steps.
    Show {
        /// Only the text as it was written.
        #[arg(long)]
        text: bool,
    },
    /// Watch by other settings from now on.
    Apply {
        /// The settings, TOML; see the manual.
        file: PathBuf,
        /// Why; written into the log of acts.
        #[arg(long, short = 'm')]
        reason: String,
    },
    /// Never do anything about somebody; what stands about them ends.
    Allow {
        /// A network, an IP address, an account.
        whom: String,
        /// How long: `30m`, `2h`, `3d`; without, until somebody takes it back.
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<String>,
        /// Why; written into the log of acts.
        #[arg(long, short = 'm')]
        reason: String,
    },
    /// Take an allowance back.
    Disallow {
        /// A network, an IP address, an account.
        whom: String,
        /// Why; written into the log of acts.
        #[arg(long, short = 'm')]
        reason: String,
    },
    /// Whom nothing is done about.
    Allowed,
}

/// People may do what no detector may.
fn step(text: &str) -> Result<Step, String> {
    if text == Step::Disable.name() {
        return Ok(Step::Disable);
    }
    Step::read(text).map_err(|wrong| {
        format!(
            "{wrong}: one of {}, {}",
            Step::all_names(),
            Step::Disable.name()
        )
    })
}

/// `firewall …`
#[derive(Debug, Args)]
pub struct FirewallArgs {
    /// Where the service speaks to it: the same as `watch.firewall`.
    #[arg(
        long,
        value_name = "SOCKET",
        default_value = "/run/mailvigil-firewall/socket"
    )]
    pub socket: PathBuf,
    /// Ports that a blocked source does not reach.
    #[arg(
        long,
        value_name = "PORTS",
        value_delimiter = ',',
        default_value = "25,110,143,465,587,993,995,4190"
    )]
    pub ports: Vec<u16>,
    /// A network that is never dropped, whatever is decided; may be given several times.
    #[arg(long, value_name = "NETWORK")]
    pub never: Vec<ipnet::IpNet>,
    /// The number of a user whose programs may say what is dropped, besides its own; may be given several times.
    #[arg(long, value_name = "UID")]
    pub uid: Vec<u32>,
    /// The name of its own table in nftables.
    #[arg(long, value_name = "NAME", default_value = "mailvigil", value_parser = table_name)]
    pub table: String,
    /// The program of nftables.
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nft")]
    pub nft: PathBuf,
}

fn table_name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if begins && plain && text.len() <= 32 {
        Ok(text.to_owned())
    } else {
        Err(
            "a name is lower-case letters, digits and _, begins with a letter, and has at most 32"
                .to_owned(),
        )
    }
}
