//! What is known of an account: where its owner is at home, who guesses at it, what it sends and what is read.

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use super::contacts::{Contacts, People};
use super::distinct::Distinct;
use super::evidence::{Evidence, Seconds, seconds};
use super::habit::{Daily, Hours, Peak};
use super::source::{FIVE_MINUTES, WEEK};
use super::table::Entry;
use super::window::{DAY, HOUR, TEN_MINUTES, Window};

/// Passwords that were right, of which the tags are kept: this one and those before it.
const RIGHT_MAX: usize = 4;
/// Failing devices kept, with the network each failed from.
const FAILING_MAX: usize = 64;
/// Bodies whose recipients are counted at once.
const PRINTS_MAX: usize = 4;
/// Findings that are added up.
const WEIGHED_MAX: usize = 16;

/// An account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// First seen.
    pub born: Seconds,
    /// Last login that succeeded; 0 before the first.
    pub last_success: Seconds,
    /// Where it was used from: networks (/24, /56), their surroundings (/16, /32), client programs, countries, providers.
    pub networks: Contacts<32>,
    pub wides: Contacts<16>,
    pub devices: Contacts<16>,
    pub countries: Contacts<8>,
    pub providers: Contacts<16>,
    /// When each protocol was last used, in the order of `mail::operation::Protocol`.
    pub protocols: [Seconds; 6],
    /// At which hours.
    pub hours: Hours,
    /// When it was last used through something that hides who is behind it; 0 for never.
    pub hidden: Seconds,
    /// Tags of passwords that were right, the newest last. Twelve bits each; they tell an old password from a guess.
    pub right: Vec<u16>,
    /// Networks and surroundings that logged in within the hour.
    pub good_networks: Distinct<HOUR>,
    pub good_wides: Distinct<HOUR>,
    /// The last login that had a place.
    pub place: Option<LastPlace>,
    /// Findings that have not faded yet.
    pub weighed: Vec<Weighed>,
    pub guessed: Option<Box<Guessed>>,
    pub outbound: Option<Box<Outbound>>,
    pub reading: Option<Box<Reading>>,
}

/// Where a login came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastPlace {
    pub at: Seconds,
    pub latitude: f64,
    pub longitude: f64,
    pub radius_km: f64,
}

/// A finding that counts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weighed {
    /// Number of the detector in the table.
    pub detector: u16,
    pub score: f32,
    pub at: Seconds,
}

/// Guesses at an account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Guessed {
    pub networks_hour: Distinct<HOUR>,
    pub passwords_hour: Distinct<HOUR>,
    pub networks_day: Distinct<DAY>,
    pub passwords_day: Distinct<DAY>,
    pub minutes: Window<FIVE_MINUTES>,
    /// Client programs that failed, with the network each failed from.
    failing: Vec<(u32, u32, Seconds)>,
    pub evidence: Evidence,
}

/// What an account sends.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outbound {
    pub people: People,
    pub hour: Window<HOUR>,
    pub day: Window<DAY>,
    pub peak: Peak,
    /// Recipients it never wrote to before.
    pub new_hour: Distinct<HOUR>,
    pub domains_hour: Distinct<HOUR>,
    /// The same, of mail that came from where the account is not at home.
    pub strange_new: Distinct<DAY>,
    pub strange_day: Window<DAY>,
    /// Recipients that do not exist.
    pub bad_hour: Window<HOUR>,
    pub bad_day: Window<DAY>,
    pub spam_replies: Window<HOUR>,
    pub senders: Distinct<DAY>,
    pub null_sender: Window<HOUR>,
    /// Recipients, and complaints of readers, which come days later.
    pub week: Window<WEEK>,
    pub complaints: Window<WEEK>,
    pub prints: Vec<(u64, Distinct<HOUR>)>,
    pub evidence: Evidence,
}

/// What is read and deleted in an account's mailbox.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub kibibytes: Window<DAY>,
    pub daily: Daily,
    /// From where the account is not at home.
    pub strange_kibibytes: Window<DAY>,
    pub strange_messages: Window<DAY>,
    pub deleted: Window<TEN_MINUTES>,
    /// Folders that were looked into, and what the account had no right to.
    pub folders: Window<TEN_MINUTES>,
    pub denied: Window<TEN_MINUTES>,
    /// What was searched for from where the account is not at home.
    pub topics: Distinct<HOUR>,
    /// Messages and kibibytes that were put in.
    pub appended: Window<HOUR>,
    pub appended_kibibytes: Window<DAY>,
    pub evidence: Evidence,
}

impl Account {
    /// Did anybody ever log in? Then it exists.
    pub(crate) const fn exists(&self) -> bool {
        self.last_success > 0
    }

    /// A password that was right.
    pub(crate) fn right_password(&mut self, tag: u16) {
        if self.right.last() == Some(&tag) {
            return;
        }
        self.right.retain(|known| *known != tag);
        if self.right.len() >= RIGHT_MAX {
            self.right.remove(0);
        }
        self.right.push(tag);
    }

    /// Adds a finding up; the same detector counts once.
    pub(crate) fn weigh(&mut self, weighed: Weighed) {
        if let Some(known) = self
            .weighed
            .iter_mut()
            .find(|known| known.detector == weighed.detector)
        {
            *known = weighed;
            return;
        }
        if self.weighed.len() >= WEIGHED_MAX {
            self.weighed.remove(0);
        }
        self.weighed.push(weighed);
    }

    pub(crate) fn guessed(&mut self) -> &mut Guessed {
        self.guessed.get_or_insert_default()
    }

    pub(crate) fn outbound(&mut self) -> &mut Outbound {
        self.outbound.get_or_insert_default()
    }

    pub(crate) fn reading(&mut self) -> &mut Reading {
        self.reading.get_or_insert_default()
    }

    /// Begins again: what was counted against it is forgotten; where it is at home, whom it knows and what is usual is not.
    pub(crate) fn forgive(&mut self) {
        self.weighed.clear();
        self.guessed = None;
        self.good_networks = Distinct::default();
        self.good_wides = Distinct::default();
        if let Some(out) = &mut self.outbound {
            **out = Outbound {
                people: std::mem::take(&mut out.people),
                peak: std::mem::take(&mut out.peak),
                ..Outbound::default()
            };
        }
        if let Some(reading) = &mut self.reading {
            **reading = Reading {
                daily: std::mem::take(&mut reading.daily),
                ..Reading::default()
            };
        }
    }
}

impl Guessed {
    /// Notes which program failed from where.
    pub(crate) fn failed_with(&mut self, at: Timestamp, device: u32, network: u32) {
        let now = seconds(at);
        self.failing
            .retain(|(_, _, seen)| now.saturating_sub(*seen) < DAY);
        if self
            .failing
            .iter()
            .any(|(program, place, _)| (*program, *place) == (device, network))
        {
            return;
        }
        if self.failing.len() >= FAILING_MAX {
            self.failing.remove(0);
        }
        self.failing.push((device, network, now));
    }

    /// From how many networks a program failed within a day: one that many guessers pretend to be is no sign of the owner.
    pub(crate) fn networks_failing_with(&self, at: Timestamp, device: u32) -> usize {
        let now = seconds(at);
        self.failing
            .iter()
            .filter(|(program, _, seen)| *program == device && now.saturating_sub(*seen) < DAY)
            .count()
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.networks_hour.heap_bytes()
            + self.passwords_hour.heap_bytes()
            + self.networks_day.heap_bytes()
            + self.passwords_day.heap_bytes()
            + self.failing.capacity() * 12
            + self.evidence.heap_bytes()
    }
}

impl Outbound {
    /// Counts a recipient of a body; how many different ones it has had within the hour.
    pub(crate) fn print(&mut self, at: Timestamp, print: u64, person: u32) {
        if let Some((_, recipients)) = self.prints.iter_mut().find(|(known, _)| *known == print) {
            recipients.add(at, person);
            return;
        }
        if self.prints.len() >= PRINTS_MAX {
            let least = (0..self.prints.len()).min_by_key(|one| self.prints[*one].1.count(at));
            self.prints.swap_remove(least.unwrap_or(0));
        }
        let mut recipients = Distinct::default();
        recipients.add(at, person);
        self.prints.push((print, recipients));
    }

    fn heap_bytes(&self) -> usize {
        let prints = self
            .prints
            .iter()
            .map(|(_, recipients)| recipients.heap_bytes());
        size_of::<Self>()
            + self.people.heap_bytes()
            + self.new_hour.heap_bytes()
            + self.domains_hour.heap_bytes()
            + self.strange_new.heap_bytes()
            + self.senders.heap_bytes()
            + self.prints.capacity() * size_of::<(u64, Distinct<HOUR>)>()
            + prints.sum::<usize>()
            + self.evidence.heap_bytes()
    }
}

impl Entry for Account {
    fn heap_bytes(&self) -> usize {
        let reading = self.reading.as_ref();
        self.networks.heap_bytes()
            + self.wides.heap_bytes()
            + self.devices.heap_bytes()
            + self.countries.heap_bytes()
            + self.providers.heap_bytes()
            + self.hours.heap_bytes()
            + self.right.capacity() * 2
            + self.good_networks.heap_bytes()
            + self.good_wides.heap_bytes()
            + self.weighed.capacity() * size_of::<Weighed>()
            + self.guessed.as_ref().map_or(0, |one| one.heap_bytes())
            + self.outbound.as_ref().map_or(0, |one| one.heap_bytes())
            + reading.map_or(0, |one| {
                size_of::<Reading>() + one.topics.heap_bytes() + one.evidence.heap_bytes()
            })
    }

    /// Accounts that exist are what all this is for; names that were only ever guessed are nothing.
    fn worth(&self, now: Timestamp) -> f64 {
        let guessed = self.guessed.as_ref().map_or(0.0, |guessed| {
            f64::from(guessed.passwords_day.count(now)).min(100.0)
        });
        let known = f64::from(u32::try_from(self.networks.len()).unwrap_or(0));
        if self.exists() {
            let idle_days = f64::from(seconds(now).saturating_sub(self.last_success)) / 86_400.0;
            1000.0 + guessed + known - idle_days.min(900.0)
        } else {
            guessed
        }
    }
}
