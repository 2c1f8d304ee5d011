//! The firewall's helper: a process of its own, with the one right to change nftables, which drops what the service says.
//!
//! It is told everything that is to be dropped each time, and makes its table anew in one transaction: what somebody else flushed is there again, and
//! nothing is remembered that could be wrong. Elements have the kernel's own time-out, so what was dropped ends by itself when nobody is left to say
//! so. It reads no configuration and writes nothing but its socket; what it hands to `nft` is made of addresses and numbers.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use ipnet::IpNet;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use wire::firewall::{Dropped, LINE_BYTES_MAX, SOURCES_MAX, answer, read_head, read_source};

use crate::cli::FirewallArgs;
use crate::show;

/// How long a request may take to arrive, and `nft` to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Clients of other users that are told why at the same time, and how long each may take.
const STRANGERS: usize = 8;
const STRANGER_PATIENCE: Duration = Duration::from_secs(2);
/// Said to programs of other users.
const NOT_YOU: &str = "programs of this user may not say what is dropped; --uid allows them";
/// Before everything else that filters, as CrowdSec's bouncer stands.
const PRIORITY: i32 = -10;

/// Runs until it is told to stop; then nothing is dropped any more.
pub fn run(args: &FirewallArgs) -> anyhow::Result<ExitCode> {
    ensure!(!args.ports.is_empty(), "--ports names no port");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(serve(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: &FirewallArgs) -> anyhow::Result<()> {
    let table = Table { args };
    table.make(&[]).await?;
    let listener = listen(&args.socket)?;
    println!(
        "Drops what the service says, for ports {}, told at {}.",
        args.ports
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        args.socket.display()
    );
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            // One at a time: there is one service, and one table.
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if is_known(&stream, &args.uid) => attend(stream, &table).await,
                Ok((stream, _)) => turn_away(stream, &strangers),
                Err(error) => {
                    eprintln!("nobody can be heard: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    // Both are of no use without us; what cannot be taken away ends by its time-outs.
    let _ = std::fs::remove_file(&args.socket);
    table.remove().await
}

/// A socket that a helper before us left behind is taken away; anything else is not.
fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        ensure!(
            there.file_type().is_socket(),
            "{} is there already and is no socket",
            path.display()
        );
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another helper listens at {}", path.display());
        }
        std::fs::remove_file(path)
            .with_context(|| format!("{} cannot be taken away", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!(
            "{} cannot be opened: does its folder exist?",
            path.display()
        )
    })?;
    // Who may speak is asked of the kernel, by user; a file's mode would know our own user only.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// May this client say what is dropped? The kernel knows whose it is.
fn is_known(stream: &UnixStream, allowed: &[u32]) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let peer = stream.peer_cred().map(|peer| peer.uid());
    peer.is_ok_and(|uid| uid == own || allowed.contains(&uid))
}

/// Tells a client of another user why nothing comes of it, beside those that are heard; of many at once the rest is told nothing.
fn turn_away(stream: UnixStream, strangers: &Arc<Semaphore>) {
    let Ok(place) = strangers.clone().try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        // What it has to say is let in first: a socket that is closed on what was not read loses the answer.
        let _ = tokio::time::timeout(STRANGER_PATIENCE, read(&mut reader)).await;
        let refused = answer(&Err(NOT_YOU.to_owned()));
        // It may be gone already.
        let _ = writer.write_all(refused.as_bytes()).await;
        drop(place);
    });
}

/// Hears one client until it goes.
async fn attend(stream: UnixStream, table: &Table<'_>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let told = match tokio::time::timeout(PATIENCE, read(&mut reader)).await {
            Ok(Ok(Some(told))) => Ok(told),
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(why)) => Err(why),
        };
        let broken = told.is_err();
        let outcome = match told {
            Ok(told) => table
                .make(&told)
                .await
                .map_err(|error| format!("{error:#}")),
            Err(why) => Err(why),
        };
        if let Err(why) = &outcome {
            eprintln!("nothing was changed: {}", show::safe(why));
        }
        let written = writer.write_all(answer(&outcome).as_bytes()).await;
        // After a line that cannot be read nobody knows where the next request begins.
        if written.is_err() || broken {
            return;
        }
    }
}

/// Reads a request; `None` when the client is gone.
async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<Dropped>>, String> {
    let Some(head) = line(reader).await? else {
        return Ok(None);
    };
    let count = read_head(&head).map_err(|error| error.to_string())?;
    let mut told = Vec::with_capacity(count.min(SOURCES_MAX));
    for _ in 0..count {
        let Some(line) = line(reader).await? else {
            return Err("the request ends too early".to_owned());
        };
        told.push(read_source(&line).map_err(|error| error.to_string())?);
    }
    Ok(Some(told))
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let read = reader
        .take(LINE_BYTES_MAX as u64)
        .read_until(b'\n', &mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err("a line is too long, or has no end".to_owned());
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| "a line is no text".to_owned())
}

/// Our table of nftables, which is nobody else's.
struct Table<'a> {
    args: &'a FirewallArgs,
}

impl Table<'_> {
    /// Makes it anew, in one transaction; how many are dropped.
    async fn make(&self, told: &[Dropped]) -> anyhow::Result<usize> {
        let never = |one: &&Dropped| !self.args.never.iter().any(|network| meets(network, one.ip));
        let dropped: Vec<&Dropped> = told.iter().filter(never).collect();
        self.nft(&self.script(&dropped)).await?;
        Ok(dropped.len())
    }

    async fn remove(&self) -> anyhow::Result<()> {
        let name = &self.args.table;
        self.nft(&format!(
            "add table inet {name}\ndelete table inet {name}\n"
        ))
        .await
    }

    fn script(&self, dropped: &[&Dropped]) -> String {
        let name = &self.args.table;
        let ports = self
            .args
            .ports
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        // Adding it first makes deleting it right whether it was there or not.
        let mut text =
            format!("add table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n");
        for (set, kind, v4) in [
            ("sources4", "ipv4_addr", true),
            ("sources6", "ipv6_addr", false),
        ] {
            let width = if v4 { "" } else { "/64" };
            let elements: Vec<String> = dropped
                .iter()
                .filter(|one| one.ip.is_ipv4() == v4)
                .map(|one| format!("{}{width} timeout {}s", one.ip, one.secs))
                .collect();
            let flags = if v4 { "timeout" } else { "interval, timeout" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "set {set} {{ type {kind}; flags {flags};");
            if !elements.is_empty() {
                let _ = writeln!(text, "elements = {{ {} }}", elements.join(", "));
            }
            text.push_str("}\n");
        }
        // Loopback and our own addresses get in, whatever anybody decides.
        let _ = write!(
            text,
            "chain input {{ type filter hook input priority {PRIORITY}; policy accept;\n\
             iif lo accept\n\
             fib saddr type local accept\n\
             tcp dport {{ {ports} }} ip saddr @sources4 drop\n\
             tcp dport {{ {ports} }} ip6 saddr @sources6 drop\n\
             }}\n}}\n"
        );
        text
    }

    async fn nft(&self, script: &str) -> anyhow::Result<()> {
        let program = self.args.nft.display();
        let mut child = tokio::process::Command::new(&self.args.nft)
            .args(["-f", "-"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} cannot be run (Debian has it in `nftables`)"))?;
        let mut input = child.stdin.take().context("nft has no input")?;
        let done = async {
            input.write_all(script.as_bytes()).await?;
            drop(input);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(PATIENCE, done)
            .await
            .with_context(|| format!("{program} took longer than {} s", PATIENCE.as_secs()))?
            .with_context(|| format!("{program} cannot be told"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or("it did not say why");
            bail!(
                "{program} refuses: {} (it needs CAP_NET_ADMIN)",
                show::safe(first)
            );
        }
        Ok(())
    }
}

/// Is a source in a network, or a network in it? Of IPv6 a source is a /64.
fn meets(network: &IpNet, ip: IpAddr) -> bool {
    let width = if ip.is_ipv4() { 32 } else { 64 };
    let source = IpNet::new(ip, width).map(|source| source.trunc());
    source.is_ok_and(|source| network.contains(&source) || source.contains(network))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn args(words: &[&str]) -> FirewallArgs {
        let words = [&["mailvigil", "firewall"], words].concat();
        match crate::cli::Cli::try_parse_from(words)
            .expect("good words")
            .command
        {
            crate::cli::Command::Firewall(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_table_is_made_of_addresses_and_numbers() {
        let args = args(&["--ports", "25,143"]);
        let dropped =
            |ip: &str| Dropped::new(ip.parse().expect("an address"), 60).expect("a source");
        let (four, six) = (dropped("192.0.2.7"), dropped("2001:db8::5"));
        let script = Table { args: &args }.script(&[&four, &six]);
        assert!(
            script.contains("elements = { 192.0.2.7 timeout 60s }"),
            "{script}"
        );
        assert!(
            script.contains("elements = { 2001:db8::/64 timeout 60s }"),
            "{script}"
        );
        assert_eq!(script.matches("tcp dport { 25, 143 }").count(), 2);
        assert!(!Table { args: &args }.script(&[]).contains("elements"));
    }

    #[test]
    fn networks_that_are_never_dropped_are_met_from_both_sides() {
        let meets = |network: &str, ip: &str| {
            super::meets(
                &network.parse().expect("a network"),
                ip.parse().expect("an address"),
            )
        };
        assert!(meets("192.0.2.0/24", "192.0.2.7") && !meets("192.0.3.0/24", "192.0.2.7"));
        // One of ours in a /64 keeps the whole of it.
        assert!(meets("2001:db8::5/128", "2001:db8::") && meets("2001:db8::/32", "2001:db8::"));
        assert!(!meets("10.0.0.0/8", "2001:db8::"));
    }

    #[test]
    fn names_of_tables_are_names() {
        for bad in ["", "a b", "x;flush", "9a", "a{", "-a"] {
            let words = ["mailvigil", "firewall", "--table", bad];
            assert!(crate::cli::Cli::try_parse_from(words).is_err(), "{bad}");
        }
    }
}
