//! What finding out who sent a message costs: `cargo bench -p mailvigil-lookup --bench verification`.
//!
//! Processor time of this thread for one message of 10 KB with DNS answered from memory, with each kind of signature and
//! without; then how many messages a second are verified by all processors when a server on loopback has answered before.
//! Everything is made here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lookup::dns::{Record, Resolver, Upstreams, Zone};
use lookup::sign::{DkimSigner, KeyKind, NewKey, SigningKey};
use lookup::{Settings, Verifier};
use mail::authentication::{Signed, SpfResult};
use mail::{Address, Domain, Envelope, Limits, Message, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use testkit::dns::{Data, Dns};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const DOMAINS: usize = 200;
const MESSAGES: usize = 20_000;

fn main() {
    let rsa = NewKey::make(KeyKind::Rsa).unwrap();
    let ed25519 = NewKey::make(KeyKind::Ed25519).unwrap();
    alone(&rsa, &ed25519);
    together(&rsa);
}

fn alone(rsa: &NewKey, ed25519: &NewKey) {
    let zone = Zone::default()
        .txt("example.org", "v=spf1 include:_spf.example.org -all")
        .txt("_spf.example.org", "v=spf1 ip4:192.0.2.0/24 -all")
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .txt("rsa._domainkey.example.org", &rsa.record)
        .txt("ed._domainkey.example.org", &ed25519.record)
        .with(
            "example.org",
            Record::Mx {
                preference: 10,
                host: "mail.example.org".to_owned(),
            },
        )
        .with("mail.example.org", Record::A(Ipv4Addr::new(192, 0, 2, 1)))
        .with(
            "1.2.0.192.in-addr.arpa",
            Record::Ptr("mail.example.org".to_owned()),
        );
    let verifier = Verifier::new(
        Arc::new(Resolver::new(zone, &Limits::default())),
        Settings::default(),
    );
    let plain = letter("example.org");
    let by_rsa = signed(&plain, "example.org", "rsa", rsa);
    let by_both = signed(&by_rsa, "example.org", "ed", ed25519);
    let unsigned = cost(&verifier, &plain, Signed::Unsigned);
    let with_rsa = cost(&verifier, &by_rsa, Signed::Authentic);
    let with_both = cost(&verifier, &by_both, Signed::Authentic);
    println!(
        "a message of {} bytes, DNS from memory: {unsigned:.1} us without signature, {with_rsa:.1} us with RSA-2048, \
         {with_both:.1} us with RSA-2048 and Ed25519",
        plain.len()
    );
    println!(
        "of it, the DKIM signature: RSA-2048 {:.1} us, Ed25519 {:.1} us",
        with_rsa - unsigned,
        with_both - with_rsa
    );
}

fn together(rsa: &NewKey) {
    let domains: Vec<String> = (0..DOMAINS)
        .map(|number| format!("d{number}.example"))
        .collect();
    let served = domains
        .iter()
        .fold(testkit::dns::Zone::default(), |zone, domain| {
            zone.with(domain, Data::txt("v=spf1 ip4:192.0.2.0/24 -all"))
                .with(domain, Data::Mx(10, format!("mail.{domain}")))
                .with(
                    &format!("mail.{domain}"),
                    Data::A(Ipv4Addr::new(192, 0, 2, 1)),
                )
                .with(&format!("_dmarc.{domain}"), Data::txt("v=DMARC1; p=reject"))
                .with(&format!("rsa._domainkey.{domain}"), Data::txt(&rsa.record))
        });
    let served = served.with(
        "1.2.0.192.in-addr.arpa",
        Data::Ptr("mail.d0.example".to_owned()),
    );
    let dns = Dns::start(served).unwrap();
    let limits = Limits::default();
    let upstreams = Upstreams::new(&[dns.address()], &limits).unwrap();
    let verifier = Arc::new(Verifier::new(
        Arc::new(Resolver::new(upstreams, &limits)),
        Settings::default(),
    ));
    let messages: Vec<Arc<(String, Envelope, Message)>> = domains
        .iter()
        .map(|domain| {
            let raw = signed(&letter(domain), domain, "rsa", rsa);
            let message = Message::read(raw.as_bytes(), &limits);
            Arc::new((raw, envelope(domain), message))
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let run = |count: usize| {
        runtime.block_on(async {
            let (started, before) = (Instant::now(), time(ClockId::ProcessCPUTime));
            let mut tasks = tokio::task::JoinSet::new();
            for worker in 0..8 {
                let (verifier, messages) = (Arc::clone(&verifier), messages.clone());
                tasks.spawn(async move {
                    for number in (worker..count).step_by(8) {
                        let one = Arc::clone(&messages[number % messages.len()]);
                        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
                        let found = verifier
                            .verify(&one.1, one.0.as_bytes(), &one.2, deadline)
                            .await;
                        assert_eq!(found.signed, Signed::Authentic);
                        assert_eq!(found.spf.unwrap().result, SpfResult::Pass);
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
            let used = time(ClockId::ProcessCPUTime).saturating_sub(before);
            (started.elapsed(), used)
        })
    };
    let (first, _) = run(DOMAINS);
    let asked = dns.asked();
    let (took, used) = run(MESSAGES);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "{DOMAINS} messages of as many domains, asking: {:.0} a second, {asked} questions; then {MESSAGES} from cache: {:.0} a second, \
         {} questions more",
        DOMAINS as f64 / first.as_secs_f64(),
        MESSAGES as f64 / took.as_secs_f64(),
        dns.asked() - asked
    );
    println!(
        "of it, processor time: {:.1} us a message, so {:.0} a second when {processors} processors do nothing else",
        used.as_secs_f64() * 1e6 / MESSAGES as f64,
        processors as f64 * MESSAGES as f64 / used.as_secs_f64()
    );
}

fn letter(domain: &str) -> String {
    let line =
        "So we went along the river until the evening, and nobody said a word about  it.\r\n";
    let body = line.repeat(10_000 / line.len());
    format!(
        "Received: from ann ([192.0.2.9]) by mail.{domain}; Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: Ann <ann@{domain}>\r\n\
         To: Bob <bob@example.net>\r\nSubject: a walk\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         Message-ID: <1@{domain}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    )
}

fn envelope(domain: &str) -> Envelope {
    let mut envelope = Envelope::new(NOW, "bench");
    envelope.peer.ip = Some(IpAddr::from([192, 0, 2, 1]));
    envelope.helo_name = Some(format!("mail.{domain}"));
    envelope.envelope_from = Address::new(&format!("ann@{domain}"));
    envelope
}

fn signed(raw: &str, domain: &str, selector: &str, key: &NewKey) -> String {
    let signer = DkimSigner {
        domain: Domain::parse(domain).unwrap(),
        selector: selector.to_owned(),
        key: SigningKey::read(key.pem.reveal()).unwrap(),
        lifetime_secs: None,
    };
    format!(
        "{}{raw}",
        signer
            .sign(raw.as_bytes(), NOW, &Limits::default())
            .unwrap()
    )
}

/// Microseconds of processor time for one verification, the best of several rounds: others use the machine too.
fn cost(verifier: &Verifier, raw: &str, expected: Signed) -> f64 {
    const ROUND: u32 = 500;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (message, envelope) = (
        Message::read(raw.as_bytes(), &Limits::default()),
        envelope("example.org"),
    );
    let once = async || {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let found = verifier
            .verify(&envelope, raw.as_bytes(), &message, deadline)
            .await;
        assert_eq!(found.signed, expected);
    };
    let round = || {
        let before = time(ClockId::ThreadCPUTime);
        runtime.block_on(async {
            for _ in 0..ROUND {
                once().await;
            }
        });
        time(ClockId::ThreadCPUTime)
            .saturating_sub(before)
            .as_secs_f64()
            * 1e6
            / f64::from(ROUND)
    };
    (0..20).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
