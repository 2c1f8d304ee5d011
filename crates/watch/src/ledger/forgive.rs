//! Undoing: what was counted against somebody is forgotten, what was learnt of him is not.

use super::Ledger;
use super::keys::Keys;
use crate::response::Scope;

impl Ledger {
    /// Clears what was counted against a scope and against what is derived from it: a source's network and its pairs, an account's
    /// pairs. Otherwise the next operation would find the old counts and decide the same again (mail-in-a-box #775).
    pub(crate) fn forgive(&mut self, scope: &Scope) {
        let keys = self.keys;
        match scope {
            Scope::Source(ip) => {
                let (source, network) = (keys.source(*ip), keys.network(*ip));
                self.sources.change(source, super::source::Source::forgive);
                self.networks
                    .change(network, super::source::Source::forgive);
                self.pairs.forget(|_, pair| pair.source == source as u32);
                self.sprays.forgive(*ip);
            }
            Scope::Pair(ip, account) => {
                let (source, account) = (keys.source(*ip), keys.account(account.as_str()));
                self.sources.change(source, super::source::Source::forgive);
                self.pairs.remove(Keys::pair(source, account));
            }
            Scope::Account(account) => {
                let account = keys.account(account.as_str());
                self.accounts
                    .change(account, super::account::Account::forgive);
                self.pairs.forget(|_, pair| pair.account == account as u32);
            }
            Scope::Mailbox(address) => self.mailboxes.remove(keys.mailbox(&address.key())),
        }
    }
}
