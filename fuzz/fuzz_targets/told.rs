//! Any bytes as what a server tells about its users, by every door, and as settings of the watch: no panic, nothing past the limits, policy
//! requests that are the same however the bytes are cut, and answers that hold nothing of a stranger's line ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::operation::{CommandKinds, DeviceTag};
use mail::{Limits, Secret};
use wire::auth_policy::{Entry, Nonce, Told};
use wire::delegation::{Answer, Delegation, Request};
use wire::{auth_http, events, firewall, intake, server_log};

// The first byte says how large the pieces are; the rest is the server's.
fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else {
        return;
    };
    let limits = Limits {
        told_bytes_max: 512,
        session_bytes_max: 16,
        address_bytes_max: 64,
        ..Limits::default()
    };
    let nonce = Nonce::new(Secret::new("nonce".to_owned()));
    for reported in [false, true] {
        if let Ok(told) = Told::read(bytes, reported, Some(&nonce), &limits) {
            assert!(told.login.len() <= 64 && told.outcome.is_some() == reported);
            assert!(told.session.is_none_or(|session| session.len() <= 16));
        }
    }
    let _ = Entry::read(bytes, &limits);
    let _ = events::read(bytes, &CommandKinds::default(), &limits);
    let _ = intake::read(bytes, &limits);
    let text = String::from_utf8_lossy(bytes);
    let _ = watch::Settings::parse(&text);
    let _ = DeviceTag::of(&text);
    for line in text.lines() {
        let _ = server_log::read(line);
        let _ = firewall::read_head(line);
        if let Ok(source) = firewall::read_source(line) {
            assert!(
                !source.ip.is_loopback() && source.secs > 0 && source.secs <= firewall::SECS_MAX
            );
        }
        let outcome = firewall::read_answer(line);
        assert_eq!(firewall::answer(&outcome).lines().count(), 1);
    }
    let fields: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .collect();
    let _ = auth_http::Question::read(|name| {
        let field = fields.iter().find(|(known, _)| *known == name);
        field.map(|(_, value)| (*value).to_owned())
    });
    let answer = Answer::Later(text.to_string()).bytes();
    assert_eq!(answer.iter().filter(|byte| **byte == b'\n').count(), 2);
    if bytes.len() <= limits.told_bytes_max {
        let whole = requests(bytes, bytes.len().max(1), &limits);
        assert_eq!(whole, requests(bytes, usize::from(piece) + 1, &limits));
    }
});

fn requests(bytes: &[u8], piece: usize, limits: &Limits) -> Vec<Request> {
    let mut machine = Delegation::new(limits);
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        machine.feed(piece);
        while let Some(request) = machine.next_request() {
            all.push(request);
        }
    }
    all
}
