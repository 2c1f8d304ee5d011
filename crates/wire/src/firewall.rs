//! What the service tells the helper that drives the firewall: every source that is to be dropped, all of them each time, so that neither has to
//! remember what the other knows.
//!
//! ```text
//! drop 2
//! 192.0.2.7 900
//! 2001:db8:0:1:: 86400
//! ```
//!
//! The answer is one line, `done 2` or `refused` with why. The helper runs with more rights than whoever speaks to it, so a line is an address and
//! a number of seconds and nothing else: no text of a stranger's gets near the firewall.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

/// Sources dropped at the same time.
pub const SOURCES_MAX: usize = 65_536;
/// Longest that a source is dropped without being told again, seconds: no decision of a detector stands longer.
pub const SECS_MAX: u32 = 7 * 86_400;
/// Longest line.
pub const LINE_BYTES_MAX: usize = 128;

/// A source that is dropped: an IPv4 address, or the /64 that an IPv6 address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dropped {
    /// The address; the first of its network where it is IPv6.
    pub ip: IpAddr,
    /// For how long, seconds.
    pub secs: u32,
}

impl Dropped {
    /// `None` for addresses that are no stranger's: this machine, nobody, everybody.
    pub fn new(ip: IpAddr, secs: u32) -> Option<Self> {
        let ip = match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let network = ip.to_bits() >> 64 << 64;
                // ::1 is in ::/64, with everything that is not announced.
                if network == 0 {
                    return None;
                }
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            IpAddr::V4(ip) if ip.is_broadcast() => return None,
            ip @ IpAddr::V4(_) => ip,
        };
        if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || secs == 0 {
            return None;
        }
        Some(Self {
            ip,
            secs: secs.min(SECS_MAX),
        })
    }
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(&'static str);

/// What is sent: all that is to be dropped, at most [`SOURCES_MAX`].
pub fn request(dropped: &[Dropped]) -> String {
    let dropped = &dropped[..dropped.len().min(SOURCES_MAX)];
    let mut text = format!("drop {}\n", dropped.len());
    for one in dropped {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}", one.ip, one.secs);
    }
    text
}

/// The first line of a request: how many lines follow.
pub fn read_head(line: &str) -> Result<usize, Unusable> {
    let count = line
        .strip_prefix("drop ")
        .and_then(|count| count.parse().ok())
        .ok_or(Unusable("a request begins with `drop N`"))?;
    if count > SOURCES_MAX {
        return Err(Unusable(
            "more sources than can be dropped at the same time",
        ));
    }
    Ok(count)
}

/// A further line: a source.
pub fn read_source(line: &str) -> Result<Dropped, Unusable> {
    let (ip, secs) = line
        .split_once(' ')
        .ok_or(Unusable("a source is an address, a blank and seconds"))?;
    let ip = ip
        .parse()
        .map_err(|_| Unusable("a source begins with an address"))?;
    let secs = secs
        .parse()
        .map_err(|_| Unusable("a source ends with seconds"))?;
    Dropped::new(ip, secs).ok_or(Unusable(
        "this address is never dropped, or not for no time",
    ))
}

/// The answer.
pub fn answer(outcome: &Result<usize, String>) -> String {
    match outcome {
        Ok(count) => format!("done {count}\n"),
        Err(why) => {
            let plain = why.chars().map(|c| if c.is_control() { ' ' } else { c });
            format!("refused {}\n", plain.take(400).collect::<String>())
        }
    }
}

/// Reads the answer: how many are dropped, or why none of what was told is.
pub fn read_answer(line: &str) -> Result<usize, String> {
    if let Some(count) = line.strip_prefix("done ") {
        return count.trim().parse().map_err(|_| "no number".to_owned());
    }
    let why = line.strip_prefix("refused ").unwrap_or("no answer");
    Err(why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dropped(ip: &str, secs: u32) -> Option<Dropped> {
        Dropped::new(ip.parse().expect("an address"), secs)
    }

    #[test]
    fn what_is_written_is_read() {
        let list = [
            dropped("192.0.2.7", 900),
            dropped("2001:db8:0:1::7", u32::MAX),
        ];
        let list: Vec<Dropped> = list.into_iter().flatten().collect();
        let text = request(&list);
        assert_eq!(text, "drop 2\n192.0.2.7 900\n2001:db8:0:1:: 604800\n");
        let mut lines = text.lines();
        assert_eq!(lines.next().map(read_head), Some(Ok(2)));
        let read: Vec<Dropped> = lines
            .map(|line| read_source(line).expect("a source"))
            .collect();
        assert_eq!(read, list);
        for outcome in [Ok(2), Err("nft: no\nsuch table".to_owned())] {
            let line = answer(&outcome);
            assert_eq!(line.lines().count(), 1);
            assert_eq!(read_answer(line.trim_end()).is_ok(), outcome.is_ok());
        }
    }

    #[test]
    fn nobody_drops_this_machine_or_everybody() {
        for ip in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert_eq!(dropped(ip, 60), None, "{ip}");
        }
        assert_eq!(dropped("192.0.2.7", 0), None);
        for line in [
            "",
            "192.0.2.7",
            "192.0.2.7 -1",
            "192.0.2.0/24 60",
            "a 60",
            "192.0.2.7 60 ; flush ruleset",
            "192.0.2.7  60",
        ] {
            assert!(read_source(line).is_err(), "{line}");
        }
        for line in [
            "",
            "drop",
            "drop x",
            "drop -1",
            "drop 65537",
            "drop 99999999999999999999",
        ] {
            assert!(read_head(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_source_or_refused(line in "\\PC{0,60}|[0-9a-f.: ]{0,60}") {
            if let Ok(source) = read_source(&line) {
                prop_assert!(!source.ip.is_loopback() && source.secs <= SECS_MAX);
                let again = format!("{} {}", source.ip, source.secs);
                prop_assert_eq!(read_source(&again), Ok(source));
            }
        }
    }
}
