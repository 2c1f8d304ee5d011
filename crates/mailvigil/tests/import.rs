//! SpamAssassin's rules taken into the policy while the service runs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use bed::{PATIENCE, Vigil, Wish, text};
use testkit::free_port;

const RULES: &str = r"
# What somebody wrote over the years.
header   LOCAL_WIRE   Subject =~ /wire\s+transfer/i
describe LOCAL_WIRE   Talks of a wire transfer
score    LOCAL_WIRE   2.5 1 1 1
body     __LOCAL_NOW  /right (?!away)now/
meta     LOCAL_HURRY  LOCAL_WIRE && __LOCAL_NOW
describe LOCAL_HURRY  Wants a wire transfer at once
score    LOCAL_HURRY  4.0
header   LOCAL_LISTED eval:check_rbl('x', 'list.example.')
body     LOCAL_BROKEN /(/
add_header all Report yes
required_score 10
";

const MAIL: &str = "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: Wire transfer\r\nMessage-ID: <1@a.example>\r\n\r\nPlease do it right now.\r\n";

/// Names of what was found in the mail, as `spamc -y` asks for them.
fn symbols(port: u16) -> String {
    let mut door = TcpStream::connect(("127.0.0.1", port)).unwrap();
    door.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        door,
        "SYMBOLS SPAMC/1.5\r\nContent-length: {}\r\n\r\n{MAIL}",
        MAIL.len()
    )
    .unwrap();
    door.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    door.read_to_end(&mut answer).unwrap();
    text(&answer)
}

#[test]
fn rules_are_imported_judged_by_explained_and_taken_back() {
    let port = free_port();
    let vigil = Vigil::start(&Wish {
        more: &format!("[scan]\nlisten = \"127.0.0.1:{port}\"\n"),
        ..Wish::default()
    });
    let folder = vigil.service.folder().join("rules");
    std::fs::create_dir(&folder).unwrap();
    let import = |more: &[&str]| {
        let command = ["policy", "import", "spamassassin", "rules"];
        vigil.run(&[&command, more].concat())
    };
    // A folder without rules is no rules, and no folder neither.
    for from in ["rules", "no-such-folder"] {
        let refused = vigil.run(&["policy", "import", "spamassassin", from]);
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(from));
    }
    std::fs::write(folder.join("10_local.cf"), RULES).unwrap();

    // Only looked at: everything that was left out has its place.
    let report = import(&["--details"]);
    let said = text(&report.stdout);
    assert!(report.status.success(), "{}", text(&report.stderr));
    for part in [
        "3 rules taken from 1 files: 2 with points, 1 parts of others; 1 have a pattern that goes back",
        "10_local.cf:10: LOCAL_LISTED asks servers elsewhere",
        "10_local.cf:11: LOCAL_BROKEN its pattern is refused: ",
        "10_local.cf:12: add_header has no meaning here",
        "Nothing was changed",
    ] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    assert!(!symbols(port).contains("LOCAL_"), "nothing is in force yet");

    // As a file, which reads again; in force, and the next message is judged by it.
    let written = import(&["--out", "with-rules.toml"]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    vigil.say(&["policy", "test", "--policy", "with-rules.toml"]);
    let applied = import(&["--apply", "-m", "rules of old"]);
    let said = text(&applied.stdout);
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    assert!(said.contains("the next message is judged by it"), "{said}");
    let found = symbols(port);
    assert!(
        found.contains("LOCAL_WIRE") && found.contains("LOCAL_HURRY"),
        "{found}"
    );
    assert!(!found.contains("__LOCAL_NOW"), "{found}");

    // 10 points of theirs are where suspicious begins, so one of them is worth half of ours.
    vigil.records(&[], 2);
    let why = vigil.say(&["explain", "last"]);
    for part in [
        "LOCAL_HURRY",
        "Wants a wire transfer at once",
        "+2.0",
        "+1.2",
        "__LOCAL_NOW",
    ] {
        assert!(why.contains(part), "{part:?} is missing in\n{why}");
    }

    // It is a policy like any other: exported to what was written, shown, gone back behind.
    let exported = vigil.say(&["policy", "export"]);
    let file = std::fs::read_to_string(vigil.service.folder().join("with-rules.toml")).unwrap();
    assert_eq!(exported, file);
    assert!(
        vigil
            .say(&["policy", "show"])
            .contains("SpamAssassin's rules: 2")
    );
    assert!(vigil.say(&["policy", "history"]).contains("rules of old"));
    let again = import(&["--out", "-"]);
    assert_eq!(
        text(&again.stdout),
        exported,
        "importing twice changes nothing"
    );
    vigil.apply(&vigil.say(&["policy", "export", "--shipped"]));
    assert!(!symbols(port).contains("LOCAL_"));
}
