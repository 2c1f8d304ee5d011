//! What users do, beside a real Dovecot and a real Postfix: guessing is slowed and refused, owners get in, a stolen account stops sending,
//! and without us everything goes on.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::time::{Duration, Instant};

use bed::{Bed, Vigil, Wish, ordinary, wait_for};
use serde_json::Value;
use testkit::dovecot::{Dovecot, Setup};
use testkit::free_port;
use testkit::imap::{Answer, Client};
use testkit::nginx::Nginx;
use testkit::smtp::{Client as Smtp, Mail, Peer};

const SECRET: &str = "a-secret-of-the-tests-1234";
const ENFORCE: &str = "mode = \"enforce\"\nobserve_days = 0\n";

struct Office {
    bed: Bed,
    dovecot: Dovecot,
    /// Where servers tell.
    port: u16,
    secret: std::path::PathBuf,
    /// Where Dovecot would write its events to.
    events: std::path::PathBuf,
}

impl Drop for Office {
    fn drop(&mut self) {
        // A file of the temporary folder; who cleans that up takes what is left.
        let _ = std::fs::remove_file(&self.secret);
        let _ = std::fs::remove_file(&self.events);
    }
}

impl Office {
    /// Twenty accounts `user1` … `user20` and `ann`, whose passwords are `pw-NAME`.
    fn open(settings: &str) -> Self {
        Self::open_with(settings, |_| String::new())
    }

    /// The same, with more in `[watch]`, which may depend on where Dovecot is.
    fn open_with(settings: &str, more: impl FnOnce(u16) -> String) -> Self {
        let (port, delegation) = (free_port(), free_port());
        let secret = std::env::temp_dir().join(format!("mailvigil-secret-{port}"));
        std::fs::write(&secret, SECRET).unwrap();
        let events = std::env::temp_dir().join(format!("mailvigil-events-{port}"));
        let mut setup = Setup::default().account("ann", "pw-ann");
        for number in 1..=20 {
            setup = setup.account(&format!("user{number}"), &format!("pw-user{number}"));
        }
        let dovecot = setup.policy(port, SECRET).start().unwrap();
        let more = format!(
            "[site]\nlocal_domains = [\"ours.example\"]\n[watch]\nhttp = [\"127.0.0.1:{port}\"]\ndelegation = [\"127.0.0.1:{delegation}\"]\nevents = [\"unix:{}\"]\nsecret_file = \"{}\"\ndomain = \"ours.example\"\n{}",
            events.display(),
            secret.display(),
            more(dovecot.imap_port())
        );
        let sasl = format!("inet:127.0.0.1:{}", dovecot.sasl_port());
        let delegated = format!("check_policy_service inet:127.0.0.1:{delegation}");
        let wish = Wish {
            more: &more,
            ..Wish::default()
        };
        let bed = Bed::with(&wish, |postfix| {
            postfix
                .set("smtpd_sasl_type", "dovecot")
                .set("smtpd_sasl_path", &sasl)
                .set("smtpd_sasl_auth_enable", "yes")
                .set("smtpd_recipient_restrictions", &delegated)
                .set("smtpd_policy_service_default_action", "DUNNO")
                .set("milter_default_action", "accept")
        });
        let office = Self {
            bed,
            dovecot,
            port,
            secret,
            events,
        };
        if !settings.is_empty() {
            let file = office.vigil().service.folder().join("watch.toml");
            std::fs::write(&file, settings).unwrap();
            let file = file.to_str().unwrap();
            office
                .vigil()
                .say(&["watch", "apply", file, "-m", "the test enforces"]);
        }
        office
    }

    const fn vigil(&self) -> &Vigil {
        &self.bed.vigil
    }

    /// A try to log in by IMAP.
    fn login(&self, ip: &str, program: &str, user: &str, password: &str) -> Answer {
        let mut client = Client::connect_as(self.dovecot.imap_port(), ip, program).unwrap();
        client
            .command(&format!("LOGIN {user} {password}"))
            .unwrap_or_else(|error| panic!("{error}: {}", self.dovecot.log()))
    }

    fn gets_in(&self, ip: &str, program: &str, user: &str) -> bool {
        self.login(ip, program, user, &format!("pw-{user}")).is_ok()
    }

    fn decisions(&self, args: &[&str]) -> Vec<Value> {
        let mut all = vec!["decisions", "list", "--json"];
        all.extend(args);
        self.vigil().json(&all)
    }

    /// Waits until something of this step stands.
    fn stands(&self, step: &str) -> Value {
        let found = wait_for(|| {
            let all = self.decisions(&[]);
            all.into_iter().find(|one| {
                one["decision"]["step"] == step && one["decision"]["simulated"] == false
            })
        });
        found.unwrap_or_else(|| {
            panic!(
                "no {step} stands: {:#?}\n{:#?}",
                self.decisions(&["--all"]),
                self.vigil().json(&["detections", "--json"])
            )
        })
    }
}

#[test]
fn guessing_is_slowed_then_refused_and_undone_without_coming_back() {
    let office = Office::open(ENFORCE);
    assert!(office.gets_in("198.51.100.7", "Thunderbird", "user1"));
    let thief = "203.0.113.66";
    for number in 1..=4 {
        let answer = office.login(thief, "", "user1", &format!("wrong{number}"));
        assert!(!answer.is_ok());
    }
    // The fifth different wrong password about the same account waits.
    let started = Instant::now();
    let slowed = office.login(thief, "", "user1", "wrong5");
    assert!(started.elapsed() >= Duration::from_secs(3), "{slowed:?}");
    // Many over all accounts: the source is refused, also with a right password.
    for number in 2..=20 {
        for guess in 1..=3 {
            office.login(
                thief,
                "",
                &format!("user{number}"),
                &format!("wrong{guess}"),
            );
        }
    }
    let block = office.stands("block-source");
    assert_eq!(block["decision"]["scope"]["source"], thief);
    assert!(
        !block["decision"]["evidence"].as_array().unwrap().is_empty(),
        "{block}"
    );
    assert!(!office.gets_in(thief, "", "user3"));
    assert!(office.gets_in("198.51.100.7", "Thunderbird", "user1"));
    let shown = office.vigil().say(&["ip", "show", thief]);
    assert!(
        shown.contains("login failed") && shown.contains("block-source, stands"),
        "{shown}"
    );
    // Undone: it gets in, and its old counts do not block it again.
    let id = block["decision"]["id"].as_str().unwrap();
    office
        .vigil()
        .say(&["decisions", "remove", id, "-m", "it was our own scanner"]);
    assert!(office.gets_in(thief, "", "user3"));
    office.login(thief, "", "user4", "wrong9");
    std::thread::sleep(Duration::from_millis(600));
    assert!(office.gets_in(thief, "", "user3"));
    assert!(
        office
            .decisions(&["--ip", thief])
            .iter()
            .all(|one| one["decision"]["step"] != "block-source"),
    );
    let acts = office.vigil().say(&["acts"]);
    assert!(acts.contains("watch-undo"), "{acts}");
}

#[test]
fn the_owner_gets_in_all_through_an_attack_from_a_thousand_addresses() {
    let office = Office::open(ENFORCE);
    let (home, program) = ("198.51.100.7", "Thunderbird");
    assert!(office.gets_in(home, program, "ann"));
    // Twenty at a time, and the owner in between.
    for round in 0..50 {
        std::thread::scope(|scope| {
            for one in 0..20 {
                let (office, number) = (&office, round * 20 + one);
                scope.spawn(move || {
                    let ip = format!("203.{}.{}.{}", number % 90, number / 10, number % 250 + 1);
                    let guess = format!("guess{number}");
                    assert!(!office.login(&ip, "", "ann", &guess).is_ok());
                });
            }
            assert!(office.gets_in(home, program, "ann"), "in round {round}");
        });
    }
    let protect = office.stands("protect");
    assert_eq!(protect["decision"]["scope"]["account"], "ann@ours.example");
    // Somebody from elsewhere is not let in now, even with the right password; the owner is.
    assert!(!office.gets_in("203.0.113.99", "", "ann"));
    assert!(office.gets_in(home, program, "ann"));
    let shown = office.vigil().say(&["account", "show", "ann"]);
    assert!(shown.contains("protect, stands"), "{shown}");
    let seen = office
        .vigil()
        .say(&["detections", "--account", "ann", "--json"]);
    assert!(seen.contains("auth.bf.account"), "{seen}");
}

#[test]
fn an_old_password_behind_an_office_blocks_nobody() {
    let office = Office::open(ENFORCE);
    let nat = "198.51.100.200";
    for number in 1..=20 {
        assert!(office.gets_in(nat, "Outlook", &format!("user{number}")));
    }
    for _ in 0..30 {
        let answer = office.login(nat, "Outlook", "user7", "the-old-one");
        assert!(!answer.is_ok());
    }
    for number in 1..=20 {
        let started = Instant::now();
        assert!(
            office.gets_in(nat, "Outlook", &format!("user{number}")),
            "user{number}"
        );
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    let standing = office.decisions(&[]);
    assert!(
        standing.iter().all(|one| one["decision"]["step"] == "note"),
        "{standing:#?}"
    );
}

#[test]
fn a_guessed_password_does_not_become_a_flood_of_spam() {
    let office = Office::open(ENFORCE);
    let mut owner =
        Client::connect_as(office.dovecot.imap_port(), "198.51.100.7", "Thunderbird").unwrap();
    assert!(owner.command("LOGIN user5 pw-user5").unwrap().is_ok());
    for number in 0..60 {
        let message = ordinary(&format!("letter {number}"));
        assert!(owner.append("INBOX", &message).unwrap().is_ok());
    }
    let thief = "203.0.113.77";
    for number in 1..=6 {
        office.login(thief, "", "user5", &format!("wrong{number}"));
    }
    let mut inside = Client::connect_as(office.dovecot.imap_port(), thief, "").unwrap();
    let entered = inside.command("LOGIN user5 pw-user5").unwrap();
    assert!(entered.is_ok(), "a guess that was right: {entered:?}");
    assert!(inside.command("SELECT INBOX").unwrap().is_ok());
    assert!(inside.command("FETCH 1:60 (BODY.PEEK[])").unwrap().is_ok());
    let mut recipients = 0;
    for number in 0..30 {
        let peer = Peer::at(thief);
        let mut client = Smtp::connect_as(office.bed.postfix.port(), &peer).unwrap();
        // NUL user NUL password
        let login = client.command("AUTH PLAIN AHVzZXI1AHB3LXVzZXI1").unwrap();
        if !login.is_positive() {
            break;
        }
        let to: Vec<String> = (0..10)
            .map(|one| format!("stranger{number}-{one}@elsewhere.example"))
            .collect();
        let told = client
            .send(&Mail::new(
                "user5@ours.example",
                to.iter().map(String::as_str),
                ordinary(&format!("cheap pills {number}")),
            ))
            .unwrap();
        if !told.accepted() {
            break;
        }
        recipients += 10;
    }
    let delivered = office.bed.sink.messages();
    let reached: usize = delivered
        .iter()
        .map(|message| message.recipients.len())
        .sum();
    assert!(
        reached < 50,
        "{reached} of {recipients}: {:#?}",
        office.decisions(&[])
    );
    let all = office.decisions(&[]);
    let steps: Vec<&str> = all
        .iter()
        .filter_map(|one| one["decision"]["step"].as_str())
        .collect();
    assert!(
        steps.contains(&"freeze") || steps.contains(&"reset-credential"),
        "{steps:?}"
    );
    // Nobody decided it, and it is told: logins, what was read, mail and decisions on one line of time.
    let shown = office.vigil().say(&["account", "show", "user5"]);
    for told in [
        "logged in",
        "read 60 messages",
        "auth.hit",
        "freeze, stands",
        "submission: login failed (policy)",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

#[test]
fn by_default_it_is_only_observed_and_a_person_s_word_counts_at_once() {
    let office = Office::open("");
    let thief = "203.0.113.66";
    for number in 1..=20 {
        for guess in 1..=3 {
            office.login(
                thief,
                "",
                &format!("user{number}"),
                &format!("wrong{guess}"),
            );
        }
    }
    let seen = wait_for(|| {
        let all = office.decisions(&[]);
        all.into_iter()
            .find(|one| one["decision"]["step"] == "block-source")
    });
    assert_eq!(seen.unwrap()["decision"]["simulated"], true);
    assert!(office.gets_in(thief, "", "user3"));
    let vigil = office.vigil();
    vigil.say(&[
        "decisions",
        "add",
        "--ip",
        thief,
        "--step",
        "block-source",
        "--for",
        "1h",
        "-m",
        "enough",
    ]);
    assert!(!office.gets_in(thief, "", "user3"));
    // An allow-list ends what stands.
    vigil.say(&["watch", "allow", "203.0.113.0/24", "-m", "our scanner"]);
    assert!(office.gets_in(thief, "", "user3"));
    assert!(vigil.say(&["watch", "allowed"]).contains("203.0.113.0/24"));
    vigil.say(&["watch", "disallow", "203.0.113.0/24", "-m", "it moved"]);
    // Mail of a frozen account is taken and held, with the decision as the reason of its verdict.
    let send = |subject: &str| {
        let peer = Peer::at("198.51.100.7");
        let mut client = Smtp::connect_as(office.bed.postfix.port(), &peer).unwrap();
        // NUL user NUL password
        let login = client.command("AUTH PLAIN AHVzZXI2AHB3LXVzZXI2").unwrap();
        assert!(login.is_positive(), "{login:?}");
        let mail = Mail::new(
            "user6@ours.example",
            ["bob@elsewhere.example"],
            ordinary(subject),
        );
        client.send(&mail).unwrap()
    };
    assert!(send("before").accepted());
    vigil.say(&[
        "decisions",
        "add",
        "--account",
        "user6",
        "--step",
        "freeze",
        "-m",
        "we ask him first",
    ]);
    assert!(send("after").accepted());
    let held = wait_for(|| {
        let held = vigil.held();
        (!held.is_empty()).then_some(held)
    });
    assert_eq!(held.unwrap().len(), 1);
    let story = vigil.say(&["explain", "last"]);
    assert!(
        story.contains("conduct-hold") && story.contains("we ask him first"),
        "{story}"
    );
    let shown = vigil.say(&["account", "show", "user6"]);
    assert!(
        shown.contains("mail, quarantined") && shown.contains("mail, delivered"),
        "{shown}"
    );
    let wrong = vigil.run(&["watch", "disallow", "203.0.113.0/24", "-m", "again"]);
    assert!(!wrong.status.success());
}

#[test]
fn without_us_logins_and_mail_go_on_and_a_restart_remembers() {
    let mut office = Office::open(ENFORCE);
    let vigil = &office.bed.vigil;
    vigil.say(&[
        "decisions",
        "add",
        "--account",
        "user2",
        "--step",
        "disable",
        "-m",
        "left the company",
    ]);
    assert!(!office.gets_in("198.51.100.7", "", "user2"));
    office
        .bed
        .vigil
        .service
        .terminate(Duration::from_secs(20))
        .unwrap();
    assert!(office.gets_in("198.51.100.7", "", "user2"), "fail-open");
    let mut client = Smtp::connect(office.bed.postfix.port()).unwrap();
    client.ehlo("client.ours.example").unwrap();
    let told = client
        .send(&Mail::new(
            "user1@ours.example",
            ["bob@elsewhere.example"],
            ordinary("while it was away"),
        ))
        .unwrap();
    assert!(told.accepted(), "{told}");
    office.bed.vigil.service.start_again().unwrap();
    assert!(!office.gets_in("198.51.100.7", "", "user2"));
    // A crash loses what came in the last fifth of a second, and nothing more.
    for guess in 1..=3 {
        office.login("203.0.113.5", "", "user9", &format!("wrong{guess}"));
    }
    std::thread::sleep(Duration::from_millis(500));
    office.bed.vigil.service.kill_hard().unwrap();
    office.bed.vigil.service.start_again().unwrap();
    let shown = office.vigil().say(&["ip", "show", "203.0.113.5"]);
    assert!(
        shown.contains("login failed (credentials) (3 times)"),
        "{shown}"
    );
    assert!(!office.gets_in("198.51.100.7", "", "user2"));
}

#[test]
fn weakforced_s_clients_and_crowdsec_s_bouncers_are_served() {
    let office = Office::open(ENFORCE);
    let ask = |path: &str, body: &str| curl(office.port, path, Some(SECRET), body);
    assert!(curl(office.port, "/?command=ping", None, "").contains("401"));
    assert!(curl(office.port, "/?command=ping", Some("wrong"), "").contains("401"));
    assert!(ask("/?command=ping", "").contains("\"ok\""));
    assert!(ask("/command/nonsense", "").contains("addBLEntry"));
    assert!(ask("/?command=allow", "{").contains("no JSON"));
    let question = r#"{"login":"user1","remote":"203.0.113.9","pwhash":"0329"}"#;
    assert!(ask("/?command=allow", question).contains("\"status\":0"));
    let empty = ask("/v1/decisions/stream?startup=true", "");
    assert!(empty.contains("\"new\":[]"), "{empty}");
    assert!(
        ask(
            "/?command=addBLEntry",
            r#"{"ip":"203.0.113.9","expire_secs":600,"reason":"by hand"}"#
        )
        .contains("\"ok\"")
    );
    assert!(ask("/command/allow", question).contains("\"status\":-1"));
    assert!(ask("/?command=getBL", "").contains("203.0.113.9"));
    let stream = ask("/v1/decisions/stream", "");
    assert!(
        stream.contains("\"value\":\"203.0.113.9\"") && stream.contains("\"type\":\"ban\""),
        "{stream}"
    );
    // Another bouncer, and one that missed the answer, are told as well.
    assert!(ask("/v1/decisions/stream", "").contains("203.0.113.9"));
    assert!(ask("/v1/decisions?ip=203.0.113.9", "").contains("ban"));
    assert!(ask("/v1/decisions?ip=203.0.113.10", "").ends_with("null"));
    // The kill switch lets everybody in, and behind it what stands is told again.
    let told = |list: &str| {
        let answer = ask("/v1/decisions/stream", "");
        let start = answer.find('{').expect("JSON behind the header");
        let told: serde_json::Value = serde_json::from_str(&answer[start..]).unwrap();
        told[list].to_string()
    };
    let file = office.vigil().service.folder().join("watch.toml");
    let set = |text: &str| {
        std::fs::write(&file, text).unwrap();
        office
            .vigil()
            .say(&["watch", "apply", file.to_str().unwrap(), "-m", "a switch"]);
    };
    set("enforce = false\n");
    assert!(wait_for(|| told("deleted").contains("203.0.113.9").then_some(())).is_some());
    assert_eq!(told("new"), "[]");
    set(ENFORCE);
    assert!(wait_for(|| told("new").contains("203.0.113.9").then_some(())).is_some());
    assert_eq!(told("deleted"), "[]");
    assert!(ask("/?command=reset", r#"{"ip":"203.0.113.9"}"#).contains("\"ok\""));
    assert!(ask("/?command=allow", question).contains("\"status\":0"));
    let stream = ask("/v1/decisions/stream", "");
    let deleted = stream.split("\"deleted\":").nth(1).unwrap();
    assert!(deleted.contains("203.0.113.9"), "{stream}");
    // The JSON intake, and what it says of what cannot be used.
    let told = r#"{"protocol":"http","ip":"192.0.2.7","account":"user1","act":{"login":{"outcome":"succeeded"}}}"#;
    assert!(ask("/operations", told).contains("\"taken\":1"));
    assert!(ask("/operations", "{\"protocol\":\"smoke\"}").contains("line 1"));
    let shown = wait_for(|| {
        let shown = office.vigil().run(&["ip", "show", "192.0.2.7"]);
        shown.status.success().then_some(bed::text(&shown.stdout))
    });
    assert!(shown.unwrap().contains("http: logged in"));
}

/// Dovecot can tell whose password it was: a master user's login is its own, and the owner's under another spelling is none.
#[test]
fn a_master_user_s_login_is_its_own() {
    let office = Office::open("");
    let report = |login: &str, auth_user: &str| {
        let body = format!(
            r#"{{"login":"{login}","auth_user":"{auth_user}","remote":"198.51.100.9","success":true,"policy_reject":false,"protocol":"imap","session_id":"m1"}}"#
        );
        let said = curl(office.port, "/?command=report", Some(SECRET), &body);
        assert!(said.contains("ok"), "{said}");
    };
    report("user1", "user1@ours.example");
    report("user2", "backup");
    let read = r#"{"event":"imap_command_finished","fields":{"user":"user2","session":"m1","cmd_name":"FETCH","cmd_input_args":"1:5 BODY[]","tagged_reply_state":"OK"}}"#;
    curl(office.port, "/events", Some(SECRET), read);
    let shown =
        |account: &str| bed::text(&office.vigil().run(&["account", "show", account]).stdout);
    let known = wait_for(|| shown("user2").contains("read 5 messages").then_some(()));
    assert!(known.is_some(), "{}", office.vigil().service.log());
    assert!(shown("backup").contains("logged in as master user, into user2@ours.example"));
    let own = shown("user1");
    assert!(
        own.contains("imap: logged in") && !own.contains("master"),
        "{own}"
    );
    // What the master user did there comes from where it logged in.
    let opened = shown("user2");
    assert!(
        opened.contains("198.51.100.9") && !opened.contains("logged in"),
        "{opened}"
    );
}

/// The site's own authentication server: knows passwords, and sends who has the right one to Dovecot.
fn site_auth(dovecot_port: u16) -> u16 {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut lines = lines.skip(1);
            let (mut user, mut password) = (String::new(), String::new());
            while let Some(Ok(line)) = lines.next() {
                let Some((name, value)) = line.split_once(": ") else {
                    break;
                };
                match name.to_ascii_lowercase().as_str() {
                    "auth-user" => value.clone_into(&mut user),
                    "auth-pass" => value.clone_into(&mut password),
                    _ => {}
                }
            }
            let says = if password == format!("pw-{user}") {
                format!("Auth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: {dovecot_port}")
            } else {
                "Auth-Status: Invalid login or password".to_owned()
            };
            let answer = write!(
                stream,
                "HTTP/1.1 200 OK\r\n{says}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            answer.unwrap();
        }
    });
    port
}

#[test]
fn through_a_real_nginx_owners_get_in_and_one_password_on_many_accounts_is_seen() {
    // One of their passwords is on the list of stolen ones: SHA-1 of pw-ann, among others.
    let folder = tempfile::tempdir().unwrap();
    let stolen = folder.path().join("stolen.txt");
    let hashes = "000000005AD76BD555C1D6D771DE417A4B87E4B4:4\r\n{ANN}:3\r\nFFFFFFFEE791CBAC0F6305CAF0CEE06BBE131160:2\r\n";
    let ann = "FF47C65DB411E7A434832C6BC0E21455E6A148EF";
    std::fs::write(&stolen, hashes.replace("{ANN}", ann)).unwrap();
    let office = Office::open_with(ENFORCE, |dovecot_port| {
        format!(
            "auth_http_next = \"http://127.0.0.1:{}/auth\"\nbreached = {stolen:?}\n",
            site_auth(dovecot_port)
        )
    });
    let asks = format!("127.0.0.1:{}/auth-http", office.port);
    let nginx = Nginx::start(&asks, SECRET).unwrap();
    let login = |ip: &str, user: &str, password: &str| {
        let line = nginx.login(ip, user, password);
        line.unwrap_or_else(|error| panic!("{error}: {}", nginx.log()))
    };
    let owner = "198.51.100.7";
    let got_in = login(owner, "ann", "pw-ann");
    assert!(got_in.starts_with("a OK"), "{got_in}{}", nginx.log());
    let spray = "203.0.113.66";
    for number in 1..=20 {
        let answer = login(spray, &format!("user{number}"), "Winter2026");
        assert!(!answer.starts_with("a OK"), "{answer}");
    }
    let block = office.stands("block-source");
    assert_eq!(block["decision"]["scope"]["source"], spray);
    let told = office.vigil().json(&["detections", "--json"]);
    assert!(
        told.iter()
            .any(|one| one.to_string().contains("auth.spray")),
        "{told:#?}"
    );
    let breached = |name: &str| {
        told.iter().any(|one| {
            let text = one.to_string();
            text.contains("auth.breached") && text.contains(name)
        })
    };
    assert!(breached("ann@ours.example"), "{told:#?}");
    // Refused with a right password, too; whoever comes from elsewhere gets in.
    let refused = login(spray, "user3", "pw-user3");
    assert!(!refused.starts_with("a OK"), "{refused}");
    assert!(login(owner, "user3", "pw-user3").starts_with("a OK"));
    let shown = office.vigil().say(&["ip", "show", spray]);
    assert!(!shown.contains("Winter2026"), "{shown}");
}

#[test]
fn events_come_over_a_socket_line_by_line_and_a_broken_one_harms_no_other() {
    use std::io::Write as _;
    let office = Office::open("");
    let mut dovecot = std::os::unix::net::UnixStream::connect(&office.events).unwrap();
    let event = |name: &str, cmd: &str| {
        format!(
            r#"{{"event":"imap_command_finished","fields":{{"user":"{name}","session":"s1","cmd_name":"{cmd}","cmd_input_args":"1:5 BODY[]","tagged_reply_state":"OK","remote_ip":"198.51.100.9"}}}}"#
        )
    };
    let long = "x".repeat(2 << 20);
    let lines = [
        event("ann", "SELECT"),
        "{no json".to_owned(),
        long,
        event("user1", "FETCH"),
    ];
    for line in lines {
        // In two pieces, as a busy machine may hand them over.
        let (one, two) = line.split_at(line.len() / 2);
        dovecot.write_all(one.as_bytes()).unwrap();
        dovecot.write_all(two.as_bytes()).unwrap();
        dovecot.write_all(b"\n").unwrap();
    }
    let shown = wait_for(|| {
        let shown = office
            .vigil()
            .run(&["account", "show", "user1@ours.example"]);
        let shown = bed::text(&shown.stdout);
        shown.contains("198.51.100.9").then_some(shown)
    });
    assert!(shown.is_some(), "{}", office.vigil().service.log());
    let log = office.vigil().service.log();
    assert_eq!(log.matches("was passed over").count(), 1, "{log}");
}

#[test]
fn a_made_up_login_proves_that_a_real_dovecot_tells() {
    let office = Office::open("");
    let config = office.dovecot.config_file();
    let config = config.to_str().unwrap();
    let proven = office
        .vigil()
        .say(&["connect", "dovecot", "--canary", "--config-file", config]);
    assert!(proven.contains("are connected"), "{proven}");
    let settings = office.vigil().say(&["connect", "dovecot"]);
    let url = format!("auth_policy_server_url = http://127.0.0.1:{}/", office.port);
    assert!(settings.contains(&url), "{settings}");
    assert!(!settings.contains(SECRET), "{settings}");
}

#[test]
fn a_login_has_a_place_where_files_tell_and_a_file_that_cannot_is_named() {
    use testkit::mmdb::{Value, database};
    let folder = tempfile::tempdir().unwrap();
    let map = |fields: Vec<(&str, Value)>| {
        Value::Map(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    };
    let country = map(vec![("iso_code", Value::Text("DE".into()))]);
    let countries = database(
        "GeoLite2-Country",
        &[("198.51.100.0/24", map(vec![("country", country)]))],
    );
    let provider = map(vec![("autonomous_system_number", Value::Number(64_500))]);
    let providers = database("GeoLite2-ASN", &[("198.51.100.0/24", provider)]);
    let file = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.display().to_string()
    };
    let (countries, providers) = (
        file("country.mmdb", &countries),
        file("asn.mmdb", &providers),
    );
    let port = free_port();
    let more =
        |places: &str| format!("[watch]\nhttp = [\"127.0.0.1:{port}\"]\nplaces = {places}\n");
    let vigil = Vigil::start(&Wish {
        more: &more(&format!("[{countries:?}, {providers:?}]")),
        ..Wish::default()
    });
    let told = r#"{"protocol":"imap","ip":"198.51.100.7","account":"ann@ours.example","act":{"login":{"outcome":"succeeded"}}}"#;
    assert!(curl(port, "/operations", None, told).contains("\"taken\":1"));
    let shown = wait_for(|| {
        let shown = bed::text(&vigil.run(&["account", "show", "ann@ours.example"]).stdout);
        shown.contains("198.51.100.7").then_some(shown)
    });
    let shown = shown.unwrap();
    assert!(shown.contains("198.51.100.7 (DE, AS64500)"), "{shown}");
    drop(vigil);

    let broken = file("broken.mmdb", b"no database");
    let config = file("c.toml", more(&format!("[{broken:?}]")).as_bytes());
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_mailvigil"));
    let refused = serve
        .current_dir(folder.path())
        .args(["--config", &config, "serve"])
        .output();
    let refused = bed::text(&refused.unwrap().stderr);
    assert!(
        refused.contains("watch.places") && refused.contains("is no MMDB file"),
        "{refused}"
    );
}

fn curl(port: u16, path: &str, secret: Option<&str>, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let key = secret.map_or_else(String::new, |secret| format!("X-API-Key: {secret}\r\n"));
    let method = if path.starts_with("/v1/") {
        "GET"
    } else {
        "POST"
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: the tests\r\n{key}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
