//! How much of a domain's own mail is signed, whatever others send in its name.
//!
//! Anybody can send unsigned mail in a domain's name, so a share of *all* such mail would be the attacker's to set. What counts is mail of
//! servers that are the domain's: those an administrator marked, those the domain vouches for (SPF for the domain itself, or a confirmed name of
//! its own), and those with an authentic history, weighted by how much of their mail is authentic. New servers with unsigned mail weigh nothing, so a
//! flood from them changes nothing. Who replays *k* authentic messages over several days and mixes in any number of unsigned ones adds less than
//! *k* unsigned ones: k·M/(k+M) < k.
//!
//! Mail that is signed but unauthentic does not enter: it may be a forgery with somebody's signature pasted in, and it is blocked anyway.

use ipnet::IpNet;
use mail::Mark;
use mail::standing::Share;

use super::days::{Entry, Server};
use super::settings::mark_of;

/// Authentic messages that make a history.
const AUTHENTIC_MIN: u64 = 5;
/// Days with authentic mail that make one.
const AUTHENTIC_DAYS_MIN: usize = 3;

/// A domain's share in its window.
pub(super) fn share(entry: &Entry, marks: &[(IpNet, Mark)]) -> Share {
    let (mut authentic, mut unsigned) = (0.0, 0.0);
    let mut share = Share::default();
    for server in &entry.servers {
        let counts = server.sum();
        let weight = weight(server, marks);
        if weight > 0.0 {
            authentic += weight * counts.authentic as f64;
            unsigned += weight * counts.unsigned as f64;
            share.servers += 1;
        } else {
            share.left_out += counts.authentic + counts.unsigned;
        }
    }
    let counted: f64 = authentic + unsigned;
    share.authentic = authentic.round() as u64;
    share.counted = counted.round() as u64;
    share.percent = if counted > 0.0 {
        authentic * 100.0 / counted
    } else {
        0.0
    };
    share
}

/// How much a server's mail counts for the domain: 0 to 1.
pub(super) fn weight(server: &Server, marks: &[(IpNet, Mark)]) -> f64 {
    match mark_of(marks, &server.net) {
        Mark::Own | Mark::Authorised => return 1.0,
        Mark::NotOurs => return 0.0,
        Mark::Unmarked => {}
    }
    // Servers not told apart any more are nobody's.
    if server.net.prefix_len() == 0 {
        return 0.0;
    }
    let counts = server.sum();
    let known = counts.total - counts.unknown.min(counts.total);
    if known == 0 || counts.spf_fail * 2 > known {
        return 0.0;
    }
    if counts.vouched * 2 >= known {
        return 1.0;
    }
    let days = server.days.iter();
    let authentic_days = days.filter(|day| day.counts().authentic > 0).count();
    if counts.authentic < AUTHENTIC_MIN || authentic_days < AUTHENTIC_DAYS_MIN {
        return 0.0;
    }
    counts.authentic as f64 / (counts.authentic + counts.unsigned) as f64
}
