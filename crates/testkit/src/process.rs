//! A program of ours, run for real: started, waited for, killed, started again.
//!
//! ```no_run
//! use std::time::Duration;
//! use testkit::process::{Program, Ready};
//!
//! # fn main() -> anyhow::Result<()> {
//! # let binary = "mailvigil"; // in a test: env!("CARGO_BIN_EXE_mailvigil")
//! let port = testkit::free_port();
//! let mut service = Program::new(binary)?
//!     .file("mailvigil.toml", &format!("[milter]\nlisten = [\"127.0.0.1:{port}\"]\n"))?
//!     .args(["serve", "--config", "mailvigil.toml"])
//!     .ready_when(Ready::Port(port))
//!     .start()?;
//!
//! service.kill_hard()?; // as if the machine's power went
//! service.start_again()?;
//! let status = service.terminate(Duration::from_secs(10))?;
//! assert!(status.success(), "{}", service.log());
//! # Ok(())
//! # }
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::guard::Guard;
use crate::place::{self, Account};

/// When a started program counts as ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// As soon as its process exists.
    Started,
    /// When a TCP connection to this loopback port is accepted.
    Port(u16),
    /// When a line containing this text stands in its log, written since this start.
    Line(String),
}

/// What to run: binary, arguments, environment, its folder. [`Program::start`] runs it.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: TempDir,
    account: Option<Account>,
    ready: Ready,
    patience: Duration,
    end_signal: Signal,
}

impl Program {
    /// The program at `binary`, with an empty temporary folder as its working folder.
    pub fn new(binary: impl Into<PathBuf>) -> Result<Self> {
        let binary = binary.into();
        let name = binary.file_name().map_or_else(
            || "program".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        Ok(Self {
            binary,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: place::folder(&name)?,
            account: None,
            ready: Ready::Started,
            patience: Duration::from_secs(30),
            end_signal: Signal::KILL,
        })
    }

    /// The folder it will run in, for paths in its settings. Removed when the service is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder, usually the configuration.
    pub fn file(self, name: &str, content: &str) -> Result<Self> {
        let path = self.folder().join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("{} could not be written", path.display()))?;
        Ok(self)
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What a start waits for; [`Ready::Started`] if not said.
    #[must_use]
    pub fn ready_when(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// How long a start may take until ready; 30 s if not said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it as a system account, which then owns the folder.
    pub(crate) fn account(mut self, account: Account) -> Result<Self> {
        account.own(self.folder())?;
        self.account = Some(account);
        Ok(self)
    }

    /// The signal that ends it on drop, for programs that would leave something behind on `KILL`.
    pub(crate) fn end_signal(mut self, signal: Signal) -> Self {
        self.end_signal = signal;
        self
    }

    /// A command in the program's folder, as the program's account: for its set-up tools.
    pub(crate) fn command(&self, binary: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(self.folder());
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Result<Service> {
        let mut service = Service {
            program: self,
            running: None,
        };
        service.launch()?;
        Ok(service)
    }
}

/// A program that runs, or ran and can be started again in the same folder. Ended on drop.
#[derive(Debug)]
pub struct Service {
    program: Program,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    guard: Guard,
}

impl Service {
    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.program.folder()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// Everything it wrote to standard output and standard error since its first start.
    pub fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until a line containing `text` stands in its log; returns that line.
    pub fn wait_for_line(&self, text: &str, timeout: Duration) -> Result<String> {
        let end = Instant::now() + timeout;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            if Instant::now() >= end {
                bail!("no line with {text:?} within {timeout:?}; the log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process is alive.
    pub fn is_running(&mut self) -> bool {
        self.running
            .as_mut()
            .is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    /// Sends `SIGKILL` and waits for the end: what a crash or a power cut leaves behind.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait_for_end(Duration::from_secs(10))?;
        Ok(())
    }

    /// Sends `SIGTERM`, as a service manager does, and waits for the end. A program that has not
    /// ended after `timeout` is an error, and still runs.
    pub fn terminate(&mut self, timeout: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_for_end(timeout)
    }

    /// Sends any signal, for instance `HUP` for a reload.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Asked first, because the id of a process that has ended may be another's by now.
        ensure!(
            self.is_running(),
            "the program is not running; the log:\n{}",
            self.log()
        );
        let running = self
            .running
            .as_ref()
            .context("the program is not running")?;
        kill_process(Pid::from_child(&running.child), signal)
            .with_context(|| format!("{signal:?} could not be sent"))
    }

    /// Waits until the process has ended by itself or by a signal sent before.
    pub fn wait_for_end(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + timeout;
        let running = self
            .running
            .as_mut()
            .context("the program is not running")?;
        let status = loop {
            if let Some(status) = running.child.try_wait()? {
                break status;
            }
            if Instant::now() >= end {
                bail!(
                    "the program still runs after {timeout:?}; the log:\n{}",
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(running) = self.running.take() {
            running.guard.release();
        }
        Ok(status)
    }

    /// Starts it again with the same arguments in the same folder and waits until it is ready.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "the program is still running");
        if self.running.is_some() {
            self.wait_for_end(Duration::ZERO)?;
        }
        self.launch()
    }

    /// Where that is.
    pub fn log_path(&self) -> PathBuf {
        self.program.folder().join("output.log")
    }

    fn launch(&mut self) -> Result<()> {
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let log_before = log_file.metadata()?.len();
        let program = &self.program;
        let child = program
            .command(&program.binary)
            .args(&program.arguments)
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            // Ctrl-C is for the tests; the service is ended in its own way.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} could not be started", program.binary.display()))?;
        let pid = Pid::from_child(&child);
        let guard = Guard::over(pid, program.end_signal, Some(program.folder()))?;
        self.running = Some(Running { child, guard });
        self.wait_until_ready(usize::try_from(log_before)?)
    }

    fn wait_until_ready(&mut self, log_before: usize) -> Result<()> {
        let end = Instant::now() + self.program.patience;
        while !self.is_ready(log_before) {
            if !self.is_running() {
                let status = self.wait_for_end(Duration::ZERO)?;
                bail!(
                    "{} ended early: {status}\n{}",
                    self.program.binary.display(),
                    self.log()
                );
            }
            ensure!(
                Instant::now() < end,
                "{} was not ready ({:?}) within {:?}; the log:\n{}",
                self.program.binary.display(),
                self.program.ready,
                self.program.patience,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn is_ready(&self, log_before: usize) -> bool {
        match &self.program.ready {
            Ready::Started => true,
            Ready::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok(),
            Ready::Line(text) => {
                let log = std::fs::read(self.log_path()).unwrap_or_default();
                let fresh = log.get(log_before..).unwrap_or_default();
                String::from_utf8_lossy(fresh)
                    .lines()
                    .any(|line| line.contains(text.as_str()))
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        // A server that does not heed its own signal within five seconds is killed.
        if matches!(running.child.try_wait(), Ok(None)) {
            let pid = Pid::from_child(&running.child);
            let _may_just_have_ended = kill_process(pid, self.program.end_signal);
        }
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && matches!(running.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _may_be_gone = running.child.kill();
        let _reaped = running.child.wait();
        running.guard.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh")
            .expect("a folder")
            .args(["-c", script])
    }

    fn alive(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn is_ready_at_its_line_and_ends_on_term() {
        let mut service =
            shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done")
                .ready_when(Ready::Line("up".to_owned()))
                .start()
                .expect("starts");
        let status = service.terminate(Duration::from_secs(5)).expect("ends");
        assert_eq!(status.code(), Some(7));
        assert_eq!(service.log(), "up\nbye\n");
    }

    #[test]
    fn a_line_of_the_run_before_does_not_count_after_a_restart() {
        let mut service = shell("sleep 0.2; echo up $$; exec sleep 60")
            .ready_when(Ready::Line("up".to_owned()))
            .start()
            .expect("starts");
        let first = service.pid().expect("runs");
        service.kill_hard().expect("killed");
        assert!(!alive(first));
        service.start_again().expect("starts again");
        let second = service.pid().expect("runs");
        assert!(
            service.log().contains(&format!("up {second}")),
            "{}",
            service.log()
        );
    }

    #[test]
    fn an_early_end_is_an_error_that_quotes_the_log() {
        let error = shell("echo port taken >&2; exit 4")
            .ready_when(Ready::Port(crate::free_port()))
            .start()
            .expect_err("it ended");
        assert!(error.to_string().contains("port taken"), "{error}");
    }

    #[test]
    fn dropping_ends_the_process_and_removes_the_folder() {
        let service = shell("exec sleep 60").start().expect("starts");
        let (pid, folder) = (service.pid().expect("runs"), service.folder().to_owned());
        drop(service);
        assert!(!alive(pid));
        assert!(!folder.exists());
    }

    #[test]
    fn what_a_killed_test_process_leaves_is_ended_by_its_guard() {
        let mut server = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let pid = Pid::from_child(&server);
        let folder = place::folder("guard").expect("a folder").keep();
        let guard = Guard::over(pid, Signal::TERM, Some(&folder)).expect("a guard");
        // Dropping it without release closes the pipe, as the end of this process would.
        drop(guard);
        let status = server.wait().expect("it ends");
        assert!(!status.success(), "ended by a signal, not by itself");
        let end = Instant::now() + Duration::from_secs(8);
        while folder.exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!folder.exists(), "the guard removes {}", folder.display());
    }
}
