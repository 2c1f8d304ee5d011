//! Mail, as accounts send it and as strangers bring it: counted by who, to whom, in whose name, and what came of it.

use mail::operation::{Reply, Said, Sent};
use mail::{Address, Operation};

use super::keys::Marks;
use super::{Before, Ledger};

impl Ledger {
    pub(super) fn sent(
        &mut self,
        operation: &Operation,
        sent: &Sent,
        key: u64,
        before: &mut Before,
    ) {
        let (at, keys) = (operation.at, self.keys);
        let many = sent.recipients.len() as u32;
        let at_home = before.at_home;
        if !sent.taken {
            if !at_home {
                self.tried_to_send(operation, sent, key);
            }
            return;
        }
        let new = self.accounts.update(key, at, true, |account| {
            let outbound = account.outbound();
            outbound.hour.add(at, many);
            outbound.day.add(at, many);
            outbound.week.add(at, many);
            outbound.peak.add(at, many);
            outbound.evidence.add(operation.id);
            if sent.envelope_from.is_none() {
                outbound.null_sender.add(at, 1);
            }
            if let (Some(address), Some(false)) = (&sent.envelope_from, sent.owned) {
                outbound.senders.add(at, keys.short(&address.key()));
            }
            let mut new = 0;
            for recipient in &sent.recipients {
                let person = keys.short(&recipient.key());
                if let Some(domain) = recipient.domain() {
                    outbound.domains_hour.add(at, keys.short(&domain.as_str()));
                }
                if let Some(print) = sent.print {
                    outbound.print(at, print, person);
                }
                if outbound.people.meet(person) {
                    new += 1;
                    outbound.new_hour.add(at, person);
                    if !at_home {
                        outbound.strange_new.add(at, person);
                    }
                }
            }
            if !at_home {
                outbound.strange_day.add(at, many);
            }
            new
        });
        before.new_recipients = new.unwrap_or(0);
    }

    /// A message from where the account is not at home, that was not taken: it would have gone to these. One that is tried again
    /// counts once.
    pub(super) fn tried_to_send(&mut self, operation: &Operation, sent: &Sent, key: u64) {
        let (at, keys) = (operation.at, self.keys);
        self.accounts.update(key, at, true, |account| {
            let outbound = account.outbound();
            outbound.evidence.add(operation.id);
            for recipient in &sent.recipients {
                let person = keys.short(&recipient.key());
                if !outbound.people.knows(person) && outbound.strange_new.add(at, person) {
                    outbound.strange_day.add(at, 1);
                }
            }
        });
    }

    pub(super) fn replied(&mut self, operation: &Operation, reply: Reply, marks: &Marks) {
        self.change_account(operation, marks, |account| {
            let outbound = account.outbound();
            match reply {
                Reply::Delivered => return,
                Reply::NoSuchRecipient => {
                    outbound.bad_hour.add(operation.at, 1);
                    outbound.bad_day.add(operation.at, 1);
                }
                Reply::CalledSpam => outbound.spam_replies.add(operation.at, 1),
                Reply::Complained => outbound.complaints.add(operation.at, 1),
            }
            outbound.evidence.add(operation.id);
        });
    }

    pub(super) fn arrived(&mut self, operation: &Operation, sent: &Sent, marks: &Marks) {
        let (at, keys) = (operation.at, self.keys);
        let claimed = match &sent.authentic {
            Some(_) => None,
            None => sent.envelope_from.as_ref().and_then(Address::domain),
        };
        let claimed = claimed.map(|domain| keys.short(&domain.registered().as_str()));
        if let Some(source) = marks.source {
            self.sources.update(source, at, false, |source| {
                let mail = source.mail();
                mail.messages_minute.add(at, 1);
                mail.known_day.add(at, sent.recipients.len() as u32);
                if let Some(domain) = claimed {
                    mail.claimed_domains.add(at, domain);
                }
                mail.evidence.add(operation.id);
            });
        }
        let domain = match (&sent.authentic, &sent.envelope_from) {
            (Some(domain), _) => Some(keys.short(&domain.registered().as_str())),
            (None, Some(address)) => address
                .domain()
                .map(|one| keys.short(&one.registered().as_str())),
            (None, None) => None,
        };
        for recipient in &sent.recipients {
            self.mailboxes
                .update(keys.mailbox(&recipient.key()), at, false, |mailbox| {
                    mailbox.messages.add(at, 1);
                    mailbox.hour.add(at, 1);
                    mailbox.peak.add(at, 1);
                    if sent.envelope_from.is_none() {
                        mailbox.bounces.add(at, 1);
                    }
                    if let (true, Some(domain)) = (sent.bulk, domain) {
                        mailbox.bulk.add(at, 1);
                        mailbox.bulk_domains.add(at, domain);
                    }
                    mailbox.evidence.add(operation.id);
                });
        }
    }

    pub(super) fn probed(
        &mut self,
        operation: &Operation,
        recipient: &Address,
        said: Said,
        marks: &Marks,
    ) {
        let at = operation.at;
        if marks.account.is_some() {
            if said == Said::Unknown {
                self.replied(operation, Reply::NoSuchRecipient, marks);
            }
            return;
        }
        let whom = self.keys.short(&recipient.key());
        let brings_mail = marks
            .source
            .and_then(|source| self.sources.get(source)?.mail.as_ref())
            .is_some_and(|mail| mail.known_day.sum(at) > 0);
        if said == Said::Unknown && !brings_mail {
            self.asked_for.add(at, whom);
        }
        for (table, mark) in [
            (&mut self.sources, marks.source),
            (&mut self.networks, marks.network),
        ] {
            let Some(mark) = mark else { continue };
            table.update(mark, at, false, |source| {
                let mail = source.mail();
                match said {
                    Said::Exists => mail.known_day.add(at, 1),
                    // Different ones: a list that goes on writing to one dead mailbox is no harvester.
                    Said::Unknown => {
                        mail.unknown_minutes.add(at, whom);
                        mail.unknown_day.add(at, whom);
                    }
                    Said::RelayDenied => mail.relays.add(at, 1),
                }
                mail.evidence.add(operation.id);
            });
        }
    }
}
