//! What must end when the test process ends, however it ends.
//!
//! `Drop` does not run for a value in a `static`, after Ctrl-C, or when the test process is killed,
//! and a server left running holds ports and disk. A [`Guard`] is a tiny shell that reads from a
//! pipe only the test process holds open: when the pipe closes without a word, it ends the server
//! by its process id and removes the folder. (The kernel's parent-death signal was rejected: it
//! fires when the *thread* that started the server ends, and each test has its own thread.)

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::place::keep_folders;

/// Watches over one process and its folder until released.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

/// `$1` process id, `$2` signal number, `$3` folder or nothing.
///
/// A server that does not end on the signal within five seconds is killed.
const WATCH: &str = r#"
trap '' INT TERM HUP
read -r word && exit 0
kill -"$2" "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.5
done
kill -KILL "$1" 2>/dev/null
[ -z "$3" ] || rm -rf -- "$3"
"#;

impl Guard {
    /// Ends `pid` with `signal` and removes `folder` if the test process goes away without
    /// [`Guard::release`].
    pub(crate) fn over(pid: Pid, signal: Signal, folder: Option<&Path>) -> Result<Self> {
        let folder = folder.filter(|_| !keep_folders());
        let shell = Command::new("sh")
            .args(["-c", WATCH, "testkit-guard"])
            .arg(pid.as_raw_nonzero().to_string())
            .arg(signal.as_raw().to_string())
            .arg(folder.unwrap_or(Path::new("")))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C must end the tests, and then the guard does its work.
            .process_group(0)
            .spawn()
            .context("the watching shell could not be started")?;
        Ok(Self { shell })
    }

    /// The process has ended: there is nothing left to watch.
    pub(crate) fn release(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // A shell that is already gone has nothing left to be told.
            let _already_gone = pipe.write_all(b"done\n");
        }
        let _reaped = self.shell.wait();
    }
}
