//! Where a server of a test stands: its folder, its port, the system account it runs as.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tempfile::TempDir;

/// A loopback TCP port nobody listens on, never handed out twice by one test process.
///
/// Ports come from below Linux' ephemeral range (32768 and up): a port the kernel would give out by
/// itself may become the local end of an outgoing connection between this call and the bind.
///
/// The port is tried by binding without listening. A listening socket would be in the way of the
/// caller: a program another test starts at this moment holds a copy of it between its fork and its
/// exec, closed here or not, and only sockets that do not listen share a port (`SO_REUSEADDR`).
///
/// # Panics
/// When a thousand ports in a row are taken, which says that the machine is in no state for tests.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u64 = 22_000;
    static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

    let mut handed_out = HANDED_OUT.lock().expect("no panic happens under this lock");
    let handed_out = handed_out.get_or_insert_default();
    for _ in 0..1000 {
        // `RandomState` is std's only source of chance, and a new one differs from the last; test
        // processes running side by side therefore start from different ports.
        let random = RandomState::new().hash_one(handed_out.len());
        let port = FIRST + u16::try_from(random % COUNT).expect("COUNT fits u16");
        if !handed_out.contains(&port) && can_be_bound(port) {
            handed_out.insert(port);
            return port;
        }
    }
    panic!("no free loopback port among a thousand tried");
}

fn can_be_bound(port: u16) -> bool {
    let bound = || {
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    };
    bound().is_ok()
}

/// Whether the tests run as root, which real mail servers need to start.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A new temporary folder that system accounts (postfix, postgres) can reach.
///
/// Temporary folders are made for their owner alone and may stand below a home folder; a server
/// that drops its rights could then not enter. The first of `$TMPDIR`, `/tmp` and `/var/tmp` that
/// every account can walk to is taken.
pub(crate) fn folder(purpose: &str) -> Result<TempDir> {
    let candidates = [
        std::env::temp_dir(),
        PathBuf::from("/tmp"),
        PathBuf::from("/var/tmp"),
    ];
    let parent = candidates
        .iter()
        .filter_map(|candidate| candidate.canonicalize().ok())
        .find(|candidate| open_to_everyone(candidate))
        .with_context(|| format!("every account must be able to enter one of {candidates:?}"))?;
    let folder = tempfile::Builder::new()
        .prefix(&format!("mailvigil-{purpose}-"))
        .disable_cleanup(keep_folders())
        .tempdir_in(&parent)
        .with_context(|| format!("a folder could not be made in {}", parent.display()))?;
    set_mode(folder.path(), 0o755)?;
    Ok(folder)
}

/// Whether folders outlive their tests, for reading after a failure: `TESTKIT_KEEP` is set.
pub(crate) fn keep_folders() -> bool {
    std::env::var_os("TESTKIT_KEEP").is_some()
}

fn open_to_everyone(path: &Path) -> bool {
    const EXECUTE_BY_OTHERS: u32 = 0o001;
    path.ancestors().all(|folder| {
        folder
            .metadata()
            .is_ok_and(|metadata| metadata.mode() & EXECUTE_BY_OTHERS != 0)
    })
}

/// Sets the permission bits of `path`.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("{} could not be given mode {mode:o}", path.display()))
}

/// A system account a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// The numeric user id.
    pub(crate) user: u32,
    /// The numeric id of its first group.
    pub(crate) group: u32,
}

impl Account {
    /// Looks the account up with `id`, so that accounts from any name service are found.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let number = |flag: &str| -> Result<u32> {
            let output = Command::new("id")
                .arg(flag)
                .arg(name)
                .output()
                .context("id not found")?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            ensure!(
                output.status.success(),
                "this machine has no account {name}"
            );
            text.parse()
                .with_context(|| format!("`id {flag} {name}` answered {text:?}"))
        };
        Ok(Self {
            user: number("-u")?,
            group: number("-g")?,
        })
    }

    /// Gives `path` to this account.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        std::os::unix::fs::chown(path, Some(self.user), Some(self.group)).with_context(|| {
            format!(
                "{} could not be given to user {}",
                path.display(),
                self.user
            )
        })
    }
}

/// Runs a command to its end and returns what it printed; anything but success is an error that
/// quotes the command and what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{} could not be run", command.get_program().display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}\n{printed}{complaint}", output.status);
    }
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_handed_out_once_and_can_be_bound() {
        let ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 200);
        TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).expect("the port is free");
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).expect("a listener");
        assert!(!can_be_bound(listener.local_addr().expect("bound").port()));
    }

    #[test]
    fn ports_are_free_while_programs_start() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        Command::new("true").status().expect("true starts");
                    }
                });
            }
            let held: Vec<_> = (0..500)
                .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())))
                .collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            for listener in held {
                listener.expect("the port is free");
            }
        });
    }

    #[test]
    fn a_folder_is_open_to_every_account() {
        let folder = folder("place").expect("a folder");
        assert!(open_to_everyone(folder.path()));
    }

    #[test]
    fn a_failing_command_says_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo no disk >&2; exit 3"]))
            .expect_err("exit 3 is a failure");
        let text = error.to_string();
        assert!(text.contains("no disk") && text.contains('3'), "{text}");
    }
}
