//! Lines of a mail server's log as operations: the last resort, for servers that neither tell nor ask.

use std::collections::HashMap;
use std::net::IpAddr;

use engine::clock::now;
use engine::{Telling, Watching};
use mail::operation::{Act, Door, FailType, Login, LoginOutcome, Protocol, Reply, Said, Sent};
use mail::{Account, Address, Timestamp};
use wire::server_log::{Noted, What};

/// Messages remembered with who sent them; the oldest half is forgotten beyond it.
const SENDERS_MAX: usize = 50_000;
/// Logins of one session counted at most when only their sum is told.
const SUMMED_UP_MAX: u32 = 20;
/// For so long what the authentication process told stands for the sum at a session's end, seconds.
const TOLD_SECS: i64 = 600;

/// What must be remembered of earlier lines.
#[derive(Default)]
pub struct Tales {
    /// Who sent a message, by queue id: its bounces are theirs.
    senders: HashMap<String, Sender>,
    senders_before: HashMap<String, Sender>,
    /// When the authentication process last told of a failure.
    failures: HashMap<(Option<IpAddr>, String), Timestamp>,
}

/// Who handed a message in.
struct Sender {
    account: String,
    ip: Option<IpAddr>,
    /// In whose name, where a program of the machine did.
    from: Option<Address>,
}

impl Tales {
    /// Tells the watch what a line says.
    pub fn tell(&mut self, noted: Noted, watching: &Watching) {
        let account = noted.account.clone();
        let login = |outcome| Act::Login(Login::new(outcome));
        let failed = |kind| login(LoginOutcome::Failed(kind));
        let who = (noted.ip, account.clone().unwrap_or_default());
        let (act, times) = match noted.what {
            What::LoggedIn => {
                self.remember(&noted, None);
                (login(LoginOutcome::Succeeded), 1)
            }
            What::LoginFailed(kind) => {
                if self.failures.len() >= SENDERS_MAX {
                    self.failures.clear();
                }
                self.failures.insert(who, now());
                (failed(kind), 1)
            }
            What::LoginsFailed(times) => {
                let told = self.failures.get(&who).copied();
                if told.is_some_and(|at| now().secs() - at.secs() < TOLD_SECS) {
                    return;
                }
                (failed(FailType::Credentials), times.min(SUMMED_UP_MAX))
            }
            What::UnknownRecipient(Some(recipient)) => {
                let said = Said::Unknown;
                (Act::Probe { recipient, said }, 1)
            }
            What::RelayDenied(Some(recipient)) => {
                let said = Said::RelayDenied;
                (Act::Probe { recipient, said }, 1)
            }
            What::Fault(fault) => (Act::Fault(fault), 1),
            What::UnknownRecipient(None) | What::RelayDenied(None) | What::Refused => {
                (Act::Control, 1)
            }
            What::HandedIn(uid, ref from) => {
                let program = Noted {
                    account: Some(Account::of_program(uid).to_string()),
                    ..noted.clone()
                };
                self.remember(&program, from.clone());
                return;
            }
            What::Delivered | What::Bounced | What::CalledSpam => {
                self.replied(&noted, watching);
                return;
            }
        };
        for _ in 0..times {
            watching.tell(Telling {
                door: Door::Log,
                at: now(),
                protocol: noted.protocol,
                ip: noted.ip,
                device: None,
                account: account.clone(),
                session: noted.session.clone(),
                act: act.clone(),
            });
        }
    }

    fn remember(&mut self, noted: &Noted, from: Option<Address>) {
        let (Some(queue_id), Some(account)) = (&noted.queue_id, &noted.account) else {
            return;
        };
        if self.senders.len() >= SENDERS_MAX {
            self.senders_before = std::mem::take(&mut self.senders);
        }
        self.senders.insert(
            queue_id.clone(),
            Sender {
                account: account.clone(),
                ip: noted.ip,
                from,
            },
        );
    }

    /// What became of a message of one of our accounts.
    fn replied(&self, noted: &Noted, watching: &Watching) {
        let Some(queue_id) = &noted.queue_id else {
            return;
        };
        let sender = self
            .senders
            .get(queue_id)
            .or_else(|| self.senders_before.get(queue_id));
        let Some(Sender { account, ip, from }) = sender else {
            return;
        };
        if let (Some(recipient), Some(true)) = (
            &noted.recipient,
            watching
                .account(account)
                .map(|account| account.is_program()),
        ) {
            // No other door sees what programs hand in.
            watching.tell(Telling {
                door: Door::Log,
                at: now(),
                protocol: Protocol::Submission,
                ip: None,
                device: None,
                account: Some(account.clone()),
                session: None,
                act: Act::Send(handed_in(from.clone(), recipient)),
            });
        }
        let reply = match noted.what {
            What::Bounced => Reply::NoSuchRecipient,
            What::CalledSpam => Reply::CalledSpam,
            _ => Reply::Delivered,
        };
        watching.tell(Telling {
            door: Door::Log,
            at: now(),
            protocol: Protocol::Submission,
            ip: *ip,
            device: None,
            account: Some(account.clone()),
            session: None,
            act: Act::Reply(reply),
        });
    }
}

/// What a log tells of a message: in whose name, and to whom.
fn handed_in(from: Option<Address>, recipient: &Address) -> Sent {
    Sent {
        envelope_from: from,
        recipients: vec![recipient.clone()],
        taken: true,
        size_bytes: 0,
        owned: None,
        print: None,
        bulk: false,
        authentic: None,
    }
}
