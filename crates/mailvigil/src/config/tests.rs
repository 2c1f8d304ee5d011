use std::path::Path;

use super::{Config, JournalConfig, Listen, Source};

fn problems(text: &str) -> Vec<String> {
    let problems = Config::parse(text, None).expect_err(text);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_written_is_a_configuration_that_works() {
    let config = Config::parse("", None).expect("the defaults");
    assert_eq!(config.data, Path::new("mailvigil-data"));
    assert_eq!(
        config.database.reveal(),
        "sqlite:mailvigil-data/mailvigil.db"
    );
    assert_eq!(config.quarantine, Path::new("mailvigil-data/quarantine"));
    assert_eq!(config.doors.milter[0].to_string(), "127.0.0.1:7725");
    assert!(
        config
            .doors
            .milter_allow
            .iter()
            .all(|net| net.addr().is_loopback())
    );
    assert!(config.http_listen.is_some_and(|at| at.ip().is_loopback()));
    assert_eq!(config.limits, mail::Limits::default());
}

#[test]
fn every_key_is_read() {
    let text = r#"
        [service]
        data = "/var/lib/mailvigil"
        node = "mx1"
        on_failure = "accept"
        drain_secs = 5
        [milter]
        listen = ["inet:127.0.0.1:7725", "unix:/run/mailvigil/milter.sock"]
        allow = ["10.0.0.0/8", "192.0.2.1"]
        [http]
        listen = "off"
        [store]
        database = "postgres://mv:hunter2@db/mv"
        quarantine = "/srv/held"
        [site]
        local_domains = ["example.org"]
        trusted_networks = ["192.168.0.0/16"]
        relay_domains = ["backup.example"]
        [release]
        submit_to = "mx:25"
        [release.servers]
        "mx2.example.org" = "10.0.0.2:25"
        [[mail_logs]]
        path = "/var/log/mail.log"
        ignore = ["127.0.0.0/8"]
        [readers]
        ocr = ["/usr/bin/tesseract", "-", "-"]
        [log]
        format = "json"
        level = "debug"
        [limits]
        message_bytes_max = 1000000
    "#;
    let config = Config::parse(text, None).expect("good");
    assert_eq!(
        config.doors.milter[1],
        Listen::Unix("/run/mailvigil/milter.sock".into())
    );
    assert_eq!(config.doors.milter_allow.len(), 2);
    assert_eq!((config.http_listen, config.log_json), (None, true));
    assert_eq!(config.quarantine, Path::new("/srv/held"));
    assert_eq!(
        config.submit_servers,
        [("mx2.example.org".into(), "10.0.0.2:25".into())]
    );
    let file = Source::File("/var/log/mail.log".into());
    assert_eq!(config.mail_logs[0].source, file);
    let text = "[[mail_logs]]\njournal = \"system\"\nunits = [\"postfix@-.service\"]\n";
    let logs = Config::parse(text, None).expect("it is good").mail_logs;
    let journal = Source::Journal(JournalConfig {
        folder: None,
        units: vec!["postfix@-.service".into()],
    });
    assert_eq!(logs[0].source, journal);
    assert_eq!(
        (config.drain.as_secs(), config.limits.message_bytes_max),
        (5, 1_000_000)
    );
    assert_eq!(config.site.relay_domains.len(), 1);
    let ocr = config.ocr.as_ref().expect("a program");
    assert_eq!(ocr.program, Path::new("/usr/bin/tesseract"));
    assert_eq!(ocr.arguments, ["-", "-"]);
    assert!(
        !format!("{config:?}").contains("hunter2"),
        "a password is not for the log"
    );
    let elsewhere = Config::parse("", Some(Path::new("/tmp/there"))).expect("good");
    assert_eq!(
        elsewhere.database.reveal(),
        "sqlite:/tmp/there/mailvigil.db"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_would_be_right() {
    for (text, told) in [
        (
            "[service]\non_failure = \"panic\"",
            "line 2, column 14: service.on_failure: is neither accept nor tempfail (\"tempfail\" or \"accept\")",
        ),
        (
            "[servce]\n",
            "line 1, column 2: servce: is not a key (did you mean service?)",
        ),
        ("[service]\nnode = \"a b\"", "service.node: is no name"),
        (
            "[service]\ndrain_secs = 5000",
            "service.drain_secs: is not in range (a whole number from 0 to 600)",
        ),
        (
            "[service]\ndrain_secs = \"x\"",
            "service.drain_secs: is no whole number (a whole number from 0 to 600)",
        ),
        (
            "[milter]\nlisten = \"7725\"",
            "milter.listen: is neither an address with port nor unix:PATH",
        ),
        (
            "[milter]\nlisten = \"0.0.0.0:7725\"",
            "line 2, column 10: milter.listen: listens beyond this machine, where nobody says who asks (\"tls:ADDRESS:PORT\" with [tls], where both sides show a certificate)",
        ),
        ("[milter]\nlisten = []", "milter.listen: is empty"),
        (
            "[milter]\nlisten = \"tls:10.0.0.1:7725\"",
            "milter.listen: needs certificates ([tls] with certificate, key and clients)",
        ),
        (
            "[scan]\nlisten = \"0.0.0.0:783\"\nsecret_file = \"x\"",
            "scan.listen: listens beyond this machine",
        ),
        (
            "[scan]\nhttp = \"0.0.0.0:11333\"",
            "scan.http: listens beyond this machine",
        ),
        (
            "[[proxy]]\nlisten = \"10.0.0.1:10025\"\nnext_hop = \"127.0.0.1:10026\"",
            "proxy[1].listen: listens beyond this machine",
        ),
        (
            "[[proxy]]\nlisten = \"127.0.0.1:10025\"",
            "proxy[1].next_hop",
        ),
        (
            "[[proxy]]\nlisten = \"127.0.0.1:10025\"\nnext_hop = \"127.0.0.1:24\"\nnext_protocol = \"lmtp\"",
            "proxy[1].next_protocol: gives each recipient its own answer, which SMTP cannot pass on",
        ),
        ("[tls]\nkey = \"k\"", "tls.certificate"),
        (
            "[recall]\nfolder = \"Recalled\"",
            "recall.doveadm: names no program",
        ),
        (
            "[recall]\nimap = \"imaps://ann@mail.example.org\"",
            "recall.imap: names more than a server",
        ),
        (
            "[recall]\nimap = \"https://mail.example.org\"",
            "recall.imap: does not begin with imaps:// or imap://",
        ),
        (
            "[recall]\nimap = \"imaps://mail.example.org\"\nuser = \"vigil\"",
            "recall.password_file: is missing",
        ),
        (
            "[recall]\nimap = \"imaps://mail.example.org\"\nserver = \"boss\"",
            "recall.server: does not go with imap",
        ),
        (
            "[recall]\ndoveadm = [\"/usr/bin/doveadm\"]\nfolder = \"a..b\"",
            "recall.folder: is no such name",
        ),
        (
            "[milter]\nallow = [\"10.0.0.0/8\", \"ten\"]",
            "line 2, column 24: milter.allow: is neither a network nor an address",
        ),
        (
            "[http]\nlisten = \"0.0.0.0:80\"",
            "http.listen: is not on loopback",
        ),
        (
            "[store]\ndatabase = \"mysql://x\"",
            "store.database: is no store this program knows",
        ),
        (
            "[site]\nlocal_domains = [\"no domain\"]",
            "site.local_domains",
        ),
        (
            "[release]\nsubmit_to = \"mx\"",
            "release.submit_to: has no port",
        ),
        (
            "[release.servers]\n\"mx2\" = \"10.0.0.2\"",
            "line 2, column 9: release.servers.mx2: has no port (HOST:PORT of the mail server)",
        ),
        (
            "[[mail_logs]]\nignore = []",
            "mail_logs[1].path: is missing",
        ),
        (
            "[[mail_logs]]\njournal = \"here\"",
            "mail_logs[1].journal: is neither system nor",
        ),
        (
            "[[mail_logs]]\npath = \"/a\"\njournal = \"system\"",
            "mail_logs[1].journal: stands beside path",
        ),
        (
            "[[mail_logs]]\npath = \"/a\"\nunits = [\"a.service\"]",
            "mail_logs[1].units: is for a journal",
        ),
        (
            "[[mail_logs]]\njournal = \"system\"\nunits = [\"a=b.service\"]",
            "mail_logs[1].units: is no name of a unit",
        ),
        ("[log]\nlevel = \"=\"", "log.level"),
        (
            "[limits]\nmessage_bytes_max = 5",
            "limits.message_bytes_max: is not in range (a whole number from 1024",
        ),
        (
            "[limits]\nmesage_bytes_max = 5000",
            "did you mean message_bytes_max?",
        ),
        ("[service\n", "line 1"),
    ] {
        let said = problems(text);
        assert!(
            said.iter().any(|one| one.contains(told)),
            "{text}\nexpected: {told}\nsaid: {said:#?}"
        );
    }
}

#[test]
fn all_problems_at_once() {
    let said = problems(
        "[service]\non_failure = 1\n[milter]\nlisten = 1\n[nonsense]\n[limits]\nparts_max = 0\n",
    );
    assert_eq!(said.len(), 4, "{said:#?}");
}

#[test]
fn doors_beyond_this_machine_open_when_they_know_who_asks() {
    let text = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nclients = \"a\"\n[milter]\nlisten = \"tls:10.0.0.1:7725\"\n[scan]\nhttp = \"10.0.0.1:11333\"\nsecret_file = \"s\"\n";
    let doors = Config::parse(text, None).expect("good").doors;
    assert_eq!(doors.milter[0].to_string(), "tls:10.0.0.1:7725");
    assert_eq!(doors.scan.http[0].to_string(), "10.0.0.1:11333");
}

#[test]
fn every_limit_can_be_written() {
    let written = format!("{:?}", mail::Limits::default());
    let names = written
        .trim_start_matches("Limits {")
        .trim_end_matches('}')
        .split(',');
    for name in names
        .filter_map(|field| field.trim().split(':').next())
        .filter(|name| !name.is_empty())
    {
        let said = problems(&format!("[limits]\n{name} = \"x\""));
        assert!(said[0].contains("is no whole number"), "{name}: {said:?}");
    }
}
