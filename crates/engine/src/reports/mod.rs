//! Reports about mail, both ways: what others tell about our domains, and what we tell the owners of domains that mail says to come from.
//!
//! | file | subject |
//! | --- | --- |
//! | `inbound` | a report that came at a door or was handed in: opened under limits, kept once |
//! | `sources` | what the kept ones say together: who sends as us, and what fails |
//! | `aggregate` | our records of one day as DMARC aggregate reports |
//! | `failures` | our records of one hour as failure reports |
//! | `sessions` | how our mail went out, encrypted or not, as TLS reports |
//! | `usage` | a domain's outbound servers, for its owner |
//! | `rounds` | when reports go out, to whom, and how many |

use mail::{Address, Domain};
use reports::letter::Sender;

pub(crate) mod aggregate;
pub(crate) mod failures;
pub(crate) mod inbound;
pub(crate) mod rounds;
pub(crate) mod sessions;
pub(crate) mod sources;
pub(crate) mod usage;

pub use inbound::Kept;
pub use rounds::{Dispatch, Letters};
pub use sources::{SourceView, TlsView};

/// What a site wants of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportSettings {
    /// Mailboxes that our domains name in `rua` and `ruf`: reports to them are kept.
    pub inbox: Vec<Address>,
    /// Domains whose feedback reports count as complaints about our accounts.
    pub complaints_from: Vec<Domain>,
    /// Who our reports come from; without it none is sent.
    pub from: Option<Address>,
    /// What we are called in them.
    pub organisation: String,
    /// Send DMARC aggregate reports to the owners of domains that mail says to come from.
    pub aggregate: bool,
    /// Send failure reports about single messages, redacted, to owners of domains that ask for them.
    pub failures: bool,
    /// Send TLS reports to owners of domains that mail goes to.
    pub tls: bool,
    /// Who is told of machines that newly send as one of our domains and are not authentic.
    pub alert: Vec<Address>,
    /// Domains whose usage is told to somebody.
    pub usage: Vec<UsageOrder>,
}

/// Who is told how a domain is used, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOrder {
    /// Which domain.
    pub domain: Domain,
    /// Who is told.
    pub to: Vec<Address>,
    /// Days between two reports.
    pub every_days: u32,
}

impl ReportSettings {
    /// Who reports from here.
    fn sender(&self) -> Option<Sender> {
        let address = self.from.clone()?;
        let domain = address.domain()?;
        Some(Sender { address, domain })
    }

    /// Is anything to be sent?
    pub const fn wants(&self) -> bool {
        let to_owners = self.aggregate || self.failures || self.tls;
        to_owners || !self.alert.is_empty() || !self.usage.is_empty()
    }

    /// Is anything to be sent, by somebody?
    pub const fn sends(&self) -> bool {
        self.from.is_some() && self.wants()
    }
}
