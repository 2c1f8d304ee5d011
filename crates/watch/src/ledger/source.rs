//! What is known of a source, of a network of sources, and of one account as one source asks for it.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::distinct::Distinct;
use super::evidence::{Evidence, Seconds};
use super::habit::Fading;
use super::table::Entry;
use super::window::{DAY, HOUR, TEN_MINUTES, Window};

/// Five minutes, in seconds.
pub(crate) const FIVE_MINUTES: u32 = 300;
/// One minute.
pub(crate) const MINUTE: u32 = 60;
/// A week.
pub(crate) const WEEK: u32 = 604_800;
/// Suspicion halves in an hour (behaviour.md 4.2).
pub(crate) const SUSPICION_HALF_LIFE: f32 = 3600.0;
/// Guesses whose times are kept, to see their pace.
const PACE_MAX: usize = 12;

/// A source, or a network of them.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Logins, once there was one.
    pub logins: Option<Box<Logins>>,
    /// Mail from outside, once there was some.
    pub mail: Option<Box<Inbound>>,
    /// What it did that no honest one does, once there was something.
    pub faults: Option<Box<Faults>>,
    /// How sure detectors are that it means harm, 0 to 1, fading.
    pub suspicion: Fading,
}

/// A source's logins.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Logins {
    /// Accounts that got in.
    pub good_day: Distinct<DAY>,
    pub good_week: Distinct<WEEK>,
    /// Logins that succeeded, and that failed for whatever reason of the client's.
    pub succeeded: Window<HOUR>,
    pub failed: Window<HOUR>,
    /// Accounts and passwords that look like guesses.
    pub guesses: Distinct<HOUR>,
    /// Failures by mechanisms that hide the password.
    pub blind: Window<HOUR>,
    /// Accounts that guesses were made at.
    pub guessed_minutes: Distinct<FIVE_MINUTES>,
    pub guessed_hour: Distinct<HOUR>,
    pub guessed_day: Distinct<DAY>,
    /// Names that are no accounts.
    pub unknown: Distinct<DAY>,
    pub pace: Pace,
    pub evidence: Evidence,
}

/// A source's mail from outside.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Inbound {
    pub messages_minute: Window<MINUTE>,
    /// Domains that mail claims to be from and does not prove.
    pub claimed_domains: Distinct<HOUR>,
    /// Recipients that exist, and different ones that do not.
    pub known_day: Window<DAY>,
    pub unknown_minutes: Distinct<TEN_MINUTES>,
    pub unknown_day: Distinct<DAY>,
    pub relays: Window<TEN_MINUTES>,
    pub evidence: Evidence,
}

/// What a source does that no honest one does.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    pub loitered: Window<TEN_MINUTES>,
    pub cleartext: Window<HOUR>,
    pub foreign: Window<HOUR>,
    pub early: Window<TEN_MINUTES>,
    pub malformed: Window<TEN_MINUTES>,
    pub hasty: Window<TEN_MINUTES>,
    pub evidence: Evidence,
}

impl Source {
    /// Do many of our people come by it? Then it is judged by shares, and never blocked whole (behaviour.md 3, rule a).
    pub(crate) fn is_shared(&self, at: Timestamp) -> bool {
        self.logins.as_ref().is_some_and(|logins| {
            logins.good_day.count(at) >= 5 || logins.good_week.count(at) >= 20
        })
    }

    /// The logins, begun if need be.
    pub(crate) fn logins(&mut self) -> &mut Logins {
        self.logins.get_or_insert_default()
    }

    /// The faults, begun if need be.
    pub(crate) fn faults(&mut self) -> &mut Faults {
        self.faults.get_or_insert_default()
    }

    /// The mail, begun if need be.
    pub(crate) fn mail(&mut self) -> &mut Inbound {
        self.mail.get_or_insert_default()
    }

    /// Begins again: what was counted against it is forgotten, who got in is not.
    pub(crate) fn forgive(&mut self) {
        self.suspicion = Fading::default();
        self.mail = None;
        self.faults = None;
        if let Some(logins) = &mut self.logins {
            **logins = Logins {
                good_day: std::mem::take(&mut logins.good_day),
                good_week: std::mem::take(&mut logins.good_week),
                succeeded: std::mem::take(&mut logins.succeeded),
                ..Logins::default()
            };
        }
    }
}

impl Logins {
    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.good_day.heap_bytes()
            + self.good_week.heap_bytes()
            + self.guesses.heap_bytes()
            + self.guessed_minutes.heap_bytes()
            + self.guessed_hour.heap_bytes()
            + self.guessed_day.heap_bytes()
            + self.unknown.heap_bytes()
            + self.pace.0.capacity() * 4
            + self.evidence.heap_bytes()
    }
}

impl Inbound {
    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.claimed_domains.heap_bytes()
            + self.unknown_minutes.heap_bytes()
            + self.unknown_day.heap_bytes()
            + self.evidence.heap_bytes()
    }
}

impl Entry for Source {
    fn heap_bytes(&self) -> usize {
        self.logins.as_ref().map_or(0, |logins| logins.heap_bytes())
            + self.mail.as_ref().map_or(0, |mail| mail.heap_bytes())
            + self.faults.as_ref().map_or(0, |faults| {
                size_of::<Faults>() + faults.evidence.heap_bytes()
            })
    }

    /// Whose people come by it, and who means harm; a source with one failure is worth next to nothing.
    fn worth(&self, now: Timestamp) -> f64 {
        let mut worth = f64::from(self.suspicion.value(now, SUSPICION_HALF_LIFE)) * 50.0;
        if let Some(logins) = &self.logins {
            worth += 10.0 * f64::from(logins.good_week.count(now));
            worth += f64::from(logins.guesses.count(now)) + f64::from(logins.unknown.count(now));
        }
        if let Some(mail) = &self.mail {
            worth +=
                f64::from(mail.unknown_day.count(now)) + f64::from(mail.known_day.sum(now).min(20));
        }
        worth
    }
}

/// When guesses were made, the last few.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pace(Vec<Seconds>);

impl Pace {
    pub(crate) fn add(&mut self, at: Seconds) {
        if self.0.len() >= PACE_MAX {
            self.0.remove(0);
        } else if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len().max(1));
        }
        self.0.push(at);
    }

    /// The middle of the gaps between guesses of the last day, seconds; `None` for fewer than `least` guesses.
    pub(crate) fn median_gap(&self, now: Seconds, least: usize) -> Option<u32> {
        let recent = self.0.iter().copied();
        let times: Vec<Seconds> = recent
            .filter(|time| now.saturating_sub(*time) < DAY)
            .collect();
        if times.len() < least.max(2) {
            return None;
        }
        let gaps = times.windows(2).map(|two| two[1].saturating_sub(two[0]));
        let mut gaps: Vec<u32> = gaps.collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied()
    }
}

/// One account as one source asks for it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pair {
    /// Short keys of both, to find the pairs of either.
    pub source: u32,
    pub account: u32,
    /// Different wrong passwords.
    pub wrong_hour: Distinct<HOUR>,
    pub wrong_day: Distinct<DAY>,
    pub pace: Pace,
    /// Tries, however alike.
    pub tries: Window<DAY>,
    pub evidence: Evidence,
}

impl Entry for Pair {
    fn heap_bytes(&self) -> usize {
        self.wrong_hour.heap_bytes()
            + self.wrong_day.heap_bytes()
            + self.pace.0.capacity() * 4
            + self.evidence.heap_bytes()
    }

    fn worth(&self, now: Timestamp) -> f64 {
        f64::from(self.wrong_day.count(now)) + f64::from(self.tries.sum(now).min(20)) / 20.0
    }
}

/// A mailbox as strangers write to it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Mailbox {
    pub messages: Window<TEN_MINUTES>,
    pub hour: Window<HOUR>,
    pub peak: super::habit::Peak,
    pub bulk: Window<{ super::window::HALF_HOUR }>,
    pub bulk_domains: Distinct<{ super::window::HALF_HOUR }>,
    pub bounces: Window<TEN_MINUTES>,
    pub evidence: Evidence,
}

impl Entry for Mailbox {
    fn heap_bytes(&self) -> usize {
        self.bulk_domains.heap_bytes() + self.evidence.heap_bytes()
    }

    fn worth(&self, now: Timestamp) -> f64 {
        f64::from(self.messages.sum(now)) + f64::from(self.peak.usual())
    }
}
