//! A real Cyrus IMAP (3.6): Debian's package, unpacked into a folder by `./test`, because two IMAP servers cannot be installed beside each other.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::imap::Client;
use crate::place::{self, Account, free_port};
use crate::process::{Program, Ready, Service};

/// Whose it is once it has started.
const ACCOUNT: &str = "mail";
/// Who may act as any user, and makes the mailboxes.
const MASTER: &str = "vigil";

/// A running Cyrus with accounts and certificates; ended and its folders removed on drop.
#[derive(Debug)]
pub struct Cyrus {
    _service: Service,
    imap: u16,
    imaps: u16,
    _programs: Programs,
}

/// Its programs and libraries, where its own account can reach them.
#[derive(Debug)]
struct Programs {
    folder: tempfile::TempDir,
    saslpasswd: PathBuf,
}

impl Cyrus {
    /// Starts it for `accounts`, names with their domain and passwords, of one domain. `vigil` may act as any of them with `master_password`.
    /// `certificates` holds what [`crate::certificates::write_to`] writes.
    pub fn start(
        accounts: &[(&str, &str)],
        master_password: &str,
        certificates: &Path,
    ) -> Result<Self> {
        let domain = accounts
            .first()
            .and_then(|(name, _)| name.split_once('@'))
            .context("the first account has no domain")?
            .1;
        let programs = Programs::ready()?;
        let program = Program::new(programs.folder.path().join("master"))?;
        let folder = program.folder().to_owned();
        for name in ["config", "spool", "run"] {
            std::fs::create_dir(folder.join(name))?;
        }
        let passwords = folder.join("sasldb2");
        for (name, password) in accounts.iter().chain(&[(MASTER, master_password)]) {
            let local = name.split('@').next().unwrap_or_default();
            programs.set_password(&passwords, domain, local, password)?;
        }
        // The key is its own now.
        for name in ["server.pem", "server.key"] {
            std::fs::copy(certificates.join(name), folder.join(name))?;
        }
        let (imap, imaps) = (free_port(), free_port());
        let imapd = programs.folder.path().join("imapd");
        let program = program
            .file("imapd.conf", &settings(&folder, domain))?
            .file("cyrus.conf", &services(&imapd, &folder, imap, imaps))?;
        let owner = Account::named(ACCOUNT)?;
        owner.own(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            owner.own(&entry?.path())?;
        }
        let service = program
            .env("LD_LIBRARY_PATH", programs.folder.path())
            .args([
                "-C",
                "imapd.conf",
                "-M",
                "cyrus.conf",
                "-p",
                "run/pid",
                "-D",
            ])
            .ready_when(Ready::Port(imap))
            .start()?;
        let mut admin = Client::connect(imap)?;
        expect(&mut admin, &format!("LOGIN {MASTER} \"{master_password}\""))?;
        for (name, _) in accounts {
            expect(&mut admin, &format!("CREATE user/{name}"))?;
        }
        Ok(Self {
            _service: service,
            imap,
            imaps,
            _programs: programs,
        })
    }

    /// Where IMAP is spoken; TLS by `STARTTLS`.
    pub const fn imap_port(&self) -> u16 {
        self.imap
    }

    /// Where IMAP is spoken under TLS from the first byte on.
    pub const fn imaps_port(&self) -> u16 {
        self.imaps
    }
}

fn expect(client: &mut Client, command: &str) -> Result<()> {
    let answer = client.command(command)?;
    ensure!(answer.is_ok(), "{command}: {answer:?}");
    Ok(())
}

impl Programs {
    fn ready() -> Result<Self> {
        let unpacked = unpacked()?;
        let folder = place::folder("cyrus-programs")?;
        let libraries = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
        for from in [
            unpacked.join("usr").join(&libraries),
            unpacked.join(&libraries),
        ] {
            let Ok(entries) = std::fs::read_dir(&from) else {
                continue;
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_name().to_string_lossy().contains(".so.") {
                    std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
                }
            }
        }
        for name in ["master", "imapd"] {
            let to = folder.path().join(name);
            std::fs::copy(unpacked.join("usr/lib/cyrus/bin").join(name), &to)?;
            place::set_mode(&to, 0o755)?;
        }
        Ok(Self {
            folder,
            saslpasswd: unpacked.join("usr/sbin/saslpasswd2"),
        })
    }

    fn set_password(&self, file: &Path, realm: &str, name: &str, password: &str) -> Result<()> {
        let mut child = Command::new(&self.saslpasswd)
            .arg("-f")
            .arg(file)
            .args(["-c", "-p", "-u", realm, name])
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", self.saslpasswd.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(password.as_bytes())?;
        }
        let status = child.wait()?;
        ensure!(status.success(), "saslpasswd2 {name}: {status}");
        Ok(())
    }
}

/// Where `./test` has unpacked it.
fn unpacked() -> Result<PathBuf> {
    let folder = match std::env::var_os("MAILVIGIL_CYRUS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("there is no HOME")?)
            .join(".cache/mailvigil-build/cyrus"),
    };
    if !folder.join("usr/lib/cyrus/bin/master").exists() {
        bail!(
            "there is no Cyrus in {}; `./test prepare e2e` unpacks Debian's there",
            folder.display()
        );
    }
    Ok(folder)
}

fn settings(folder: &Path, domain: &str) -> String {
    let at = folder.display();
    format!(
        "\
configdirectory: {at}/config
defaultpartition: default
partition-default: {at}/spool
servername: {domain}
admins: {MASTER}
proxyservers: {MASTER}
cyrus_user: {ACCOUNT}
cyrus_group: {ACCOUNT}
virtdomains: userid
unixhierarchysep: yes
altnamespace: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {at}/sasldb2
sasl_mech_list: PLAIN
allowplaintext: yes
tls_server_cert: {at}/server.pem
tls_server_key: {at}/server.key
mboxname_lockpath: {at}/run/lock
proc_path: {at}/run/proc
idlesocket: {at}/run/idle
notifysocket: {at}/run/notify
"
    )
}

fn services(imapd: &Path, folder: &Path, imap: u16, imaps: u16) -> String {
    let (imapd, at) = (imapd.display(), folder.display());
    format!(
        "\
START {{
}}
SERVICES {{
  imap cmd=\"{imapd} -C {at}/imapd.conf\" listen=\"127.0.0.1:{imap}\" prefork=0
  imaps cmd=\"{imapd} -s -C {at}/imapd.conf\" listen=\"127.0.0.1:{imaps}\" prefork=0
}}
EVENTS {{
}}
"
    )
}
