//! What is asked about domains' standing, and what is set about it.

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use mail::Domain;

#[derive(Debug, Args)]
pub struct StandingArgs {
    /// One domain, with its servers.
    #[arg(value_parser = |text: &str| Domain::parse(text))]
    pub domain: Option<Domain>,
    /// Only domains with this in their name.
    #[arg(long, value_name = "TEXT", conflicts_with = "domain")]
    pub name: Option<String>,
    /// What would be blocked of its recorded mail if the domain blocked and that were enforced.
    #[arg(long, requires = "domain")]
    pub try_blocking: bool,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// One JSON object per domain.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct MarkArgs {
    /// Whose mail it sends, or says it sends.
    #[arg(value_parser = |text: &str| Domain::parse(text))]
    pub domain: Domain,
    /// Address or network, such as 192.0.2.0/24.
    #[arg(value_parser = network)]
    pub network: IpNet,
    /// What it is; `none` takes back what was said.
    #[arg(value_enum)]
    pub mark: MarkArg,
    /// Why; kept with the version of the policy.
    #[arg(long, short = 'm')]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MarkArg {
    /// The domain's own.
    Own,
    /// Somebody else's who may send for it.
    Authorised,
    /// Nothing to do with it.
    NotOurs,
    /// Nothing is said.
    None,
}

#[derive(Debug, Args)]
pub struct PinArgs {
    /// Which.
    #[arg(value_parser = |text: &str| Domain::parse(text))]
    pub domain: Domain,
    /// Where it stays; `none` lets it move by itself again.
    #[arg(value_enum)]
    pub stage: StageArg,
    /// Why; kept with the version of the policy.
    #[arg(long, short = 'm')]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageArg {
    /// Its mail is counted.
    Observing,
    /// What would be blocked is told.
    ReportOnly,
    /// Unsigned mail in its name is blocked.
    Blocking,
    /// It moves by itself.
    None,
}

#[derive(Debug, Args)]
pub struct WishArgs {
    /// Which.
    #[arg(value_parser = |text: &str| Domain::parse(text))]
    pub domain: Domain,
    /// The most that is done; `none` is whatever follows.
    #[arg(value_enum)]
    pub wish: WishArg,
    /// Why; kept with the version of the policy.
    #[arg(long, short = 'm')]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WishArg {
    /// Refuse.
    Block,
    /// Hold, or deliver elsewhere.
    Redirect,
    /// Deliver.
    Forward,
    /// Whatever follows.
    None,
}

/// Reads a network, or a machine as a network of one.
fn network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    let machine: Result<std::net::IpAddr, _> = text.parse();
    machine.map_or_else(|_| text.parse(), |ip| Ok(ip.into()))
}
