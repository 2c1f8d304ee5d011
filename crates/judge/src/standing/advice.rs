//! What a domain's owner could mend, as far as the counts show it.
//!
//! Only what was seen is told: a record of DNS that no message made anybody look at is nobody's business here.

use std::fmt;

use ipnet::IpNet;
use mail::Mark;
use serde::Serialize;

use super::rule::STEADY_DAYS;
use super::{ServerView, View};

/// RSA keys below this are to be replaced (RFC 8301 §3.2).
const RSA_BITS_GOOD: u32 = 2048;
/// A key of so many bits is no RSA key at all but Ed25519: RSA keys as short as that verify nowhere.
const ED25519_BITS: u32 = 256;
/// Pieces of advice given at most; the weightiest kinds come first.
const ADVICE_MAX: usize = 40;

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "advice", rename_all = "kebab-case")]
pub enum Advice {
    /// No message led to a DMARC policy: nobody is told what to do with forgeries.
    NoDmarc {
        /// Messages looked at.
        messages: u64,
    },
    /// A server of the domain sends mail that is not signed.
    Unsigned {
        /// Which.
        server: IpNet,
        /// How many messages.
        messages: u64,
        /// Of how many.
        of: u64,
    },
    /// Signatures of mail from a server of the domain do not hold.
    Broken {
        /// Which.
        server: IpNet,
        /// How many messages.
        messages: u64,
        /// Of how many.
        of: u64,
    },
    /// SPF of the domain says that a server of its own may not send for it.
    SpfDenies {
        /// Which.
        server: IpNet,
        /// How many messages.
        messages: u64,
        /// Of how many.
        of: u64,
    },
    /// Mail from a server of the domain is signed by others only, which counts for nothing (RFC 9989 §4.4).
    Unaligned {
        /// Which.
        server: IpNet,
        /// How many messages at least.
        messages: u64,
        /// Of how many.
        of: u64,
    },
    /// A key is too short.
    ShortKey {
        /// Its selector.
        selector: String,
        /// Its length.
        bits: u32,
    },
    /// A server has sent such mail for long, and nothing says whether it is the domain's.
    WhoseServer {
        /// Which.
        server: IpNet,
        /// How many messages.
        messages: u64,
        /// On how many days.
        days: usize,
    },
}

impl fmt::Display for Advice {
    /// In English, for command line and mail; a selector in it is a stranger's word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDmarc { messages } => {
                write!(
                    f,
                    "publish a DMARC policy: none was found for {messages} messages"
                )
            }
            Self::Unsigned {
                server,
                messages,
                of,
            } => write!(
                f,
                "sign what {server} sends: {messages} of {of} messages are not signed"
            ),
            Self::Broken {
                server,
                messages,
                of,
            } => {
                write!(
                    f,
                    "see what breaks signatures of {server}: {messages} of {of} do not hold"
                )
            }
            Self::SpfDenies {
                server,
                messages,
                of,
            } => {
                write!(
                    f,
                    "name {server} in the SPF record: it denied {messages} of {of} messages"
                )
            }
            Self::Unaligned {
                server,
                messages,
                of,
            } => write!(
                f,
                "sign by the domain's own name at {server}: {messages} of {of} messages have others' signatures only"
            ),
            Self::ShortKey { selector, bits } => {
                write!(f, "replace the key {selector}: {bits} bits are too few")
            }
            Self::WhoseServer {
                server,
                messages,
                days,
            } => write!(
                f,
                "mark whether {server} is the domain's: {messages} messages on {days} days, and nothing tells"
            ),
        }
    }
}

/// What could be mended, the weightiest kinds first; within a kind the busiest server first.
pub fn advice(view: &View) -> Vec<Advice> {
    let own = || view.servers.iter().filter(|server| server.weight > 0.0);
    let unsigned = own().filter_map(|one| {
        let (server, messages, of) = part(one, one.counts.unsigned)?;
        Some(Advice::Unsigned {
            server,
            messages,
            of,
        })
    });
    let broken = own().filter_map(|one| {
        let (server, messages, of) = part(one, one.counts.unauthentic)?;
        Some(Advice::Broken {
            server,
            messages,
            of,
        })
    });
    let denied = own().filter_map(|one| {
        let (server, messages, of) = part(one, one.counts.spf_fail)?;
        Some(Advice::SpfDenies {
            server,
            messages,
            of,
        })
    });
    // Each authentic message is in `dkim_pass` too, or signed with DomainKeys: what is left are others' signatures.
    let unaligned = own().filter_map(|one| {
        let others = one.counts.dkim_pass.saturating_sub(one.counts.authentic);
        let (server, messages, of) = part(one, others)?;
        Some(Advice::Unaligned {
            server,
            messages,
            of,
        })
    });
    let short = view.keys.iter().filter_map(|key| {
        let bits = key.bits?;
        let is_short = bits > ED25519_BITS && bits < RSA_BITS_GOOD;
        is_short.then(|| Advice::ShortKey {
            selector: key.selector.clone(),
            bits,
        })
    });
    let whose = view
        .servers
        .iter()
        .filter(|server| is_nobodys(server))
        .map(|one| Advice::WhoseServer {
            server: one.server,
            messages: one.counts.total,
            days: one.days,
        });
    no_dmarc(view)
        .into_iter()
        .chain(unsigned)
        .chain(broken)
        .chain(denied)
        .chain(unaligned)
        .chain(short)
        .chain(whose)
        .take(ADVICE_MAX)
        .collect()
}

fn no_dmarc(view: &View) -> Option<Advice> {
    let counts = &view.counts;
    let messages = counts.total.saturating_sub(counts.unknown);
    let none = messages > 0 && counts.dmarc_pass == 0 && counts.dmarc_fail == 0;
    none.then_some(Advice::NoDmarc { messages })
}

/// Some of a server's messages; `None` of none.
fn part(server: &ServerView, messages: u64) -> Option<(IpNet, u64, u64)> {
    (messages > 0).then_some((server.server, messages, server.counts.total))
}

/// As steady as a server of the domain would be, and tied to it by nothing.
fn is_nobodys(server: &ServerView) -> bool {
    server.mark == Mark::Unmarked
        && server.weight == 0.0
        && server.server.prefix_len() > 0
        && server.days >= STEADY_DAYS
        && server.counts.suspect * 2 < server.counts.total
}

#[cfg(test)]
mod tests {
    use mail::standing::{Counts, KeySeen};
    use mail::{Domain, Timestamp};

    use super::*;
    use crate::standing::Settings;

    fn server(ip: &str, weight: f64, counts: Counts) -> ServerView {
        ServerView {
            server: ip.parse().expect("a network"),
            mark: Mark::Unmarked,
            weight,
            counts,
            days: 9,
            last_day: 20_000,
        }
    }

    fn view(servers: Vec<ServerView>) -> View {
        let domain = Domain::parse("example.org").expect("a domain");
        let mut view = View::unseen(&domain, &Settings::default());
        view.since = Timestamp::from_secs(0);
        for server in &servers {
            view.counts.add(&server.counts);
        }
        view.servers = servers;
        view
    }

    #[test]
    fn what_the_domain_s_own_servers_do_wrong_is_told_and_not_what_forgers_do() {
        let own = Counts {
            total: 100,
            authentic: 90,
            unsigned: 8,
            unauthentic: 2,
            dkim_pass: 95,
            spf_fail: 3,
            dmarc_pass: 90,
            ..Counts::default()
        };
        let forger = Counts {
            total: 500,
            unsigned: 500,
            spf_fail: 500,
            suspect: 500,
            ..Counts::default()
        };
        let view = view(vec![
            server("203.0.113.9/32", 0.0, forger),
            server("192.0.2.1/32", 1.0, own),
        ]);
        let server = "192.0.2.1/32".parse().expect("a network");
        let of = 100;
        assert_eq!(
            advice(&view),
            [
                Advice::Unsigned {
                    server,
                    messages: 8,
                    of
                },
                Advice::Broken {
                    server,
                    messages: 2,
                    of
                },
                Advice::SpfDenies {
                    server,
                    messages: 3,
                    of
                },
                Advice::Unaligned {
                    server,
                    messages: 5,
                    of
                },
            ]
        );
    }

    #[test]
    fn short_keys_missing_policies_and_servers_nobody_knows() {
        let steady = Counts {
            total: 40,
            unsigned: 40,
            ..Counts::default()
        };
        let mut view = view(vec![server("198.51.100.7/32", 0.0, steady)]);
        for (selector, bits) in [("old", 1024), ("new", 2048), ("ed", 256)] {
            view.keys.push(KeySeen {
                domain: view.domain.clone(),
                selector: selector.to_owned(),
                bits: Some(bits),
                first_day: 1,
                last_day: 2,
            });
        }
        assert_eq!(
            advice(&view),
            [
                Advice::NoDmarc { messages: 40 },
                Advice::ShortKey {
                    selector: "old".to_owned(),
                    bits: 1024
                },
                Advice::WhoseServer {
                    server: "198.51.100.7/32".parse().expect("a network"),
                    messages: 40,
                    days: 9
                },
            ]
        );
    }
}
