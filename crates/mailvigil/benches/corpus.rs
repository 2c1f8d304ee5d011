//! How fast: `cargo bench -p mailvigil --bench corpus -- FOLDER`, FOLDER being any folder of message files.
//!
//! Four measurements, three on the same mail: reading and judging alone (processor time of one thread), through the milter door
//! as fast as it goes (messages per second, and processor time of the whole service with records on disk), and
//! at 200 messages a second (time from the last byte sent to the answer); and how long a change of policy takes to hold. Quote processor time and ratios: wall time
//! belongs to the machine. Without a folder it plays a message of its own, and says so.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use judge::Policy;
use mail::{Address, Envelope, Facts, Limits, Message, Secret, Site, Timestamp};
use store::{Act, NewPolicy, Store, StoreConfig};
use testkit::process::{Program, Ready, Service};
use wire::milter::{Answer, Client, Offer, Submission, Visit};

const PACE_PER_SECOND: usize = 200;
const LARGE_PER_SECOND: usize = 50;
const PACED_SECONDS: usize = 10;
const POLICY_CHANGES: usize = 50;

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with("--"))
        .map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("MAILVIGIL_CORPUS").map(PathBuf::from));
    let messages = folder.as_deref().map_or_else(own, read);
    let bytes: usize = messages.iter().map(Vec::len).sum();
    println!(
        "{} messages, {:.1} kB on average",
        messages.len(),
        bytes as f64 / 1000.0 / messages.len() as f64
    );
    alone(&messages);
    through_the_door(&messages);
}

fn own() -> Vec<Vec<u8>> {
    println!("no folder of mail was named; one message of 5 kB is played a thousand times");
    let text = "Hello Bob,\r\n\r\nthe minutes of the meeting are on the share, and the invoice for the room is paid.\r\n".repeat(50);
    let message = format!(
        "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: minutes\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n\r\n{text}"
    );
    vec![message.into_bytes(); 1000]
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_none_or(|ending| ending != "tsv") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "the folder holds no file");
    // Wanted and unwanted mail mixed as in life, the same way each time.
    files.sort_by_cached_key(|path| {
        let mut hash = DefaultHasher::new();
        path.file_name().hash(&mut hash);
        hash.finish()
    });
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn alone(messages: &[Vec<u8>]) {
    let limits = Limits::default();
    let policy = Policy::parse(judge::DEFAULT_POLICY, &limits)
        .unwrap_or_else(|_| panic!("the shipped policy is good"));
    let (mut reading, mut scanning, mut judging) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for raw in messages {
        let start = thread_time();
        let message = Message::read(raw, &limits);
        let read = thread_time();
        let hits = policy.scan(&message);
        let scanned = thread_time();
        let mut envelope = Envelope::new(Timestamp::from_secs(1_795_000_000), "bench");
        envelope.recipients = Address::new("bob@b.example").into_iter().collect();
        let facts = Facts {
            hits,
            ..Facts::new(envelope, message)
        };
        let verdict = judge::judge(&facts, &Site::default(), &policy, 1);
        assert!(!verdict.reasons.is_empty());
        let judged = thread_time();
        reading += read.saturating_sub(start);
        scanning += scanned.saturating_sub(read);
        judging += judged.saturating_sub(scanned);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages.len() as f64;
    println!(
        "alone, processor time per message: read {:.0} us, scan {:.0} us, judge {:.0} us, together {:.0} us",
        each(reading),
        each(scanning),
        each(judging),
        each(reading + scanning + judging)
    );
}

fn through_the_door(messages: &[Vec<u8>]) {
    let (milter, http) = (testkit::free_port(), testkit::free_port());
    let text = format!(
        "[service]\ndata = \"data\"\n[milter]\nlisten = \"127.0.0.1:{milter}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[console]\nlisten = \"off\"\n[authentication]\nverify = false\n[log]\nlevel = \"error\"\n"
    );
    let program = Program::new(env!("CARGO_BIN_EXE_mailvigil"))
        .unwrap()
        .file("bench.toml", &text)
        .unwrap();
    let service = program
        .args(["--config", "bench.toml", "serve"])
        .ready_when(Ready::Port(http))
        .start()
        .unwrap();
    println!("resident after the start: {:.1} MB", resident(&service));

    let before = service_time(&service);
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let next = &next;
            scope.spawn(move || {
                let mut door = Door::open(milter, lane);
                while let Some(raw) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    door.play(raw);
                }
            });
        }
    });
    let took = started.elapsed();
    // What is written after the answers belongs to the messages as well.
    std::thread::sleep(Duration::from_secs(1));
    let each = (service_time(&service) - before) * 1e6 / messages.len() as f64;
    println!(
        "through the door, 4 connections: {:.0} messages/s, {each:.0} us of the service's processor time per message (with socket, records, SQLite)",
        messages.len() as f64 / took.as_secs_f64()
    );

    let played = paced(milter, messages, PACE_PER_SECOND);
    let some = |wanted: &dyn Fn(&Played) -> bool| -> Vec<Duration> {
        let some = played.iter().filter(|one| wanted(one));
        some.map(|one| one.answer).collect()
    };
    println!("at {PACE_PER_SECOND} messages/s, from the last byte to the answer:");
    show("all", some(&|_| true));
    show("delivered", some(&|one| !one.kept));
    show(
        "held or deleted, durable before the answer",
        some(&|one| one.kept),
    );
    println!(
        "resident after {} messages: {:.1} MB",
        messages.len() + played.len(),
        resident(&service)
    );

    let large = [large()];
    let played = paced(milter, &large, LARGE_PER_SECOND);
    println!("100 kB at {LARGE_PER_SECOND} messages/s, what is added to each delivery:");
    show(
        "from the first byte to the answer",
        played.iter().map(|one| one.whole).collect(),
    );

    let folder = service.folder().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("a change of policy by another process:");
    show(
        "from its writing to its being in force",
        runtime.block_on(policy_changes(&folder, http)),
    );
}

/// Puts versions of the policy into the service's store, as `policy apply` does, and asks the service by which it judges.
async fn policy_changes(folder: &Path, http: u16) -> Vec<Duration> {
    let config = StoreConfig {
        database: Secret::new(format!("sqlite:{}/mailvigil.db", folder.display())),
        bodies: folder.join("quarantine"),
        audit_head: folder.join("audit-head"),
        quarantine_bytes_max: 1 << 30,
        facts_bytes_max: 64 << 10,
    };
    let store = Store::open(&config).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..POLICY_CHANGES {
        let at = engine::clock::now();
        let new = NewPolicy {
            text: judge::DEFAULT_POLICY.to_owned(),
            author: "bench".to_owned(),
            reason: String::new(),
            at,
            base: None,
        };
        let act = Act {
            at,
            who: "bench".to_owned(),
            from: String::new(),
            act: "policy".to_owned(),
            target: String::new(),
            reason: String::new(),
            before: String::new(),
            after: String::new(),
        };
        let started = Instant::now();
        let version = store.add_policy(&new, &act).await.unwrap();
        while judges_by(http) != version {}
        took.push(started.elapsed());
    }
    took
}

/// The policy version that the service judges by.
fn judges_by(http: u16) -> i64 {
    let mut stream = TcpStream::connect(("127.0.0.1", http)).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mailvigil_policy_version "));
    line.unwrap().trim().parse().unwrap()
}

/// Plays for [`PACED_SECONDS`] at an even pace over eight connections.
fn paced(milter: u16, messages: &[Vec<u8>], per_second: usize) -> Vec<Played> {
    let all = Mutex::new(Vec::new());
    let begin = Instant::now();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for lane in 0..8 {
            let (next, all) = (&next, &all);
            scope.spawn(move || {
                let mut door = Door::open(milter, lane);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= per_second * PACED_SECONDS {
                        return;
                    }
                    let due = begin + Duration::from_secs_f64(number as f64 / per_second as f64);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let played = door.play(&messages[number % messages.len()]);
                    all.lock().unwrap().push(played);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// A letter of 100 kB, all of it text.
fn large() -> Vec<u8> {
    let words =
        "the minutes of the meeting are on the share, and the room is paid; see you on friday";
    let mut text = String::from(
        "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: minutes\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n\r\n",
    );
    while text.len() < 100_000 {
        text.push_str(&format!("{} {words}\r\n", text.len()));
    }
    text.into_bytes()
}

/// How one message went.
struct Played {
    /// From its first byte to the answer.
    whole: Duration,
    /// From its last byte to the answer.
    answer: Duration,
    /// Does the service keep it from its recipients?
    kept: bool,
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let last = times.len().saturating_sub(1) as f64;
        let time = times.get((last * share) as usize).copied();
        time.unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!(
        "    {what} ({}): p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, worst {:.2} ms",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

/// One milter connection, as Postfix holds it.
struct Door {
    stream: TcpStream,
    client: Client,
    lane: usize,
    number: usize,
}

impl Door {
    fn open(port: u16, lane: usize) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let visit = Visit::stranger(
            "mx.example.org",
            &format!("192.0.2.{}", lane + 1),
            "mail.a.example",
        );
        Self {
            stream,
            client: Client::new(Offer::POSTFIX, visit, &Limits::default()),
            lane,
            number: 0,
        }
    }

    /// Plays one message.
    fn play(&mut self, raw: &[u8]) -> Played {
        self.number += 1;
        // Each from another machine, or the shipped policy's bombs would answer instead.
        let (high, low) = (self.number / 250 % 250, self.number % 250);
        self.client.next_visit(Visit::stranger(
            "mx.example.org",
            &format!("10.{}.{high}.{low}", self.lane),
            "mail.a.example",
        ));
        let submission = Submission {
            queue_id: format!("4{:03X}{:08X}", self.lane, self.number),
            envelope_from: Address::new(&format!("s{}@a{}.example", self.number, self.lane)),
            mail_args: Vec::new(),
            recipients: Address::new(&format!("r{}.{}@b.example", self.lane, self.number))
                .into_iter()
                .collect(),
            raw: raw.to_vec(),
        };
        let mut reply = self.client.submit(submission).unwrap();
        let mut buffer = [0; 16 << 10];
        let begin = Instant::now();
        let mut written = begin;
        while reply.is_none() {
            let output = self.client.take_output();
            if !output.is_empty() {
                self.stream.write_all(&output).unwrap();
                written = Instant::now();
            }
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the service closed the connection");
            reply = self.client.feed(&buffer[..read]).unwrap();
        }
        Played {
            whole: begin.elapsed(),
            answer: written.elapsed(),
            kept: reply.is_some_and(|reply| reply.answer == Answer::Discard),
        }
    }
}

/// Processor time of the service so far, seconds (100 clock ticks a second on Linux).
fn service_time(service: &Service) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", service.pid().unwrap())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Resident memory, MB.
fn resident(service: &Service) -> f64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", service.pid().unwrap())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}
