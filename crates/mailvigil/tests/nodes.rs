//! Two nodes with one PostgreSQL and a real Redis between them: an attack over both is one attack, and without the hub each goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bed::{Vigil, Wish, wait_for};
use testkit::free_port;
use testkit::postgres::Postgres;
use testkit::redis::Redis;

const PASSWORD: &str = "a-password-of-the-hub";
const ENFORCE: &str =
    "mode = \"enforce\"\nobserve_days = 0\n[detectors.\"auth.bf.ip\"]\npasswords = 20\n";

/// A node, and where servers tell it what users do.
struct Node {
    vigil: Vigil,
    port: u16,
}

impl Node {
    fn start(name: &str, database: &str, redis: &Redis) -> Self {
        let port = free_port();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), format!("{PASSWORD}\n")).unwrap();
        let more = format!(
            "[store]\ndatabase = {database:?}\n[hub]\nurl = {:?}\npassword_file = \"{}\"\n[watch]\nhttp = [\"127.0.0.1:{port}\"]\ndomain = \"ours.example\"\n",
            redis.url(),
            secret.path().display()
        );
        let vigil = Vigil::start(&Wish {
            node: name,
            more: &more,
            ..Wish::default()
        });
        Self { vigil, port }
    }

    fn ask(&self, command: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST /?command={command} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn guess(&self, ip: &str, number: u32) {
        let body = format!(
            r#"{{"login":"user{}","remote":"{ip}","pwhash":"{number:04x}","success":false,"protocol":"imap"}}"#,
            number % 6
        );
        let answer = self.ask("report", &body);
        assert!(answer.contains("\"ok\""), "{answer}");
    }

    fn lets(&self, ip: &str) -> bool {
        let answer = self.ask(
            "allow",
            &format!(r#"{{"login":"zoe","remote":"{ip}","pwhash":"0329"}}"#),
        );
        assert!(answer.contains("\"status\":"), "{answer}");
        answer.contains("\"status\":0")
    }

    fn hub_is_up(&self, up: bool) {
        let is = || ((self.vigil.metric("mailvigil_hub_up ") > 0.5) == up).then_some(());
        assert!(wait_for(is).is_some(), "{}", self.vigil.service.log());
    }
}

#[test]
fn an_attack_over_two_nodes_is_one_and_each_goes_on_without_the_hub() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.fresh_database().unwrap();
    let mut redis = Redis::start_with(&["--requirepass", PASSWORD]).unwrap();
    let [one, two] = ["one", "two"].map(|name| Node::start(name, &database, &redis));
    let file = one.vigil.service.folder().join("watch.toml");
    std::fs::write(&file, ENFORCE).unwrap();
    one.vigil
        .say(&["watch", "apply", file.to_str().unwrap(), "-m", "test"]);

    // Twelve passwords at each: too few for either, enough together.
    let spread = |ip: &str| {
        for number in 0..24 {
            if number % 2 == 0 { &one } else { &two }.guess(ip, number);
            std::thread::sleep(Duration::from_millis(150));
        }
    };
    spread("203.0.113.7");
    for node in [&one, &two] {
        node.hub_is_up(true);
        let refused = wait_for(|| (!node.lets("203.0.113.7")).then_some(()));
        assert!(refused.is_some(), "{}", node.vigil.service.log());
        assert!(node.lets("203.0.113.9"));
    }

    // The hub goes: both answer as fast as before, and what happens meanwhile is told when it is back.
    redis.stop().unwrap();
    for number in 0..11 {
        one.guess("203.0.113.8", number);
        two.guess("203.0.113.8", 100 + number);
    }
    for node in [&one, &two] {
        let since = Instant::now();
        assert!(!node.lets("203.0.113.7") && node.lets("203.0.113.8"));
        assert!(since.elapsed() < Duration::from_secs(1));
        node.hub_is_up(false);
        let said = node.vigil.service.log();
        assert!(said.contains("other nodes are not"), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
    redis.start_again().unwrap();
    for node in [&one, &two] {
        node.hub_is_up(true);
    }
    let both_know = wait_for(|| {
        let heard = [&one, &two].map(|node| {
            node.vigil
                .metric("mailvigil_hub_total{what=\"tidings-heard\"}") as u32
        });
        (heard.into_iter().min()? >= 23).then_some(())
    });
    assert!(both_know.is_some(), "{}", two.vigil.service.log());
    two.guess("203.0.113.8", 300);
    for node in [&one, &two] {
        let refused = wait_for(|| (!node.lets("203.0.113.8")).then_some(()));
        assert!(refused.is_some(), "{}", node.vigil.service.log());
    }

    // Whoever looks at what is on the server sees nobody's name.
    let held = redis.say(&["-a", PASSWORD, "EVAL", "local all = redis.call('KEYS', '*') local text = '' for _, key in ipairs(all) do for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do text = text .. entry[2][2] end end return {#text, string.find(text, 'user1', 1, true) or 0, string.find(text, '203.0.113', 1, true) or 0}", "0"]).unwrap();
    let held: Vec<u64> = held
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    assert!(held[0] > 1000 && held[1..] == [0, 0], "{held:?}");
}

#[test]
fn a_hub_without_a_shared_store_or_an_address_is_refused_with_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailvigil.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailvigil"))
            .args(["--config", file.to_str().unwrap(), "check-config"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = check("[hub]\nurl = \"valkey://127.0.0.1\"\n");
    assert!(
        said.contains("line 2") && said.contains("postgres://"),
        "{said}"
    );
    let said = check("[store]\ndatabase = \"postgres://h/d\"\n[hub]\nurl = \"http://x\"\n");
    assert!(
        said.contains("line 4") && said.contains("valkey://"),
        "{said}"
    );
    let said = check("[hub]\npassword_file = \"/x\"\n");
    assert!(
        said.contains("hub.url") || said.contains("is missing"),
        "{said}"
    );
}
