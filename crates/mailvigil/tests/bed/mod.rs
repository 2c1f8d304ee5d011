//! The test bed: the real service, a real Postfix beside it, and a sink where delivered mail arrives.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests; each file uses its part"
)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use testkit::free_port;
use testkit::postfix::{Postfix, Setup};
use testkit::process::{Program, Ready, Service};
use testkit::sink::Sink;
use testkit::smtp::{Client, Mail, Peer, Told};

const BINARY: &str = env!("CARGO_BIN_EXE_mailvigil");
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The service with its configuration.
pub struct Vigil {
    pub service: Service,
    pub milter_port: u16,
    pub http_port: u16,
    pub console_port: u16,
}

/// Configuration besides ports and data folder.
pub struct Wish<'w> {
    pub node: &'w str,
    pub more: &'w str,
    pub service: &'w str,
    /// Keys of `[console]`.
    pub console: &'w str,
    /// `[dns]`, `[authentication]` and their kin. Tests ask no DNS server but their own.
    pub senders: &'w str,
    pub submit_port: u16,
    /// Where the data folder is, when not beside the configuration.
    pub data: Option<PathBuf>,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self {
            node: "test",
            more: "",
            service: "",
            console: "",
            senders: "[authentication]\nverify = false\n",
            submit_port: 1,
            data: None,
        }
    }
}

impl Vigil {
    pub fn start(wish: &Wish<'_>) -> Self {
        let (milter_port, http_port, console_port) = (free_port(), free_port(), free_port());
        let program = Program::new(BINARY).unwrap();
        let data = wish
            .data
            .clone()
            .unwrap_or_else(|| program.folder().join("data"));
        let text = format!(
            "[service]\ndata = \"{}\"\nnode = \"{}\"\n{}\n[milter]\nlisten = [\"127.0.0.1:{milter_port}\", \"unix:{}\"]\n[http]\nlisten = \"127.0.0.1:{http_port}\"\n[console]\nlisten = \"127.0.0.1:{console_port}\"\n{}\n[release]\nsubmit_to = \"127.0.0.1:{}\"\n{}{}\n",
            data.display(),
            wish.node,
            wish.service,
            program.folder().join("milter.sock").display(),
            wish.console,
            wish.submit_port,
            wish.senders,
            wish.more,
        );
        let program = program.file("mailvigil.toml", &text).unwrap().args([
            "--config",
            "mailvigil.toml",
            "serve",
        ]);
        let service = program.ready_when(Ready::Port(http_port)).start().unwrap();
        Self {
            service,
            milter_port,
            http_port,
            console_port,
        }
    }

    /// Where the console is.
    pub fn console(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.console_port)
    }

    pub fn milter(&self) -> String {
        format!("inet:127.0.0.1:{}", self.milter_port)
    }

    pub fn unix_milter(&self) -> String {
        format!(
            "unix:{}",
            self.service.folder().join("milter.sock").display()
        )
    }

    /// Has the service take over what of its configuration changed since the start.
    pub fn reload(&mut self) {
        self.service.signal(Signal::HUP).unwrap();
        self.service
            .wait_for_line("the configuration was read again", PATIENCE)
            .unwrap();
    }

    /// Waits until the next message is judged by this version of the policy.
    pub fn judges_by(&self, version: u32) {
        let judges = || self.metric("mailvigil_policy_version ") as u32 == version;
        let taken_over = wait_for(|| judges().then_some(()));
        assert!(taken_over.is_some(), "version {version} is not taken over");
    }

    /// Runs a command of the same program with the same configuration.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command
            .current_dir(self.service.folder())
            .args(["--config", "mailvigil.toml"])
            .args(args);
        command.output().unwrap()
    }

    /// Its standard output; it must succeed.
    pub fn say(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Its standard output as one JSON object a line; nothing found is an empty list.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        let code = output.status.code();
        assert!(
            code == Some(0) || code == Some(4),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until a search finds so many records.
    pub fn records(&self, args: &[&str], count: usize) -> Vec<Value> {
        let mut all = vec!["messages", "--json", "--limit", "5000"];
        all.extend(args);
        let found = wait_for(|| {
            let found = self.json(&all);
            (found.len() >= count).then_some(found)
        });
        found.unwrap_or_else(|| {
            panic!(
                "{count} records for {args:?} expected, {:?} came",
                self.json(&all)
            )
        })
    }

    pub fn held(&self) -> Vec<Value> {
        self.json(&["quarantine", "list", "--json", "--limit", "5000"])
    }

    /// Puts a policy in force; it must be good.
    pub fn apply(&self, policy: &str) -> String {
        let file = self.service.folder().join("policy.toml");
        std::fs::write(&file, policy).unwrap();
        self.say(&["policy", "apply", file.to_str().unwrap(), "-m", "test"])
    }

    pub fn metrics(&self) -> String {
        http_get(self.http_port, "/metrics")
    }

    /// The value of one metric line that starts so.
    pub fn metric(&self, start: &str) -> f64 {
        let metrics = self.metrics();
        let line = metrics.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    }

    /// Resident memory, kilobytes.
    pub fn resident_kb(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.service.pid().unwrap()))
                .unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Service, Postfix and sink together.
pub struct Bed {
    pub vigil: Vigil,
    pub postfix: Postfix,
    pub sink: Sink,
}

impl Bed {
    /// As `connect postfix` would set it up.
    pub fn start(wish: &Wish<'_>) -> Self {
        Self::with(wish, |setup| setup)
    }

    pub fn with(wish: &Wish<'_>, change: impl FnOnce(Setup) -> Setup) -> Self {
        let sink = Sink::start().unwrap();
        // The service must know where released mail goes, and Postfix where the service is.
        let setup = Postfix::named("mx.example.org").delivers_to(sink.port());
        let placeholder = free_port();
        let wish = Wish {
            node: wish.node,
            submit_port: placeholder,
            more: wish.more,
            service: wish.service,
            console: wish.console,
            senders: wish.senders,
            data: wish.data.clone(),
        };
        let vigil = Vigil::start(&wish);
        let setup = setup
            .milters(&vigil.milter())
            .milter_default_action("tempfail");
        let postfix = change(setup).start().unwrap();
        // The commands read the configuration anew, so the port of a Postfix started later can be put in.
        let file = vigil.service.folder().join("mailvigil.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let config = config.replace(
            &format!("submit_to = \"127.0.0.1:{placeholder}\""),
            &format!("submit_to = \"127.0.0.1:{}\"", postfix.port()),
        );
        std::fs::write(&file, config).unwrap();
        Self {
            vigil,
            postfix,
            sink,
        }
    }
}

/// Waits for something, asking often.
pub fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if started.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn http_get(port: u16, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Mail is judged by how far its Date lies from now, so that of a test is dated when the test began.
pub static TODAY: LazyLock<String> = LazyLock::new(|| {
    let date = Command::new("date").args(["-u", "-R"]).output().unwrap();
    text(&date.stdout).trim().to_owned()
});

/// An everyday message.
pub fn ordinary(subject: &str) -> String {
    format!(
        "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: {subject}\r\nDate: {}\r\nMessage-ID: <{}@a.example>\r\n\r\nHello Bob,\r\n\r\n.the file is on the share.\r\nAnn\r\n",
        *TODAY,
        subject.replace(' ', "-")
    )
}

/// The tale of the late engineer: suspicious under the shipped policy.
pub fn tale(subject: &str) -> String {
    format!(
        "From: Barrister <john@tale.example>\r\nTo: bob@b.example\r\nSubject: {subject}\r\nDate: {}\r\nMessage-ID: <{}@tale.example>\r\n\r\n\
         Dear friend, I am the solicitor of a man who died in a plane crash. As there is no next of kin\r\n\
         I ask your assistance; the beneficiary needs a foreign partner. wordonlyinthebody\r\n",
        *TODAY,
        subject.replace(' ', "-")
    )
}

/// The same with everything: dangerous under the shipped policy.
pub fn full_tale(subject: &str) -> String {
    tale(subject).replace("Subject:", "Reply-To: claims@gmail.com\r\nSubject:").replace("wordonlyinthebody", "wordonlyinthebody\r\nThe sum of US$ 18.5 million lies in a dormant account, strictly confidential,\r\nfor the transfer of funds; inheritance; this transaction is 100% risk free, God bless you, barrister.")
}

/// Hands one message to a Postfix, as this machine.
pub fn send(port: u16, peer: &Peer, to: &[&str], data: &str) -> Told {
    let mut client = Client::connect_as(port, peer).unwrap();
    let told = client
        .send(&Mail::new("sender@a.example", to.iter().copied(), data))
        .unwrap();
    client.quit().unwrap();
    told
}

/// A machine elsewhere, with a name.
pub fn stranger() -> Peer {
    Peer::at("192.0.2.10")
        .name("mail.a.example")
        .helo("mail.a.example")
}
