//! Where everybody acts: what is done is asked for first, told to the watch afterwards, and held in the figures.

use std::net::IpAddr;

use mail::operation::{
    Act, Administer, Delete, DeviceTag, Door, FailType, Login, LoginOutcome, PasswordTag, Protocol,
    Reply, Retrieve, Said, Sent, Source, SprayTag,
};
use mail::{Account, Address, Domain, Known, Operation, RecordId, Timestamp};

use super::figures::{Actor, Figures};
use super::world::World;
use crate::ledger::distinct::mix;
use crate::{Author, LoginAnswer, LoginQuestion, SendAnswer, SendQuestion, Watch};

/// Somebody's place: from where, with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    pub ip: IpAddr,
    pub device: Option<DeviceTag>,
    pub protocol: Protocol,
}

/// What came of a try to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Right,
    Wrong,
    /// It was not even tried.
    Denied,
}

/// The stage.
pub(super) struct Stage<'a> {
    pub world: &'a mut World,
    pub watch: &'a mut Watch,
    pub figures: &'a mut Figures,
    /// Do the doors see passwords, so that one password on many accounts can be told?
    pub passwords_seen: bool,
    pub number: &'a mut u64,
    /// Takes each operation for a later replay.
    pub keep: &'a mut dyn FnMut(&Operation),
    pub actor: Actor,
}

impl Stage<'_> {
    /// Logs in as person `who`, or as nobody. The answer may delay it: the seconds are given, too.
    pub(super) fn login(
        &mut self,
        at: Timestamp,
        from: From,
        account: &Account,
        who: Option<usize>,
        password: u64,
    ) -> (Tried, u32) {
        let question = LoginQuestion {
            at,
            ip: Some(from.ip),
            device: from.device,
            account: account.clone(),
        };
        let right = who.is_some_and(|who| self.world.people[who].password == password);
        let wait = match self.watch.may_login(&question) {
            LoginAnswer::Allow => 0,
            LoginAnswer::Wait(secs) => secs,
            LoginAnswer::TemporaryFailure | LoginAnswer::Refuse => {
                self.figures
                    .denied(self.actor, at, right.then_some(account), || {
                        why(self.watch, at, from, Some(account))
                    });
                // Servers report a login that our answer stopped, too.
                self.tell_login(
                    at,
                    from,
                    account,
                    LoginOutcome::Failed(FailType::Policy),
                    password,
                );
                return (Tried::Denied, 0);
            }
        };
        self.figures.waited(self.actor, at, wait, right);
        let outcome = match (right, who) {
            (true, _) => LoginOutcome::Succeeded,
            (false, Some(_)) => LoginOutcome::Failed(FailType::Credentials),
            (false, None) => LoginOutcome::Failed(FailType::Account),
        };
        let at = at.plus_secs(i64::from(wait));
        self.tell_login(at, from, account, outcome, password);
        if right {
            self.figures.entered(self.actor, account);
            return (Tried::Right, wait);
        }
        (Tried::Wrong, wait)
    }

    /// Hands a message in; was it taken?
    pub(super) fn send(
        &mut self,
        at: Timestamp,
        from: From,
        who: usize,
        recipients: Vec<Address>,
        print: u64,
    ) -> bool {
        let account = self.world.people[who].account.clone();
        let question = SendQuestion {
            at,
            ip: Some(from.ip),
            device: from.device,
            account: Some(&account),
            recipients: &recipients,
            bulk: false,
        };
        let taken = self.watch.may_send(&question) == SendAnswer::Allow;
        self.figures.sent(
            self.actor,
            at,
            &account,
            recipients.len() as u32,
            taken,
            || why(self.watch, at, from, Some(&account)),
        );
        let sent = Sent {
            envelope_from: Some(self.world.people[who].address.clone()),
            recipients,
            taken,
            size_bytes: 4000,
            owned: Some(true),
            print: Some(print),
            bulk: false,
            authentic: None,
        };
        let from = From {
            protocol: Protocol::Submission,
            ..from
        };
        self.tell(at, from, Some(account), Door::Message, Act::Send(sent));
        taken
    }

    pub(super) fn reply(&mut self, at: Timestamp, from: From, who: usize, reply: Reply) {
        let account = self.world.people[who].account.clone();
        self.tell(at, from, Some(account), Door::Log, Act::Reply(reply));
    }

    pub(super) fn read(
        &mut self,
        at: Timestamp,
        from: From,
        who: usize,
        messages: u32,
        bytes: u64,
    ) {
        let person = &self.world.people[who];
        let (account, mailbox) = (person.account.clone(), person.mailbox);
        let read = Retrieve {
            messages,
            bytes,
            mailbox_messages: Some(mailbox),
        };
        self.tell(at, from, Some(account), Door::Events, Act::Retrieve(read));
    }

    pub(super) fn delete(&mut self, at: Timestamp, from: From, who: usize, messages: u32) {
        let person = &self.world.people[who];
        let (account, mailbox) = (person.account.clone(), person.mailbox);
        let delete = Delete {
            messages,
            mailbox_messages: Some(mailbox),
        };
        self.tell(at, from, Some(account), Door::Events, Act::Delete(delete));
    }

    pub(super) fn administer(&mut self, at: Timestamp, from: From, who: usize, rule: Administer) {
        let account = self.world.people[who].account.clone();
        let from = From {
            protocol: Protocol::ManageSieve,
            ..from
        };
        self.tell(at, from, Some(account), Door::Events, Act::Administer(rule));
    }

    /// A stranger's machine hands over a message; was it taken?
    pub(super) fn arrive(
        &mut self,
        at: Timestamp,
        ip: IpAddr,
        domain: Option<&Domain>,
        to: &Address,
        bulk: bool,
    ) -> bool {
        let recipients = vec![to.clone()];
        let question = SendQuestion {
            at,
            ip: Some(ip),
            device: None,
            account: None,
            recipients: &recipients,
            bulk: bulk || domain.is_none(),
        };
        let taken = self.watch.may_send(&question) == SendAnswer::Allow;
        self.figures.arrived(self.actor, at, taken);
        if taken {
            let envelope_from = domain.and_then(|domain| Address::new(&format!("news@{domain}")));
            let sent = Sent {
                envelope_from,
                recipients,
                taken,
                size_bytes: 8000,
                owned: None,
                print: None,
                bulk,
                authentic: domain.cloned(),
            };
            let from = From {
                ip,
                device: None,
                protocol: Protocol::Smtp,
            };
            self.tell(at, from, None, Door::Message, Act::Send(sent));
        }
        taken
    }

    /// A stranger's machine asks for an address that does not exist; was it let?
    pub(super) fn probe(
        &mut self,
        at: Timestamp,
        ip: IpAddr,
        recipient: Address,
        said: Said,
    ) -> bool {
        let recipients = vec![recipient.clone()];
        let question = SendQuestion {
            at,
            ip: Some(ip),
            device: None,
            account: None,
            recipients: &recipients,
            bulk: false,
        };
        let let_in = self.watch.may_send(&question) != SendAnswer::Refuse;
        self.figures.probed(self.actor, let_in);
        if let_in {
            let from = From {
                ip,
                device: None,
                protocol: Protocol::Smtp,
            };
            self.tell(
                at,
                from,
                None,
                Door::PolicyDelegation,
                Act::Probe { recipient, said },
            );
        }
        let_in
    }

    fn tell_login(
        &mut self,
        at: Timestamp,
        from: From,
        account: &Account,
        outcome: LoginOutcome,
        password: u64,
    ) {
        let login = Login {
            password: Some(PasswordTag::new(mix(
                password ^ self.watch.ledger().keys.account(account.as_str())
            ) as u16)),
            spray: self
                .passwords_seen
                .then(|| SprayTag((mix(password) >> 20) as u16)),
            ..Login::new(outcome)
        };
        self.tell(
            at,
            from,
            Some(account.clone()),
            Door::AuthPolicy,
            Act::Login(login),
        );
    }

    fn tell(&mut self, at: Timestamp, from: From, account: Option<Account>, door: Door, act: Act) {
        *self.number += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        let operation = Operation {
            id: RecordId::new(at, random),
            at,
            door,
            protocol: from.protocol,
            source: Source {
                ip: Some(from.ip),
                device: from.device,
                place: Known::NotAsked,
            },
            account,
            session: None,
            act,
        };
        (self.keep)(&operation);
        self.figures.shown(self.actor, &operation);
        let happened = self.watch.apply(&operation);
        self.figures
            .happened(self.actor, at, operation.account.as_ref(), &happened);
    }
}

/// What stands against somebody, shortly.
fn why(watch: &Watch, at: Timestamp, from: From, account: Option<&Account>) -> String {
    let standing = watch.standing_against(at, Some(from.ip), account);
    let words: Vec<String> = standing
        .iter()
        .map(|one| match &one.author {
            Author::Detector(id) => format!("{} by {id}", one.step.name()),
            Author::Person(name) => format!("{} by {name}", one.step.name()),
        })
        .collect();
    if words.is_empty() {
        "too many new recipients".to_owned()
    } else {
        words.join(", ")
    }
}
