//! A real Exim: Debian's package, unpacked into a folder by `./test`, because two mail servers cannot be installed beside each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::place::{self, Account, free_port};
use crate::process::{Program, Ready, Service};

/// An Exim that listens on loopback and delivers everything to one port.
#[derive(Debug)]
pub struct Exim {
    service: Service,
    port: u16,
    _binary_folder: tempfile::TempDir,
}

impl Exim {
    /// Starts it. `main` and `data_acl` are what its administrator adds to the main section and to the ACL after the text.
    pub fn start(delivers_to: u16, main: &str, data_acl: &str) -> Result<Self> {
        let unpacked = binary()?;
        let port = free_port();
        let folder = place::folder("exim-binary")?;
        // It starts itself anew under its own account, which must be able to reach it.
        let binary = folder.path().join("exim4");
        std::fs::copy(&unpacked, &binary)
            .with_context(|| format!("{} could not be copied", unpacked.display()))?;
        place::set_mode(&binary, 0o755)?;
        let binary_folder = folder;
        let program = Program::new(&binary)?;
        let folder = program.folder().to_owned();
        let spool = folder.join("spool");
        std::fs::create_dir(&spool)?;
        let config = folder.join("exim.conf");
        let program = program
            .file(
                "exim.conf",
                &configuration(&binary, &spool, port, delivers_to, main, data_acl),
            )?
            .args(["-C", &config.display().to_string(), "-bdf", "-q1m"])
            .ready_when(Ready::Port(port));
        Account::named("Debian-exim")?.own(&spool)?;
        Ok(Self {
            service: program.start()?,
            port,
            _binary_folder: binary_folder,
        })
    }

    /// Where it takes mail.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its main log.
    pub fn log(&self) -> String {
        let log = self.service.folder().join("spool/log/main");
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// Waits until its log says so.
    pub fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<()> {
        let started = std::time::Instant::now();
        while !self.log().contains(text) {
            ensure!(
                started.elapsed() < timeout,
                "{text:?} is not in Exim's log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// Where `./test` has unpacked it.
fn binary() -> Result<PathBuf> {
    let folder = match std::env::var_os("MAILVIGIL_EXIM") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("there is no HOME")?)
            .join(".cache/mailvigil-build/exim"),
    };
    let binary = folder.join("usr/sbin/exim4");
    ensure!(
        binary.exists(),
        "there is no {}; `./test prepare e2e` unpacks Debian's Exim there",
        binary.display()
    );
    Ok(binary)
}

fn configuration(
    binary: &Path,
    spool: &Path,
    port: u16,
    delivers_to: u16,
    main: &str,
    data_acl: &str,
) -> String {
    let (binary, spool) = (binary.display(), spool.display());
    format!(
        "\
exim_path = {binary}
primary_hostname = mx.example.org
spool_directory = {spool}
log_file_path = {spool}/log/%s
pid_file_path = {spool}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
keep_environment =
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
never_users =
deliver_drop_privilege = true
acl_smtp_rcpt = accept
acl_smtp_data = acl_data
{main}

begin acl
acl_data:
{data_acl}
  accept

begin routers
onward:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = onward

begin transports
onward:
  driver = smtp
  port = {delivers_to}
  allow_localhost
  hosts_try_fastopen =

begin retry
* * F,1h,1s
"
    )
}
