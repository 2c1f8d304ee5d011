//! May this login proceed? May this message? Questions only read: a question asked twice changes nothing (Dovecot asks twice).

use std::net::IpAddr;

use mail::operation::DeviceTag;
use mail::{Account, Address, Timestamp};

use super::{Decision, Response, Step};
use crate::detectors::number_of;
use crate::ledger::keys::Marks;
use crate::ledger::{Familiar, Ledger};
use crate::settings::{Mode, Settings};

/// First wait of a pair, seconds; doubled with each further wrong password.
const FIRST_WAIT_SECS: u32 = 3;
/// Longest wait, seconds: Dovecot's, and longer ones cost us more than whoever waits.
const LONGEST_WAIT_SECS: u32 = 15;
/// Wait of a source that is too fast, seconds.
const SOURCE_WAIT_SECS: u32 = 5;
/// Networks that fail with a client program within a day, from which on it is no sign of the owner.
pub(crate) const PRETENDED: usize = 3;
/// Recipients that a machine must have written to before, to be no stranger to a mailbox under attack.
const KNOWN_MACHINE: u32 = 3;

/// A login that is about to happen, or has just succeeded and is not yet let in.
#[derive(Clone, Debug)]
pub struct LoginQuestion {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: Option<IpAddr>,
    /// With which client program.
    pub device: Option<DeviceTag>,
    /// As whom.
    pub account: Account,
}

/// What is said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginAnswer {
    /// Go on.
    Allow,
    /// Go on after so many seconds.
    Wait(u32),
    /// Not now; clients keep the password (`454`, `[UNAVAILABLE]`).
    TemporaryFailure,
    /// As a wrong password, so that nobody learns anything.
    Refuse,
}

/// A message that is about to be taken.
#[derive(Clone, Debug)]
pub struct SendQuestion<'a> {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: Option<IpAddr>,
    /// With which client program.
    pub device: Option<DeviceTag>,
    /// By whom; `None` for strangers' mail.
    pub account: Option<&'a Account>,
    /// To whom, all that are named so far.
    pub recipients: &'a [Address],
    /// List mail, or the null sender.
    pub bulk: bool,
}

/// What is said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendAnswer {
    /// Take it.
    Allow,
    /// Take it and hold it until somebody has looked.
    Hold,
    /// Ask it to come later.
    Defer,
    /// Refuse it.
    Refuse,
}

impl Response {
    pub(crate) fn login(
        &self,
        question: &LoginQuestion,
        ledger: &Ledger,
        settings: &Settings,
    ) -> LoginAnswer {
        let at = question.at;
        if !settings.enforce
            || self
                .allowances
                .covers(question.ip, Some(&question.account), question.device, at)
        {
            return LoginAnswer::Allow;
        }
        let marks = ledger
            .keys
            .marks_of(question.ip, Some(question.account.as_str()));
        let known_since = ledger.known_since(&marks, question.device, at);
        // Known before the decision: who got in during an attack is no owner.
        let knew = |decision: &Decision| known_since.is_some_and(|since| since < decision.created);
        let source = self
            .book
            .about(marks.source, at)
            .filter(|one| one.step == Step::BlockSource);
        let pair = self
            .book
            .about(marks.pair, at)
            .filter(|one| one.step == Step::BlockPair);
        if source.chain(pair).any(|one| !knew(one)) {
            return LoginAnswer::Refuse;
        }
        for decision in self.book.about(marks.account, at) {
            match decision.step {
                Step::Disable => return LoginAnswer::Refuse,
                Step::ResetCredential if !knew(decision) => return LoginAnswer::Refuse,
                Step::Protect if !knew(decision) && !is_owner(question, &marks, ledger) => {
                    return LoginAnswer::TemporaryFailure;
                }
                _ => {}
            }
        }
        self.wait(&marks, at, ledger)
    }

    pub(crate) fn send(
        &self,
        question: &SendQuestion<'_>,
        ledger: &Ledger,
        settings: &Settings,
    ) -> SendAnswer {
        if !settings.enforce
            || self
                .allowances
                .covers(question.ip, question.account, question.device, question.at)
        {
            return SendAnswer::Allow;
        }
        let name = question.account.map(Account::as_str);
        let marks = ledger.keys.marks_of(question.ip, name);
        match marks.account {
            Some(account) => self.of_account(question, &marks, account, ledger, settings),
            None => self.of_stranger(question, &marks, ledger),
        }
    }

    fn of_account(
        &self,
        question: &SendQuestion<'_>,
        marks: &Marks,
        account: u64,
        ledger: &Ledger,
        settings: &Settings,
    ) -> SendAnswer {
        let at = question.at;
        let settled = ledger.settled(marks, question.device, at);
        let at_home = ledger.at_home(marks, question.device, at);
        let mut answer = SendAnswer::Allow;
        for decision in self.book.about(Some(account), at) {
            if decision.strangers_only && settled {
                continue;
            }
            match decision.step {
                Step::Freeze => return SendAnswer::Hold,
                Step::DeferMail => answer = SendAnswer::Defer,
                _ => {}
            }
        }
        if answer == SendAnswer::Allow && !at_home && too_many(question, account, ledger, settings)
        {
            return SendAnswer::Defer;
        }
        answer
    }

    fn of_stranger(
        &self,
        question: &SendQuestion<'_>,
        marks: &Marks,
        ledger: &Ledger,
    ) -> SendAnswer {
        let at = question.at;
        if self
            .book
            .about(marks.source, at)
            .any(|one| one.step == Step::BlockSource)
        {
            return SendAnswer::Refuse;
        }
        let known = marks
            .source
            .and_then(|source| ledger.sources.get(source))
            .and_then(|source| source.mail.as_ref())
            .is_some_and(|mail| mail.known_day.sum(at) >= KNOWN_MACHINE);
        let limited = question.recipients.iter().any(|one| {
            let key = ledger.keys.mailbox(&one.key());
            self.book
                .about(Some(key), at)
                .any(|one| one.step == Step::LimitMailbox)
        });
        if limited && (question.bulk || !known) {
            return SendAnswer::Defer;
        }
        SendAnswer::Allow
    }

    fn wait(&self, marks: &Marks, at: Timestamp, ledger: &Ledger) -> LoginAnswer {
        if self
            .book
            .about(marks.pair, at)
            .any(|one| one.step == Step::SlowPair)
        {
            let pair = marks.pair.and_then(|pair| ledger.pairs.get(pair));
            let wrong = pair.map_or(0, |pair| pair.wrong_hour.count(at));
            if wrong > 0 {
                let doubled = FIRST_WAIT_SECS << wrong.saturating_sub(4).min(3);
                return LoginAnswer::Wait(doubled.min(LONGEST_WAIT_SECS));
            }
        }
        if self
            .book
            .about(marks.source, at)
            .any(|one| one.step == Step::SlowSource)
        {
            return LoginAnswer::Wait(SOURCE_WAIT_SECS);
        }
        LoginAnswer::Allow
    }
}

/// Does somebody who is asked for in an attack look like the owner? By the network, or by a client program that is not the one half of
/// the attackers pretend to be.
fn is_owner(question: &LoginQuestion, marks: &Marks, ledger: &Ledger) -> bool {
    match ledger.familiar(marks, question.device, question.at) {
        Familiar::Known => true,
        Familiar::Stranger => false,
        Familiar::Program => {
            let account = marks.account.and_then(|key| ledger.accounts.get(key));
            let guessed = account.and_then(|account| account.guessed.as_ref());
            question.device.is_some_and(|tag| {
                guessed.is_none_or(|guessed| {
                    guessed.networks_failing_with(question.at, tag.0) < PRETENDED
                })
            })
        }
    }
}

/// Would this message be the one that `out.fanout` stops at, from where the account is not at home? Asked before it is taken, so that
/// one message to a hundred does not slip through whole.
fn too_many(
    question: &SendQuestion<'_>,
    account: u64,
    ledger: &Ledger,
    settings: &Settings,
) -> bool {
    let Some(number) = number_of("out.fanout") else {
        return false;
    };
    let setting = &settings.of(question.account.map(Account::as_str))[number];
    let knob = |name: &str| {
        let knobs = crate::detectors::DETECTORS[number].knobs.iter();
        knobs
            .zip(&setting.values)
            .find(|(knob, _)| knob.name == name)
            .map_or(f64::INFINITY, |(_, value)| *value)
    };
    let at = question.at;
    let outbound = ledger
        .accounts
        .get(account)
        .and_then(|one| one.outbound.as_ref());
    let among = ledger.strangers_among(account, question.recipients);
    let new = outbound.map_or(0, |one| one.strange_new.count(at)) + among;
    let all = outbound.map_or(0, |one| one.strange_day.sum(at)) + question.recipients.len() as u32;
    let own_program = ledger.program_settled(account, question.device, at);
    let factor = if own_program {
        knob("program_factor")
    } else {
        1.0
    };
    // Whoever writes to people the account knows is none of those it is stopped for, whatever others have tried.
    among > 0
        && setting.mode == Mode::Enforce
        && !settings.only_observes(ledger.began(), question.at)
        && !setting.steps.is_empty()
        && f64::from(new) > factor * knob("strange_new")
        && f64::from(new) / f64::from(all.max(1)) >= knob("strange_share")
}
