//! Blocked sources dropped by the kernel: the real helper, a real nftables, in a network of their own.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bed::{PATIENCE, Vigil, Wish, text, wait_for};
use rustix::process::Signal;
use testkit::process::{Program, Ready, Service};

const BINARY: &str = env!("CARGO_BIN_EXE_mailvigil");

/// Two machines with a cable between them: the mail server's, where the helper runs, and a stranger's.
struct Network {
    helper: Service,
    stranger: Service,
    server: Vec<Service>,
}

/// Does this machine let us make networks, with a firewall and a cable? Some containers do not, and then there is nothing to try it on.
fn networks_can_be_made() -> bool {
    let script = "/usr/sbin/nft list tables && ip link add one type veth peer name two";
    let tried = Command::new("/usr/bin/unshare")
        .args(["-n", "--", "/bin/sh", "-c", script])
        .output()
        .unwrap();
    if !tried.status.success() {
        println!(
            "skipped: no network of our own can be made here: {}",
            text(&tried.stderr)
        );
    }
    tried.status.success()
}

impl Network {
    fn start(socket: &Path, more: &[&str]) -> Self {
        let socket = socket.to_str().unwrap();
        let words = ["-n", "--", BINARY, "firewall", "--socket", socket];
        let helper = Program::new("/usr/bin/unshare")
            .unwrap()
            .args(words.iter().chain(more))
            .ready_when(Ready::Line("Drops what the service says".into()))
            .start()
            .unwrap();
        let stranger = Program::new("/usr/bin/unshare")
            .unwrap()
            .args(["-n", "--", "/usr/bin/sleep", "600"])
            .start()
            .unwrap();
        let mut network = Self {
            helper,
            stranger,
            server: Vec::new(),
        };
        let there = network.stranger.pid().unwrap().to_string();
        // Its process is there before its network is.
        let ready = wait_for(|| {
            let link = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
            (link(&there)? != link("self")?).then_some(())
        });
        assert!(ready.is_some());
        let on_server = [
            format!("ip link add cable type veth peer name cable netns {there}"),
            "ip addr add 198.51.100.1/24 dev cable".into(),
            "ip -6 addr add 2001:db8:1::1/32 dev cable nodad".into(),
            "ip link set lo up".into(),
            "ip link set cable up".into(),
        ];
        let at_stranger = [
            "ip addr add 198.51.100.7/24 dev cable".to_owned(),
            "ip addr add 198.51.100.8/24 dev cable".into(),
            "ip -6 addr add 2001:db8:2::7/32 dev cable nodad".into(),
            "ip link set cable up".into(),
        ];
        for words in &on_server {
            network.succeeds(&network.helper, words);
        }
        for words in &at_stranger {
            network.succeeds(&network.stranger, words);
        }
        for port in [25, 80] {
            network.server.push(network.listener(port));
        }
        network
    }

    fn within(of: &Service, words: &str) -> Output {
        Command::new("/usr/bin/nsenter")
            .args(["-t", &of.pid().unwrap().to_string(), "-n", "--"])
            .args(words.split(' '))
            .output()
            .unwrap()
    }

    fn succeeds(&self, of: &Service, words: &str) -> String {
        let output = Self::within(of, words);
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Something that takes connections on the mail server's machine.
    fn listener(&self, port: u16) -> Service {
        let code = format!(
            "import socket\ns=socket.create_server(('::',{port}),family=socket.AF_INET6,dualstack_ipv6=True)\nprint('listens',flush=True)\nwhile True: s.accept()[0].close()"
        );
        Program::new("/usr/bin/nsenter")
            .unwrap()
            .args(["-t", &self.helper.pid().unwrap().to_string(), "-n", "--"])
            .args(["/usr/bin/python3", "-c", &code])
            .ready_when(Ready::Line("listens".into()))
            .start()
            .unwrap()
    }

    /// Does a connection of the stranger's from this address come through?
    fn gets_through(&self, from: &str, port: u16) -> bool {
        let to = if from.contains(':') {
            "2001:db8:1::1"
        } else {
            "198.51.100.1"
        };
        let code = format!(
            "import socket;socket.create_connection(('{to}',{port}),timeout=1,source_address=('{from}',0))"
        );
        let output = Command::new("/usr/bin/nsenter")
            .args(["-t", &self.stranger.pid().unwrap().to_string(), "-n", "--"])
            .args(["/usr/bin/python3", "-c", &code])
            .output()
            .unwrap();
        let said = text(&output.stderr);
        // Anything else is a mistake of this test's.
        assert!(
            output.status.success() || said.contains("timed out"),
            "{said}"
        );
        output.status.success()
    }

    fn until(&self, from: &str, through: bool) {
        let done = wait_for(|| (self.gets_through(from, 25) == through).then_some(()));
        assert!(
            done.is_some(),
            "{from} should{} get through",
            if through { "" } else { " not" }
        );
    }
}

fn service(socket: &Path) -> Vigil {
    let more = format!("[watch]\nfirewall = \"{}\"\n", socket.display());
    Vigil::start(&Wish {
        more: &more,
        ..Wish::default()
    })
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("firewall.sock");
    (folder, socket)
}

#[test]
fn what_is_blocked_is_dropped_by_the_kernel_and_let_in_again() {
    if !networks_can_be_made() {
        return;
    }
    let (_folder, socket) = place();
    let mut network = Network::start(&socket, &["--never", "198.51.100.8/32"]);
    let vigil = service(&socket);
    for from in ["198.51.100.7", "198.51.100.8", "2001:db8:2::7"] {
        network.until(from, true);
    }
    let block = |ip: &str| {
        vigil.say(&[
            "decisions",
            "add",
            "--ip",
            ip,
            "--step",
            "block-source",
            "-m",
            "test",
        ]);
    };
    for ip in ["198.51.100.7", "198.51.100.8", "2001:db8:2::7"] {
        block(ip);
    }
    network.until("198.51.100.7", false);
    network.until("2001:db8:2::7", false);
    // Only mail is refused, and never whom the operator says.
    assert!(network.gets_through("198.51.100.7", 80));
    assert!(network.gets_through("198.51.100.8", 25));
    let dropped =
        wait_for(|| (vigil.metric("mailvigil_firewall_sources ") as u32 == 2).then_some(()));
    assert!(dropped.is_some(), "{}", vigil.metrics());
    // Somebody flushed everything: with the next change it is there again.
    network.succeeds(&network.helper, "/usr/sbin/nft flush ruleset");
    assert!(network.gets_through("198.51.100.7", 25));
    block("203.0.113.9");
    network.until("198.51.100.7", false);
    // Elements end by themselves, whoever is gone.
    let rules = network.succeeds(&network.helper, "/usr/sbin/nft list table inet mailvigil");
    assert!(
        rules.contains("timeout") && rules.contains("2001:db8:2::/64"),
        "{rules}"
    );
    // One is let in again.
    let standing = vigil.json(&["decisions", "list", "--json"]);
    let id = standing
        .iter()
        .find(|one| one.to_string().contains("198.51.100.7"))
        .and_then(|one| one["decision"]["id"].as_str())
        .unwrap_or_else(|| panic!("{standing:?}"));
    vigil.say(&["decisions", "remove", id, "-m", "test"]);
    network.until("198.51.100.7", true);
    assert!(!network.gets_through("2001:db8:2::7", 25));
    // The kill switch lets everybody in.
    let file = vigil.service.folder().join("watch.toml");
    std::fs::write(&file, "enforce = false\n").unwrap();
    vigil.say(&["watch", "apply", file.to_str().unwrap(), "-m", "test"]);
    network.until("2001:db8:2::7", true);
    std::fs::write(&file, "enforce = true\n").unwrap();
    vigil.say(&["watch", "apply", file.to_str().unwrap(), "-m", "test"]);
    network.until("2001:db8:2::7", false);
    // Without the helper mail goes on, and nothing of it is left.
    let server = network.server.first().unwrap().pid().unwrap();
    network.helper.signal(Signal::TERM).unwrap();
    assert!(
        network.helper.wait_for_end(PATIENCE).unwrap().success(),
        "{}",
        network.helper.log()
    );
    let left = Command::new("/usr/bin/nsenter")
        .args([
            "-t",
            &server.to_string(),
            "-n",
            "--",
            "/usr/sbin/nft",
            "list",
            "tables",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&left.stdout), "");
    assert!(network.gets_through("2001:db8:2::7", 25));
    assert!(!socket.exists());
}

#[test]
fn the_helper_hears_its_own_user_only_and_refuses_what_is_no_source() {
    if !networks_can_be_made() {
        return;
    }
    let (folder, socket) = place();
    let network = Network::start(&socket, &["--uid", "4711"]);
    // The folder of a test is its owner's alone.
    std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
    let say = |uid: &str, what: &str| {
        let code = format!(
            "import socket\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect('{}')\ns.sendall(b'{what}')\nprint(s.recv(1000).decode(),end='')",
            socket.display()
        );
        let output = Command::new("/usr/bin/setpriv")
            .args([
                "--reuid",
                uid,
                "--clear-groups",
                "--inh-caps=-all",
                "/usr/bin/python3",
                "-c",
                &code,
            ])
            .output()
            .unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let good = "drop 1\\n198.51.100.7 60\\n";
    let (answer, error) = say("65534", good);
    assert!(
        answer.starts_with("refused programs of this user"),
        "{answer}{error}"
    );
    assert!(network.gets_through("198.51.100.7", 25));
    // However many of them there are, whoever may speak is heard.
    let silent = format!(
        "import socket,time\nall=[socket.socket(socket.AF_UNIX) for _ in range(40)]\n[s.connect('{}') for s in all]\nprint('there',flush=True)\ntime.sleep(60)",
        socket.display()
    );
    let crowd = Program::new("/usr/bin/setpriv")
        .unwrap()
        .args(["--reuid", "65534", "--clear-groups", "--inh-caps=-all"])
        .args(["/usr/bin/python3", "-c", &silent])
        .ready_when(Ready::Line("there".into()))
        .start()
        .unwrap();
    assert_eq!(say("0", good).0, "done 1\n");
    drop(crowd);
    assert!(!network.gets_through("198.51.100.7", 25));
    for (bad, why) in [
        ("flush ruleset\\n", "refused a request begins with"),
        (
            "drop 1\\n127.0.0.1 60\\n",
            "refused this address is never dropped",
        ),
        (
            "drop 1\\n198.51.100.8 60 } ; flush ruleset\\n",
            "refused a source ends with seconds",
        ),
        ("drop 99999999\\n", "refused more sources"),
    ] {
        let (answer, error) = say("0", bad);
        assert!(answer.starts_with(why), "{bad}: {answer}{error}");
    }
    // What cannot be read changes nothing, and the next is heard.
    assert!(!network.gets_through("198.51.100.7", 25) && network.gets_through("198.51.100.8", 25));
    assert_eq!(say("0", "drop 0\\n").0, "done 0\n");
    assert!(network.gets_through("198.51.100.7", 25));
}

#[test]
fn without_the_helper_the_service_says_so_and_goes_on() {
    let (_folder, socket) = place();
    let vigil = service(&socket);
    vigil
        .service
        .wait_for_line("the firewall drops nothing new", PATIENCE)
        .unwrap();
    vigil.say(&[
        "decisions",
        "add",
        "--ip",
        "198.51.100.7",
        "--step",
        "block-source",
        "-m",
        "test",
    ]);
    assert_eq!(vigil.metric("mailvigil_firewall_sources ") as u32, 0);
    if !networks_can_be_made() {
        return;
    }
    // A helper that comes late is told all the same.
    let network = Network::start(&socket, &[]);
    network.until("198.51.100.7", false);
    vigil
        .service
        .wait_for_line("helper answers again", PATIENCE)
        .unwrap();
}
