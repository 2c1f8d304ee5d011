//! The resolvers the machine or the configuration names, asked over UDP with EDNS and over TCP when an answer does
//! not fit.
//!
//! `hickory`'s pools do transport, message format and retransmission; one pool per server, because a pool of several
//! takes the first server's SERVFAIL for everybody's. Which server to ask next, and when, is decided here: one that
//! fails is passed over at once, one that is silent gets company after a moment, and who answered last is asked first.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, DnsHandle, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name as WireName, RData, Record as WireRecord, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use mail::Limits;
use tokio::time::{Instant, sleep_until};

use super::{Answer, Answering, Found, Kind, Name, Question, Record, Source, Unanswered};

/// Payload a server may send over UDP: what passes everywhere unfragmented (RFC 9715).
const UDP_PAYLOAD_BYTES: u16 = 1232;

/// How long a silent server is waited for before the next is asked as well.
const PATIENCE: Duration = Duration::from_millis(400);

/// When a negative answer does not say how long it lasts (no SOA), it is used again for so long.
const NEGATIVE_TTL_UNSAID: Duration = Duration::from_mins(1);

/// Where the system names its servers (resolv.conf(5)).
const SYSTEM: &str = "/etc/resolv.conf";

/// Port of DNS servers the system names.
const PORT: u16 = 53;

/// Recursive resolvers.
pub struct Upstreams {
    servers: Vec<NameServerPool<TokioRuntimeProvider>>,
    preferred: AtomicUsize,
    aliases_max: usize,
}

/// Why there is nobody to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUpstream {
    /// The configuration names none, or the system has none.
    #[error("no DNS server is configured, and the system names none")]
    None,
    /// The system's settings cannot be read.
    #[error("the system's DNS settings (/etc/resolv.conf) cannot be read: {0}")]
    System(String),
    /// The resolver library refused its settings.
    #[error("DNS cannot be set up: {0}")]
    Setup(String),
}

impl Upstreams {
    /// Asks these servers, the first first.
    pub fn new(servers: &[SocketAddr], limits: &Limits) -> Result<Self, NoUpstream> {
        let mut options = ResolverOpts::default();
        options.timeout = Duration::from_millis(limits.dns_question_ms);
        options.num_concurrent_reqs = 1;
        options.max_active_requests = limits.dns_in_flight_max;
        options.edns_payload_len = UDP_PAYLOAD_BYTES;
        options.try_tcp_on_error = true;
        let pools: Result<Vec<_>, NoUpstream> = servers
            .iter()
            .map(|server| pool(*server, options.clone()))
            .collect();
        let servers = pools?;
        if servers.is_empty() {
            return Err(NoUpstream::None);
        }
        Ok(Self {
            servers,
            preferred: AtomicUsize::new(0),
            aliases_max: limits.dns_aliases_max,
        })
    }

    /// Asks the servers the system names.
    pub fn of_system(limits: &Limits) -> Result<Self, NoUpstream> {
        let text =
            std::fs::read_to_string(SYSTEM).map_err(|why| NoUpstream::System(why.to_string()))?;
        Self::new(&named_by_system(&text), limits)
    }

    /// Asks, following aliases the servers did not follow themselves. A loop of aliases ends like a long chain of them.
    async fn follow(&self, question: &Question) -> Result<Answer, Unanswered> {
        let mut name = wire_name(&question.name)?;
        let mut secured = true;
        let mut ttl = Duration::MAX;
        for _ in 0..=self.aliases_max {
            let reply = self.first_answer(&name, question.kind).await?;
            let reading = read(&reply, name, question.kind, self.aliases_max);
            secured &= reading.dnssec;
            ttl = ttl.min(reading.ttl);
            match reading.end {
                End::Found(found) => {
                    return Ok(Answer {
                        found,
                        dnssec: secured,
                        ttl,
                    });
                }
                End::Alias(target) => name = target,
            }
        }
        Err(Unanswered(format!(
            "more than {} aliases, or a loop of them",
            self.aliases_max
        )))
    }

    /// The first usable reply of any server.
    async fn first_answer(&self, name: &WireName, kind: Kind) -> Result<Reply, Unanswered> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut next = (0..self.servers.len()).map(|offset| (first + offset) % self.servers.len());
        let mut waiting = FuturesUnordered::new();
        let mut problem = String::from("no DNS server");
        loop {
            if let Some(server) = next.next() {
                waiting.push(self.ask_one(server, name, kind));
            } else if waiting.is_empty() {
                return Err(Unanswered(problem));
            }
            let mut patience = pin!(sleep_until(Instant::now() + PATIENCE));
            let answered = tokio::select! {
                answered = waiting.next() => answered,
                () = &mut patience, if next.len() > 0 => None,
            };
            match answered {
                Some((server, Ok(reply))) => {
                    self.preferred.store(server, Ordering::Relaxed);
                    return Ok(reply);
                }
                Some((_, Err(why))) => problem = why,
                None => {}
            }
        }
    }

    async fn ask_one(
        &self,
        server: usize,
        name: &WireName,
        kind: Kind,
    ) -> (usize, Result<Reply, String>) {
        let mut options = DnsRequestOptions::default();
        options.edns_payload_len = UDP_PAYLOAD_BYTES;
        options.case_randomization = true;
        let mut request =
            DnsRequest::from_query(Query::query(name.clone(), wire_kind(kind)), options);
        // Asks the resolver to say whether it validated the answer (RFC 6840 §5.7).
        request.metadata.authentic_data = true;
        let reply = match self.servers[server].send(request).next().await {
            Some(Ok(response)) => Ok(Reply::Records(Box::new(response.into_message()))),
            Some(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => negative(&none),
            Some(Err(why)) => Err(why.to_string()),
            None => Err("the connection ended".to_owned()),
        };
        (server, reply)
    }
}

impl Source for Upstreams {
    fn ask<'s>(&'s self, question: &'s Question, _: Instant) -> Answering<'s> {
        Box::pin(self.follow(question))
    }
}

/// Addresses of lines `nameserver ADDRESS`. Link-local ones with an interface behind `%` are passed over: they can be
/// configured here by address and port.
fn named_by_system(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let named = words.next() == Some("nameserver");
        let ip: IpAddr = words.next()?.parse().ok()?;
        named.then(|| SocketAddr::new(ip, PORT))
    };
    text.lines().filter_map(server).collect()
}

fn pool(
    server: SocketAddr,
    options: ResolverOpts,
) -> Result<NameServerPool<TokioRuntimeProvider>, NoUpstream> {
    let tls = TlsConfig::new().map_err(|why| NoUpstream::Setup(why.to_string()))?;
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        set_port(connection, server.port());
    }
    let context = Arc::new(PoolContext::new(options, tls));
    Ok(NameServerPool::from_config(
        [config],
        context,
        TokioRuntimeProvider::default(),
    ))
}

const fn set_port(connection: &mut ConnectionConfig, port: u16) {
    connection.port = port;
}

/// What a server said.
enum Reply {
    Records(Box<Message>),
    None { found: Found, ttl: Duration },
}

/// "There is none" is only believed of a server that says so: an empty answer that refers to other servers is none.
fn negative(none: &NoRecords) -> Result<Reply, String> {
    let found = match none.response_code {
        ResponseCode::NXDomain => Found::NoName,
        ResponseCode::NoError if none.ns.is_none() || none.soa.is_some() => Found::Nothing,
        _ => return Err("the server refers to others: it does not resolve for us".to_owned()),
    };
    let ttl = none
        .negative_ttl
        .map_or(NEGATIVE_TTL_UNSAID, |secs| Duration::from_secs(secs.into()));
    Ok(Reply::None { found, ttl })
}

/// One reply, read: where it ends, and how far it can be relied on.
struct Reading {
    end: End,
    dnssec: bool,
    ttl: Duration,
}

enum End {
    Found(Found),
    Alias(WireName),
}

/// Reads a reply to a question about `asked`, walking along at most `aliases_max` aliases in it.
fn read(reply: &Reply, asked: WireName, kind: Kind, aliases_max: usize) -> Reading {
    let message = match reply {
        Reply::None { found, ttl } => {
            let end = End::Found(found.clone());
            return Reading {
                end,
                dnssec: false,
                ttl: *ttl,
            };
        }
        Reply::Records(message) => message,
    };
    let mut name = asked;
    let mut ttl = u32::MAX;
    let mut aliases = 0;
    while aliases <= aliases_max
        && let Some((target, alias_ttl)) = alias(message, &name)
    {
        (name, ttl, aliases) = (target, ttl.min(alias_ttl), aliases + 1);
    }
    let mut records = Vec::new();
    for record in &message.answers {
        if record.name == name
            && let Some(read) = own(&record.data, kind)
        {
            ttl = ttl.min(record.ttl);
            records.push(read);
        }
    }
    let is_soa = |record: &WireRecord| record.record_type() == RecordType::SOA;
    let end = if !records.is_empty() {
        End::Found(Found::Records(records))
    } else if alias(message, &name).is_some() {
        // A loop: whoever follows counts.
        End::Alias(name)
    } else if message.metadata.response_code == ResponseCode::NXDomain {
        End::Found(Found::NoName)
    } else if aliases == 0 || message.authorities.iter().any(is_soa) {
        End::Found(Found::Nothing)
    } else {
        End::Alias(name)
    };
    let ttl = match ttl {
        u32::MAX => NEGATIVE_TTL_UNSAID,
        secs => Duration::from_secs(secs.into()),
    };
    Reading {
        end,
        dnssec: message.metadata.authentic_data,
        ttl,
    }
}

/// What a name is an alias of, and for how long.
fn alias(message: &Message, name: &WireName) -> Option<(WireName, u32)> {
    message
        .answers
        .iter()
        .find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *name => Some((target.0.clone(), record.ttl)),
            _ => None,
        })
}

/// A record as we keep it, when it is of the kind asked for.
fn own(data: &RData, kind: Kind) -> Option<Record> {
    Some(match (kind, data) {
        (Kind::A, RData::A(ip)) => Record::A(ip.0),
        (Kind::Aaaa, RData::AAAA(ip)) => Record::Aaaa(ip.0),
        (Kind::Mx, RData::MX(mx)) => Record::Mx {
            preference: mx.preference,
            host: text_of(&mx.exchange),
        },
        (Kind::Txt, RData::TXT(txt)) => Record::Txt(txt.txt_data.concat()),
        (Kind::Ptr, RData::PTR(name)) => Record::Ptr(text_of(&name.0)),
        _ => return None,
    })
}

/// A name as text, lower case, without final dot; bytes that are no text become `?`, which no name of ours holds.
fn text_of(name: &WireName) -> String {
    let label = |label: &[u8]| -> String {
        let plain = |byte: &u8| {
            if byte.is_ascii_graphic() && *byte != b'.' {
                *byte as char
            } else {
                '?'
            }
        };
        label
            .iter()
            .map(plain)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    name.iter().map(label).collect::<Vec<_>>().join(".")
}

fn wire_name(name: &Name) -> Result<WireName, Unanswered> {
    let labels = name.as_str().split('.').map(str::as_bytes);
    let mut wire = WireName::from_labels(labels).map_err(|why| Unanswered(why.to_string()))?;
    wire.set_fqdn(true);
    Ok(wire)
}

const fn wire_kind(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Txt => RecordType::TXT,
        Kind::Ptr => RecordType::PTR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_the_system() {
        let text = "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\n\
            nameserver fe80::1%eth0\nnameserver\noptions edns0\n";
        let expected =
            ["192.0.2.1:53", "[2001:db8::1]:53"].map(|server| server.parse().expect("an address"));
        assert_eq!(named_by_system(text), expected);
        let none = Upstreams::new(&[], &Limits::default()).err();
        assert_eq!(none, Some(NoUpstream::None));
    }
}
