//! A real Postfix of its own for a test: own settings, queue, log and ports, nothing shared with
//! the machine's.
//!
//! Each instance listens on three loopback ports, all of the same Postfix with the same queue:
//!
//! | port | milters | for |
//! | --- | --- | --- |
//! | [`Postfix::port`] | those of [`Setup::milters`] | mail as it comes from outside |
//! | [`Postfix::plain_port`] | none | the same mail unjudged, to compare with |
//! | [`Postfix::reinjection_port`] | none | mail we hand back, for instance released from quarantine |
//!
//! ```no_run
//! use std::time::Duration;
//! use testkit::{postfix::Postfix, sink::Sink};
//!
//! # fn main() -> anyhow::Result<()> {
//! let sink = Sink::start()?;
//! let postfix = Postfix::named("mx.example.net")
//!     .milters("inet:127.0.0.1:8891")
//!     .milter_default_action("accept")
//!     .delivers_to(sink.port())
//!     .start()?;
//! // … send mail to postfix.port() …
//! postfix.wait_until_empty(Duration::from_secs(10))?;
//! println!("{}", postfix.log());
//! # Ok(())
//! # }
//! ```
//!
//! What differs from Postfix' own defaults, so that tests are quick and see what they look at:
//! any loopback client may say `XCLIENT` and so play any peer; mail for every domain is taken
//! ([`Setup::refuses_relay`] undoes it) and goes to the sink; deferred mail is tried again after a
//! second; no rate, error or connection limit slows a client down; no name is looked up; messages
//! may have 64 MB and lines any length; headers of no client are rewritten, so that `Received` is
//! all that Postfix adds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::guard::Guard;
use crate::place::{folder, free_port, is_root, run, set_mode};
use crate::smtp::Client;

mod settings;

use settings::Owners;

/// What an instance is to be; [`Setup::start`] makes it so.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Lines for `main.cf`, later ones winning over earlier ones.
    settings: Vec<(String, String)>,
}

impl Setup {
    /// The milters asked for mail on [`Postfix::port`]: `inet:127.0.0.1:PORT` or `unix:PATH`,
    /// several separated by spaces.
    #[must_use]
    pub fn milters(self, addresses: &str) -> Self {
        self.set("testkit_milters", addresses)
    }

    /// What Postfix does with mail when a milter fails: `accept`, `reject`, `tempfail` or
    /// `quarantine`; `tempfail` if not said, as in Postfix.
    #[must_use]
    pub fn milter_default_action(self, action: &str) -> Self {
        self.set("milter_default_action", action)
    }

    /// How long Postfix waits for a milter: to connect, for the answer to a command, and for the
    /// answer to the whole message. Whole seconds.
    #[must_use]
    pub fn milter_timeouts(self, connect: Duration, command: Duration, content: Duration) -> Self {
        let seconds = |timeout: Duration| format!("{}s", timeout.as_secs());
        self.set("milter_connect_timeout", &seconds(connect))
            .set("milter_command_timeout", &seconds(command))
            .set("milter_content_timeout", &seconds(content))
    }

    /// Every message taken is delivered to this loopback SMTP port, usually a
    /// [`Sink`](crate::sink::Sink).
    #[must_use]
    pub fn delivers_to(self, port: u16) -> Self {
        let transport = format!("smtp:[127.0.0.1]:{port}");
        self.set("default_transport", &transport)
            .set("relay_transport", &transport)
    }

    /// The domains this server is a mail exchanger for. Only matters with
    /// [`Setup::refuses_relay`].
    #[must_use]
    pub fn relay_domains(self, domains: &str) -> Self {
        self.set("relay_domains", domains)
    }

    /// The networks whose clients may relay; `127.0.0.0/8` if not said.
    #[must_use]
    pub fn mynetworks(self, networks: &str) -> Self {
        self.set("mynetworks", networks)
    }

    /// Refuses relaying as a real server does, instead of taking mail for every domain. Postfix
    /// then refuses before a milter can.
    #[must_use]
    pub fn refuses_relay(self) -> Self {
        self.set(
            "smtpd_relay_restrictions",
            "permit_mynetworks, reject_unauth_destination",
        )
    }

    /// Any setting of `main.cf`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the folders and settings, starts Postfix and returns when it listens.
    pub fn start(self) -> Result<Postfix> {
        ensure!(
            is_root(),
            "Postfix starts only as root: run the tests as root"
        );
        let folder = folder("postfix")?;
        let ports = Ports {
            judged: free_port(),
            plain: free_port(),
            reinjection: free_port(),
        };
        let mut postfix = Postfix {
            folder,
            ports,
            running: None,
        };
        postfix.write_folders()?;
        postfix.write_settings(&self)?;
        postfix.launch()?;
        Ok(postfix)
    }
}

/// A running Postfix; ended and its folder removed on drop.
#[derive(Debug)]
pub struct Postfix {
    folder: TempDir,
    ports: Ports,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    master: Pid,
    guard: Guard,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    judged: u16,
    plain: u16,
    reinjection: u16,
}

/// A message in Postfix' queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// As in the log, for instance `3BXyTq2Z`.
    pub queue_id: String,
    /// Where it stands: `incoming`, `active`, `deferred`, `hold` or `maildrop`.
    pub queue_name: String,
    /// Size in bytes.
    pub message_size: u64,
    /// The envelope sender; empty for bounces.
    pub envelope_from: String,
    /// Recipients not yet delivered to, each with the reason of the last failure, if any.
    pub recipients: Vec<(String, Option<String>)>,
}

impl Postfix {
    /// An instance with this host name (`myhostname`); set what else matters, then
    /// [`Setup::start`] it.
    pub fn named(host_name: &str) -> Setup {
        Setup {
            settings: Vec::new(),
        }
        .set("myhostname", host_name)
    }

    /// The port for mail from outside, with milters.
    pub fn port(&self) -> u16 {
        self.ports.judged
    }

    /// The same without milters.
    pub fn plain_port(&self) -> u16 {
        self.ports.plain
    }

    /// Without milters, for loopback clients alone, without `XCLIENT`: for mail handed back.
    pub fn reinjection_port(&self) -> u16 {
        self.ports.reinjection
    }

    /// The folder with `main.cf` and `master.cf`, for `postconf -c` and the like.
    pub fn config_dir(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The log so far. Postfix writes it from a process of its own, a moment after the fact; see
    /// [`Postfix::wait_for_log`].
    pub fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until a log line contains `text`; returns that line.
    pub fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<String> {
        let end = Instant::now() + timeout;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            if Instant::now() >= end {
                bail!("no log line with {text:?} within {timeout:?}; the log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What stands in the queue.
    pub fn queue(&self) -> Result<Vec<Queued>> {
        let listing = run(self.tool("postqueue").arg("-j"))?;
        listing
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(queued)
            .collect()
    }

    /// Waits until the queue is empty: everything taken was delivered or bounced and delivered.
    pub fn wait_until_empty(&self, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            let queue = self.queue()?;
            if queue.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                bail!(
                    "{} messages still in the queue, first {:?}",
                    queue.len(),
                    queue[0]
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tries deferred mail now.
    pub fn flush(&self) -> Result<()> {
        run(self.tool("postqueue").arg("-f")).map(drop)
    }

    /// Changes one setting while it runs. New connections see it; those that are open may not.
    pub fn change(&self, name: &str, value: &str) -> Result<()> {
        run(self
            .tool("postconf")
            .arg("-e")
            .arg(format!("{name} = {value}")))?;
        self.age_settings()?;
        self.reload()
    }

    /// Changes the milters of [`Postfix::port`] while it runs; none when empty.
    pub fn change_milters(&self, addresses: &str) -> Result<()> {
        self.change("testkit_milters", addresses)
    }

    /// Reads the settings again.
    pub fn reload(&self) -> Result<()> {
        run(self.tool("postfix").arg("reload")).map(drop)
    }

    /// Stops Postfix cleanly, which takes it a second or two; the queue stays for [`Postfix::start_again`].
    pub fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("Postfix is not running")?;
        // The master ends its whole process group on TERM.
        end(running.master, Signal::TERM, Duration::from_secs(5))
            .or_else(|_| end(running.master, Signal::KILL, Duration::from_secs(5)))?;
        running.guard.release();
        Ok(())
    }

    /// Starts it again after [`Postfix::stop`], with the queue as it was.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "Postfix is running");
        self.launch()
    }

    /// The file Postfix writes its log to.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("mail.log")
    }

    fn queue_dir(&self) -> PathBuf {
        self.folder.path().join("queue")
    }

    /// One of Postfix' own commands for this instance.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(format!("/usr/sbin/{name}"));
        command.arg("-c").arg(self.config_dir());
        command
    }

    fn write_folders(&self) -> Result<()> {
        ensure!(
            Path::new("/usr/sbin/postfix").exists(),
            "Postfix is not installed (Debian package postfix)"
        );
        let owners = Owners::of_this_machine()?;
        for (name, owner, mode) in settings::FOLDERS {
            let path = self.folder.path().join(name);
            std::fs::create_dir(&path)?;
            set_mode(&path, *mode)?;
            owners.account(*owner).own(&path)?;
        }
        Ok(())
    }

    fn write_settings(&self, setup: &Setup) -> Result<()> {
        let main = settings::main(self.folder.path(), &setup.settings)?;
        std::fs::write(self.config_dir().join("main.cf"), main)?;
        let master = settings::master(self.ports);
        std::fs::write(self.config_dir().join("master.cf"), master)?;
        self.age_settings()
    }

    /// Every program of Postfix waits until `main.cf` is some seconds old, in case somebody still
    /// writes it. Nobody does, so it gets an older date.
    fn age_settings(&self) -> Result<()> {
        let main = File::options()
            .write(true)
            .open(self.config_dir().join("main.cf"))?;
        main.set_modified(SystemTime::now() - Duration::from_mins(1))?;
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        // Spares a second and a half of Postfix' own checks of folders that were made just now.
        std::fs::write(self.queue_dir().join("quick-start"), "")?;
        run(self.tool("postfix").arg("start"))
            .with_context(|| format!("Postfix did not start; its log:\n{}", self.log()))?;
        let pid_file = self.queue_dir().join("pid/master.pid");
        let text = std::fs::read_to_string(&pid_file)
            .with_context(|| format!("{} could not be read", pid_file.display()))?;
        let master = text.trim().parse().ok().and_then(Pid::from_raw);
        let master = master.with_context(|| format!("not a process id: {text:?}"))?;
        let guard = Guard::over(master, Signal::TERM, Some(self.folder.path()))?;
        self.running = Some(Running { master, guard });
        self.wait_for_greeting()
    }

    /// Postfix listens before its smtpd has read the settings; one that cannot live with them would
    /// leave every client waiting. Asked on the plain port, so that no milter hears of it.
    fn wait_for_greeting(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            let greeting = Client::connect_patiently(self.ports.plain, Duration::from_secs(1))
                .and_then(Client::quit);
            let Err(error) = greeting else { return Ok(()) };
            let log = self.log();
            if log.contains("bad command startup") || Instant::now() >= end {
                return Err(error.context(format!("Postfix does not greet; its log:\n{log}")));
            }
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        // The master leads the group of all its daemons. A clean stop takes it a second or two,
        // which nobody needs whose queue is thrown away.
        let _may_be_gone = kill_process_group(running.master, Signal::KILL);
        if let Err(error) = end(running.master, Signal::KILL, Duration::from_secs(5)) {
            eprintln!("a Postfix of the tests could not be stopped: {error:#}");
        }
        running.guard.release();
    }
}

/// Signals a process that is not our child and waits until it is gone.
fn end(pid: Pid, signal: Signal, timeout: Duration) -> Result<()> {
    if kill_process(pid, signal).is_err() {
        return Ok(());
    }
    let end = Instant::now() + timeout;
    while test_kill_process(pid).is_ok() {
        ensure!(
            Instant::now() < end,
            "process {pid:?} still runs {timeout:?} after {signal:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Reads one line of `postqueue -j` (postqueue(1), "JSON object format").
fn queued(line: &str) -> Result<Queued> {
    let object: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
    let text = |object: &Value, name: &str| object[name].as_str().map(str::to_owned);
    let must = |name: &str| text(&object, name).with_context(|| format!("no {name} in {line}"));
    let recipients = object["recipients"].as_array().into_iter().flatten();
    Ok(Queued {
        queue_id: must("queue_id")?,
        queue_name: must("queue_name")?,
        message_size: object["message_size"].as_u64().unwrap_or_default(),
        // Postfix lists the empty sender under the name it gives bounces.
        envelope_from: match must("sender")? {
            sender if sender == "MAILER-DAEMON" => String::new(),
            sender => sender,
        },
        recipients: recipients
            .map(|recipient| {
                let address = text(recipient, "address").context("a recipient without address")?;
                Ok((address, text(recipient, "delay_reason")))
            })
            .collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests;
