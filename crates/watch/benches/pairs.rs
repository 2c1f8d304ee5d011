//! How fast a login is answered and counted when a great many are known: `cargo bench -p mailvigil-watch --bench pairs -- [accounts [sources]]`.
//!
//! Fills the ledger with accounts and sources, then asks (`may_login`) and tells (`apply`) in pairs on one thread, a tenth of them wrong
//! passwords, and says pairs a second by processor time, the time of one, and the bytes held.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use mail::operation::{
    Act, DeviceTag, Door, FailType, Login, LoginOutcome, PasswordTag, Protocol, Source,
};
use mail::{Account, Known, Operation, RecordId, Timestamp};
use watch::{LoginQuestion, Mode, Settings, Watch};

const PAIRS: usize = 400_000;
const BYTES_MAX: usize = 2 << 30;

fn main() {
    let mut numbers = std::env::args().filter_map(|arg| arg.parse::<u64>().ok());
    let accounts = numbers.next().unwrap_or(1_000_000);
    let sources = numbers.next().unwrap_or(4_000_000);
    let mut watch = Watch::new(Settings::in_mode(Mode::Enforce).at_once(), BYTES_MAX, 7);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |most: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % most
    };
    let mut at = Timestamp::from_secs(1_800_000_000);
    let started = Instant::now();
    // Each source twice: what comes once is not admitted when there is little room.
    for number in 0..sources {
        at = Timestamp(at.0 + 20);
        watch.apply(&login(at, number, number % accounts, true));
    }
    println!(
        "{accounts} accounts and {sources} sources told in {:.0} s, {} MiB held of {} MiB",
        started.elapsed().as_secs_f64(),
        watch.bytes() >> 20,
        BYTES_MAX >> 20
    );
    let mut times = Vec::with_capacity(PAIRS);
    // A snapshot is being written all the while: what changes is copied once.
    let taken = Instant::now();
    let snapshot = watch.snapshot();
    let taken = taken.elapsed();
    let started = Instant::now();
    for _ in 0..PAIRS {
        at = Timestamp(at.0 + 50);
        let source = next(sources);
        let operation = login(at, source, source % accounts, next(10) > 0);
        let question = LoginQuestion {
            at,
            ip: operation.source.ip,
            device: operation.source.device,
            account: account(source % accounts),
        };
        let one = Instant::now();
        std::hint::black_box(watch.may_login(&question));
        watch.apply(&operation);
        times.push(one.elapsed());
    }
    let all = started.elapsed().as_secs_f64();
    drop(snapshot);
    times.sort_unstable();
    println!(
        "a snapshot was taken in {:.2} ms, and held all the while",
        taken.as_secs_f64() * 1e3
    );
    println!(
        "{:.0} pairs a second on one thread; of one pair the median {:.1} us, p99 {:.1} us, the longest {:.1} ms; {} MiB held",
        PAIRS as f64 / all,
        times[PAIRS / 2].as_secs_f64() * 1e6,
        times[PAIRS * 99 / 100].as_secs_f64() * 1e6,
        times[PAIRS - 1].as_secs_f64() * 1e3,
        watch.bytes() >> 20
    );
}

fn account(number: u64) -> Account {
    // A name that is not empty is one.
    Account::new(&format!("user{number}@example.org"), 255).expect("a name")
}

fn login(at: Timestamp, source: u64, name: u64, right: bool) -> Operation {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&(at.0 as u64).to_be_bytes());
    Operation {
        id: RecordId::new(at, random),
        at,
        door: Door::AuthPolicy,
        protocol: Protocol::Imap,
        source: Source {
            ip: Some(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + source as u32))),
            device: Some(DeviceTag((name % 40) as u32)),
            place: Known::NotAsked,
        },
        account: Some(account(name)),
        session: None,
        act: Act::Login(Login {
            password: Some(PasswordTag::new(if right { 1 } else { at.0 as u16 })),
            ..Login::new(if right {
                LoginOutcome::Succeeded
            } else {
                LoginOutcome::Failed(FailType::Credentials)
            })
        }),
    }
}
