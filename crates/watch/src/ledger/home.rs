//! How well an account knows where something comes from: by the network, its surroundings, and the client program.

use mail::Timestamp;
use mail::operation::DeviceTag;

use super::account::Account;
use super::keys::Marks;
use super::{Familiar, Ledger};

impl Ledger {
    /// How well an account knows a source and a program; only reads.
    pub(crate) fn familiar(
        &self,
        marks: &Marks,
        device: Option<DeviceTag>,
        at: Timestamp,
    ) -> Familiar {
        let account = marks.account.and_then(|key| self.accounts.get(key));
        account.map_or(Familiar::Stranger, |account| {
            familiar_to(account, &self.here(marks, device, at), at)
        })
    }

    /// Since when an account knows the network of a source, or its surroundings together with the program; `None` when it does not.
    pub(crate) fn known_since(
        &self,
        marks: &Marks,
        device: Option<DeviceTag>,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let account = self.accounts.get(marks.account?)?;
        let network = account.networks.since(at, marks.network? as u32);
        let wide = account.wides.since(at, marks.wide? as u32);
        let program = device.and_then(|tag| account.devices.since(at, tag.0));
        let both = wide.zip(program).map(|(wide, program)| wide.max(program));
        match (network, both) {
            (Some(network), Some(both)) => Some(network.min(both)),
            (network, both) => network.or(both),
        }
    }

    /// Is the account at home there?
    pub(crate) fn settled(&self, marks: &Marks, device: Option<DeviceTag>, at: Timestamp) -> bool {
        let account = marks.account.and_then(|key| self.accounts.get(key));
        account.is_some_and(|account| settled_in(account, &self.here(marks, device, at), at))
    }

    /// Is it at home there by the network itself?
    pub(crate) fn at_home(&self, marks: &Marks, device: Option<DeviceTag>, at: Timestamp) -> bool {
        let account = marks.account.and_then(|key| self.accounts.get(key));
        account.is_some_and(|account| at_home_in(account, &self.here(marks, device, at), at))
    }

    /// Has the account long been used with this client program?
    pub(crate) fn program_settled(
        &self,
        account: u64,
        device: Option<DeviceTag>,
        at: Timestamp,
    ) -> bool {
        let account = self.accounts.get(account);
        account.is_some_and(|account| program_settled_in(account, device, at))
    }

    pub(super) fn here<'a>(
        &self,
        marks: &'a Marks,
        device: Option<DeviceTag>,
        at: Timestamp,
    ) -> Here<'a> {
        let source = marks.source.and_then(|source| self.sources.get(source));
        Here {
            marks,
            device,
            crowded: source.is_some_and(|source| source.is_shared(at)),
        }
    }
}

/// From where and with what.
pub(super) struct Here<'a> {
    marks: &'a Marks,
    device: Option<DeviceTag>,
    /// So many of our people come by this source that it says little about who this is: the program must be known, too, where it is told.
    crowded: bool,
}

pub(super) fn familiar_to(account: &Account, here: &Here<'_>, at: Timestamp) -> Familiar {
    let known = |since: Option<Timestamp>| since.is_some();
    let network = here
        .marks
        .network
        .is_some_and(|one| known(account.networks.since(at, one as u32)));
    let wide = here
        .marks
        .wide
        .is_some_and(|one| known(account.wides.since(at, one as u32)));
    // Settled, for a thief's own program is known from his first login on.
    let program = program_settled_in(account, here.device, at);
    if here.is_home(network, wide, program) {
        Familiar::Known
    } else if program {
        Familiar::Program
    } else {
        Familiar::Stranger
    }
}

pub(super) fn settled_in(account: &Account, here: &Here<'_>, at: Timestamp) -> bool {
    let born = account.born;
    let network = here
        .marks
        .network
        .is_some_and(|one| account.networks.settled(at, one as u32, born));
    let wide = here
        .marks
        .wide
        .is_some_and(|one| account.wides.settled(at, one as u32, born));
    let program = program_settled_in(account, here.device, at);
    // Programs on the server itself have no address: they are at home.
    here.marks.source.is_none() || here.is_home(network, wide, program)
}

pub(super) fn at_home_in(account: &Account, here: &Here<'_>, at: Timestamp) -> bool {
    let network = here
        .marks
        .network
        .is_some_and(|one| account.networks.settled(at, one as u32, account.born));
    let program = program_settled_in(account, here.device, at);
    here.marks.source.is_none() || here.is_home(network, false, program)
}

pub(super) fn program_settled_in(
    account: &Account,
    device: Option<DeviceTag>,
    at: Timestamp,
) -> bool {
    device.is_some_and(|tag| account.devices.settled(at, tag.0, account.born))
}

impl Here<'_> {
    /// The network, or its surroundings together with the program.
    const fn is_home(&self, network: bool, wide: bool, program: bool) -> bool {
        let told = self.device.is_some();
        (network && !(self.crowded && told && !program)) || (wide && program)
    }
}
