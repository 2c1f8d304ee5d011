//! A DNS server for tests: real sockets on loopback, a zone from memory, and every misbehaviour a resolver must survive.
//!
//! ```no_run
//! use testkit::dns::{Data, Dns, Zone};
//!
//! # fn main() -> anyhow::Result<()> {
//! let zone = Zone::default()
//!     .with("example.org", Data::txt("v=spf1 -all"))
//!     .with("example.org", Data::Mx(10, "mail.example.org".to_owned()));
//! let dns = Dns::start(zone)?;
//! // … a resolver is told to ask dns.address() …
//! assert_eq!(dns.asked(), 0);
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How long everything may be kept.
const TTL: u32 = 300;

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail server; `.` for none.
    Mx(u16, String),
    /// A text in strings of at most 255 bytes.
    Txt(Vec<Vec<u8>>),
    /// A name of an address.
    Ptr(String),
    /// Another name.
    Cname(String),
}

impl Data {
    /// A text, cut into strings where it must be.
    pub fn txt(text: &str) -> Self {
        Self::Txt(text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect())
    }
}

/// What is wrong with the answers for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None come for kinds of records that are not in the zone.
    Silent,
    /// They say that the server failed (SERVFAIL).
    Fails,
    /// They come so late.
    Late(Duration),
    /// They do not fit into a datagram.
    Truncated,
    /// They do not fit, and over TCP there is no end to them: so many bytes come.
    Endless(usize),
    /// They are no DNS messages.
    Garbage,
    /// The name is an alias of itself.
    Loop,
    /// They are signed: the bit that says so is set (AD).
    Authentic,
}

/// Names with their records and faults. A name with neither does not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<String, Vec<Data>>,
    faults: HashMap<String, Fault>,
}

impl Zone {
    /// Adds a record.
    #[must_use]
    pub fn with(mut self, name: &str, data: Data) -> Self {
        self.records.entry(key(name)).or_default().push(data);
        self
    }

    /// Makes a name exist without any record.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.records.entry(key(name)).or_default();
        self
    }

    /// Gives the answers for a name a fault.
    #[must_use]
    pub fn with_fault(mut self, name: &str, fault: Fault) -> Self {
        self.faults.insert(key(name), fault);
        self
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// A running server.
pub struct Dns {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    zone: Mutex<Zone>,
    asked: AtomicUsize,
    ends: AtomicBool,
}

impl Dns {
    /// Starts one on a free port of loopback, the same for UDP and TCP.
    pub fn start(zone: Zone) -> Result<Self> {
        let (udp, tcp) = sockets()?;
        let address = udp.local_addr()?;
        let shared = Arc::new(Shared {
            zone: Mutex::new(zone),
            asked: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let (for_udp, for_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || serve_udp(&udp, &for_udp)),
            std::thread::spawn(move || serve_tcp(&tcp, &for_tcp)),
        ];
        Ok(Self {
            shared,
            address,
            threads,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves another zone from now on.
    pub fn serve(&self, zone: Zone) {
        *self
            .shared
            .zone
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = zone;
    }

    /// Questions that came so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Both threads wait for something to come; an empty datagram and a connection are something. When they cannot
        // be sent the threads end with the process.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A UDP and a TCP socket on one port.
fn sockets() -> Result<(UdpSocket, TcpListener)> {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no UDP socket on loopback")?;
        if let Ok(tcp) = TcpListener::bind(udp.local_addr()?) {
            return Ok((udp, tcp));
        }
    }
    anyhow::bail!("no port is free for both UDP and TCP")
}

fn serve_udp(socket: &UdpSocket, shared: &Arc<Shared>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        let Ok(question) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        match shared.reply(&question, true) {
            Reply::Nothing => {}
            Reply::Now(bytes) => drop(socket.send_to(&bytes, peer)),
            Reply::Later(bytes, delay) => {
                if let Ok(socket) = socket.try_clone() {
                    std::thread::spawn(move || {
                        std::thread::sleep(delay);
                        drop(socket.send_to(&bytes, peer));
                    });
                }
            }
            Reply::Endless(..) => unreachable!("endless answers are truncated in datagrams"),
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // The peer ends the connection, or the test does with its process.
        std::thread::spawn(move || drop(serve_stream(stream, &shared)));
    }
}

fn serve_stream(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes)?;
        let question = Message::from_vec(&bytes)?;
        match shared.reply(&question, false) {
            Reply::Nothing => {}
            Reply::Now(bytes) => send(&mut stream, &bytes)?,
            Reply::Later(bytes, delay) => {
                std::thread::sleep(delay);
                send(&mut stream, &bytes)?;
            }
            Reply::Endless(bytes, total) => {
                let mut sent = 0;
                while sent < total {
                    send(&mut stream, &bytes)?;
                    sent += bytes.len();
                }
            }
        }
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let length = u16::try_from(bytes.len())?.to_be_bytes();
    stream.write_all(&[&length[..], bytes].concat())?;
    Ok(())
}

enum Reply {
    Nothing,
    Now(Vec<u8>),
    Later(Vec<u8>, Duration),
    Endless(Vec<u8>, usize),
}

impl Shared {
    fn reply(&self, question: &Message, is_udp: bool) -> Reply {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some(query) = question.queries.first() else {
            return Reply::Nothing;
        };
        let (name, kind) = (query.name().clone(), query.query_type());
        let mut reply = question.clone();
        reply.metadata.message_type = MessageType::Response;
        reply.metadata.recursion_available = true;
        reply.metadata.authentic_data = false;
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        let key = text_of(&name);
        zone.answer(&key, &name, kind, &mut reply);
        let fault = zone.faults.get(&key).copied();
        drop(zone);
        match fault {
            Some(Fault::Silent) if reply.answers.is_empty() => return Reply::Nothing,
            Some(Fault::Fails) => {
                reply.answers.clear();
                reply.metadata.response_code = ResponseCode::ServFail;
            }
            Some(Fault::Truncated | Fault::Endless(_)) if is_udp => {
                reply.answers.clear();
                reply.metadata.truncation = true;
            }
            Some(Fault::Garbage) => return Reply::Now(b"this is no message of DNS".to_vec()),
            Some(Fault::Authentic) => reply.metadata.authentic_data = true,
            Some(Fault::Endless(bytes)) => return Reply::Endless(huge(reply, &name), bytes),
            Some(Fault::Silent | Fault::Late(_) | Fault::Truncated | Fault::Loop) | None => {}
        }
        let Ok(bytes) = reply.to_vec() else {
            return Reply::Nothing;
        };
        match fault {
            Some(Fault::Late(delay)) => Reply::Later(bytes, delay),
            _ => Reply::Now(bytes),
        }
    }
}

/// As large as a message over TCP can be.
fn huge(mut reply: Message, name: &Name) -> Vec<u8> {
    let text = vec![b'x'; 255];
    reply.answers.clear();
    for _ in 0..60 {
        let strings = vec![text.as_slice(); 4];
        reply.add_answer(Record::from_rdata(
            name.clone(),
            TTL,
            RData::TXT(TXT::from_bytes(strings)),
        ));
    }
    reply.to_vec().unwrap_or_default()
}

impl Zone {
    /// Fills in what the zone has, following aliases as recursive resolvers do.
    fn answer(&self, key: &str, name: &Name, kind: RecordType, reply: &mut Message) {
        let mut key = key.to_owned();
        let mut owner = name.clone();
        for _ in 0..16 {
            if self.faults.get(&key) == Some(&Fault::Loop) {
                reply.add_answer(Record::from_rdata(
                    owner.clone(),
                    TTL,
                    RData::CNAME(CNAME(owner)),
                ));
                return;
            }
            let Some(records) = self.records.get(&key) else {
                if !self.faults.contains_key(&key) {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                }
                break;
            };
            let alias = records.iter().find_map(|data| match data {
                Data::Cname(target) => Some(target),
                _ => None,
            });
            if let Some(target) = alias {
                let target = wire(target);
                reply.add_answer(Record::from_rdata(
                    owner,
                    TTL,
                    RData::CNAME(CNAME(target.clone())),
                ));
                key = text_of(&target);
                owner = target;
                continue;
            }
            let found = records
                .iter()
                .filter_map(rdata)
                .filter(|data| data.record_type() == kind);
            reply.add_answers(found.map(|data| Record::from_rdata(owner.clone(), TTL, data)));
            break;
        }
        let only_aliases = reply
            .answers
            .iter()
            .all(|record| record.record_type() == RecordType::CNAME);
        if only_aliases {
            reply.add_authority(Record::from_rdata(Name::root(), TTL, RData::SOA(soa())));
        }
    }
}

fn soa() -> SOA {
    SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, TTL)
}

fn rdata(data: &Data) -> Option<RData> {
    Some(match data {
        Data::A(ip) => RData::A(A(*ip)),
        Data::Aaaa(ip) => RData::AAAA(AAAA(*ip)),
        Data::Mx(preference, host) => RData::MX(MX::new(*preference, wire(host))),
        Data::Txt(strings) => {
            RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect()))
        }
        Data::Ptr(name) => RData::PTR(PTR(wire(name))),
        Data::Cname(_) => return None,
    })
}

/// A name as zones hold it, without the escapes of its printed form.
fn text_of(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    key(&labels.join("."))
}

/// A name on the wire. Labels of test suites may hold anything, so they are taken byte by byte.
fn wire(name: &str) -> Name {
    let labels = name
        .trim_end_matches('.')
        .split('.')
        .filter(|label| !label.is_empty())
        .map(str::as_bytes);
    let mut wire = Name::from_labels(labels).unwrap_or_default();
    wire.set_fqdn(true);
    wire
}
