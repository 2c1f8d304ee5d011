//! `connect dovecot --learn`: users teach by moving mail into Junk and out of it (Pigeonhole's IMAPSieve, RFC 6785).
//!
//! Dovecot runs a script of ours when a message is put into or taken out of Junk; the script pipes the message to this program, which hands it to
//! the scanning door with the user's name. Nothing of it runs as anybody but Dovecot's own mail account, and with us away moving mail works as before.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engine::{Desk, LessonFilter};

use super::connect_dovecot::command;
use crate::cli::{ConnectDovecotArgs, DovecotLine};
use crate::config::{Config, Listen};

/// How long a moved message may take from Dovecot to the training log.
const PATIENCE: Duration = Duration::from_secs(15);
/// Where mail out of Junk goes that is still not wanted.
const BINS: &str =
    "\"Trash\", \"Deleted Messages\", \"Deleted Items\", \"Papierkorb\", \"已删除邮件\"";

/// Writes the scripts and the program they pipe to; the settings that use them.
pub fn write(
    config: &Config,
    args: &ConnectDovecotArgs,
    line: DovecotLine,
    folder: &Path,
) -> anyhow::Result<String> {
    let junk = &args.junk;
    if junk.is_empty() || junk.contains(|c: char| c.is_control() || "\"\\{}".contains(c)) {
        bail!("{junk:?} cannot be a mailbox in Dovecot's settings; say --junk Junk");
    }
    let door = door(config)?;
    let pipes = folder.join("pipe");
    std::fs::create_dir_all(&pipes)
        .with_context(|| format!("{} cannot be made", pipes.display()))?;
    let folder = folder
        .canonicalize()
        .with_context(|| format!("{} cannot be found again", folder.display()))?;
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let secret = config.doors.scan.secret_file.as_ref();
    let secret = secret.map_or_else(String::new, |file| {
        format!(" --secret-file {}", quoted(&file.display().to_string()))
    });
    let pipe = format!(
        "#!/bin/sh\n# A user has moved a message: it teaches Mailvigil's learner. Made by `mailvigil connect dovecot --learn`.\n\
         case \"$1\" in wanted | unwanted) ;; *) exit 64 ;; esac\n\
         exec {} learn \"$1\" - --door {} --reported-by=\"$2\"{secret}\n",
        quoted(&own.display().to_string()),
        quoted(&door),
    );
    put(&folder.join("pipe/mailvigil-learn"), &pipe, 0o755)?;
    for (name, text) in [("unwanted", unwanted()), ("wanted", wanted())] {
        let file = folder.join(format!("learn-{name}.sieve"));
        put(&file, &text, 0o644)?;
        compile(&file, args.config_file.as_deref());
    }
    let at = folder.display();
    Ok(match line {
        DovecotLine::Old => format!(
            "# dovecot.conf: what users move into {junk} and out of it teaches Mailvigil's learner\n\
             # needs Pigeonhole (Debian: dovecot-sieve); scripts and pipe lie in {at}\n\
             protocol imap {{\n  mail_plugins = $mail_plugins imap_sieve\n}}\n\
             plugin {{\n  sieve_plugins = sieve_imapsieve sieve_extprograms\n  sieve_global_extensions = +vnd.dovecot.pipe +vnd.dovecot.environment\n  sieve_pipe_bin_dir = {at}/pipe\n  \
             imapsieve_mailbox1_name = {junk}\n  imapsieve_mailbox1_causes = COPY APPEND\n  imapsieve_mailbox1_before = file:{at}/learn-unwanted.sieve\n  \
             imapsieve_mailbox2_name = *\n  imapsieve_mailbox2_from = {junk}\n  imapsieve_mailbox2_causes = COPY\n  imapsieve_mailbox2_before = file:{at}/learn-wanted.sieve\n}}\n\n{}",
            proof()
        ),
        DovecotLine::New => format!(
            "# dovecot.conf: what users move into {junk} and out of it teaches Mailvigil's learner\n\
             # needs Pigeonhole; scripts and pipe lie in {at}\n\
             protocol imap {{\n  mail_plugins {{\n    imap_sieve = yes\n  }}\n}}\n\
             sieve_plugins {{\n  sieve_imapsieve = yes\n  sieve_extprograms = yes\n}}\n\
             sieve_global_extensions {{\n  vnd.dovecot.pipe = yes\n  vnd.dovecot.environment = yes\n}}\n\
             sieve_pipe_bin_dir = {at}/pipe\n\
             mailbox {junk} {{\n  sieve_script mailvigil {{\n    type = before\n    cause = copy append\n    path = {at}/learn-unwanted.sieve\n  }}\n}}\n\
             imapsieve_from {junk} {{\n  sieve_script mailvigil {{\n    type = before\n    cause = copy\n    path = {at}/learn-wanted.sieve\n  }}\n}}\n\n{}",
            proof()
        ),
    })
}

const fn proof() -> &'static str {
    "# take it over, and prove that moved mail teaches:\n# doveadm reload && mailvigil connect dovecot --learn-canary USER\n"
}

/// The place of the door for labels, as a program on this machine reaches it.
fn door(config: &Config) -> anyhow::Result<String> {
    match config.doors.scan.http.first() {
        Some(Listen::Tcp(address)) => Ok(format!("http://{address}")),
        Some(Listen::Tls(_) | Listen::Unix(_)) => bail!(
            "labels are handed over by plain HTTP on this machine; put one such place first, as in\n  [scan]\n  http = [\"127.0.0.1:11334\"]"
        ),
        None => bail!(
            "scan.http is not set: say where labels are handed to, as in\n  [scan]\n  http = [\"127.0.0.1:11334\"]"
        ),
    }
}

fn unwanted() -> String {
    "require [\"vnd.dovecot.pipe\", \"copy\", \"imapsieve\", \"environment\", \"variables\"];\n\
     if environment :matches \"imap.user\" \"*\" {\n  set \"user\" \"${1}\";\n}\n\
     pipe :copy \"mailvigil-learn\" [ \"unwanted\", \"${user}\" ];\n"
        .to_owned()
}

fn wanted() -> String {
    format!(
        "require [\"vnd.dovecot.pipe\", \"copy\", \"imapsieve\", \"environment\", \"variables\"];\n\
         if environment :matches \"imap.mailbox\" \"*\" {{\n  set \"mailbox\" \"${{1}}\";\n}}\n\
         # thrown away is not wanted\n\
         if string \"${{mailbox}}\" [{BINS}] {{\n  stop;\n}}\n\
         if environment :matches \"imap.user\" \"*\" {{\n  set \"user\" \"${{1}}\";\n}}\n\
         pipe :copy \"mailvigil-learn\" [ \"wanted\", \"${{user}}\" ];\n"
    )
}

fn put(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let written = std::fs::write(file, text)
        .and_then(|()| std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// Compiled beforehand, as Dovecot's mail account may not write there; without the compiler Dovecot compiles it each time.
fn compile(file: &Path, config: Option<&Path>) {
    let mut sievec = command("sievec");
    if let Some(config) = config {
        sievec.arg("-c").arg(config);
    }
    sievec.args(["-x", "+vnd.dovecot.pipe +vnd.dovecot.environment"]);
    sievec.args(["-P", "sieve_imapsieve", "-P", "sieve_extprograms"]);
    // Before the settings are taken over it may not know the extensions: then it fails, and nothing is lost.
    let _ = sievec
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Puts a made-up message into a user's Junk and waits until it is in the training log; takes both away again.
pub async fn canary(desk: &Desk, args: &ConnectDovecotArgs, user: &str) -> anyhow::Result<()> {
    let started = engine::clock::now();
    let name = mail::RecordId::random(started);
    let letter = format!(
        "From: Mailvigil <canary-{name}@mailvigil.invalid>\r\nTo: {}\r\nMessage-ID: <canary-{name}@mailvigil.invalid>\r\nSubject: Does moving mail teach?\r\n\r\nThis message is taken away again.\r\n",
        user.replace(['\r', '\n'], " ")
    );
    let junk = imap_text(&args.junk);
    let put = format!(
        "a APPEND {junk} {{{}+}}\r\n{letter}\r\nz LOGOUT\r\n",
        letter.len()
    );
    let said = imap(args, user, &put)?;
    let Some(uid) = said
        .split("[APPENDUID ")
        .nth(1)
        .and_then(|rest| rest.split([' ', ']']).nth(1))
        .filter(|uid| uid.bytes().all(|byte| byte.is_ascii_digit()))
    else {
        bail!(
            "no message could be put into {} of {user}; Dovecot said: {}",
            args.junk,
            crate::show::safe(said.trim())
        );
    };
    println!("A message was put into {} of {user}", args.junk);
    let seen = seen(desk, started, &format!("canary-{name}@mailvigil.invalid")).await;
    let take = format!(
        "a SELECT {junk}\r\nb UID STORE {uid} +FLAGS.SILENT (\\Deleted)\r\nc UID EXPUNGE {uid}\r\nz LOGOUT\r\n"
    );
    imap(args, user, &take)?;
    if !seen? {
        bail!(
            "the message was put into {}, and nothing was learnt from it within {} s.\n  Is `mailvigil serve` running, and are the settings taken over (doveadm reload)? Dovecot's log tells what its script said.",
            args.junk,
            PATIENCE.as_secs()
        );
    }
    println!("It taught the learner. Both are taken away again; moving mail teaches.");
    Ok(())
}

/// Waits for the lesson of the canary's sender, and takes it back.
async fn seen(desk: &Desk, since: mail::Timestamp, sender: &str) -> anyhow::Result<bool> {
    let filter = LessonFilter {
        sender: Some(sender.to_owned()),
        since: Some(since),
        limit: 1,
        ..LessonFilter::default()
    };
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if !desk.lessons(&filter).await?.is_empty() {
            desk.take_back(&filter, "a canary of connect dovecot")
                .await?;
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}

/// A quoted string of IMAP.
fn imap_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// Speaks IMAP as a user, without their password: by Dovecot's own program, run by whoever may. Not through `doveadm exec`, which passes its own settings
/// on in place of those for IMAP.
fn imap(args: &ConnectDovecotArgs, user: &str, commands: &str) -> anyhow::Result<String> {
    let file = args.config_file.as_ref();
    let named: Vec<OsString> = file.map_or_else(Vec::new, |file| vec!["-c".into(), file.into()]);
    let asked = command("doveconf")
        .args(["-h"])
        .args(&named)
        .arg("libexec_dir")
        .output();
    let asked = asked.context("doveconf cannot be run; is Dovecot installed here?")?;
    let folder = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if folder.is_empty() {
        bail!(
            "doveconf does not say where Dovecot's programs are: {}",
            crate::show::safe(String::from_utf8_lossy(&asked.stderr).trim())
        );
    }
    let program = Path::new(&folder).join("imap");
    let mut imap = Command::new(&program)
        .args(&named)
        .args(["-u", user])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let mut input = imap.stdin.take().context("a pipe")?;
    // It may have gone already; then what it said tells why.
    let _ = input.write_all(commands.as_bytes());
    drop(input);
    let output = imap.wait_with_output()?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_stay_words() {
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
        assert_eq!(imap_text("Ju\"nk\\"), "\"Ju\\\"nk\\\\\"");
    }

    #[test]
    fn without_a_door_for_labels_it_says_what_is_missing() {
        let config = Config::parse("", None).expect("a configuration");
        let why = door(&config).expect_err("no door").to_string();
        assert!(why.contains("scan.http is not set"), "{why}");
        let config = Config::parse("[scan]\nhttp = [\"127.0.0.1:11334\"]\n", None);
        let door = door(&config.expect("a configuration")).expect("a door");
        assert_eq!(door, "http://127.0.0.1:11334");
    }
}
