//! `demo`: a day of a small organisation's mail through the whole service, on loopback.
//!
//! [`day`] writes the mail, [`play`] hands it to the service's own milter door as a mail server would, and this
//! file starts the service in a fresh folder and shows what came of it.

mod day;
mod encoding;
mod letters;
mod play;
mod summary;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use mail::Timestamp;

use crate::cli::DemoArgs;
use crate::config::Config;
use crate::service::Service;
use crate::show;
use summary::Summary;

/// Plays the day; stays up until interrupted unless `--once`.
pub async fn run(data: Option<PathBuf>, args: &DemoArgs) -> anyhow::Result<()> {
    let folder = fresh_folder(data)?;
    let config_file = folder.join("mailvigil.toml");
    let config = write_config(&config_file, &folder)?;
    crate::commands::start_log(&config);
    let mut service = Service::open(config).await?;
    let milter = service
        .listeners
        .milter
        .first()
        .and_then(crate::doors::listener::Listener::tcp_address)
        .context("the demonstration has no milter door")?;
    let http = service.start().await?;
    println!(
        "Mailvigil serves a milter door at {milter}, its data lie in {}.\nPlaying a day of mail of the Lindenhof Instruments company into it …\n",
        folder.display()
    );

    let now = engine::clock::now();
    let today = Timestamp::from_secs(now.secs() - now.secs().rem_euclid(86_400));
    let letters = day::day(today);
    let bar = progress(letters.len());
    let mut summary = Summary::default();
    for letter in &letters {
        bar.set_message(clock(letter.second));
        let played = play::play(milter, letter).await?;
        bar.inc(1);
        summary.count(letter, &played);
    }
    bar.finish_and_clear();
    if !service
        .engine
        .recorder()
        .flush(Duration::from_secs(30))
        .await
    {
        anyhow::bail!("the records of the day could not be written");
    }
    let records = summary::records(service.engine.store(), now).await?;
    summary.print_notable(&records, args.all);
    summary.print_table(&letters, &records);
    print_next(&config_file, http, args.once);
    if !args.once {
        if let Some(link) = service.console_link().await? {
            println!("\nLook at it in a browser; this link is good once:\n  {link}");
        }
        tokio::signal::ctrl_c().await?;
        println!("\nStopping.");
    }
    service.stop().await;
    Ok(())
}

/// A new folder: the demonstration never touches data that exist.
fn fresh_folder(data: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = data.unwrap_or_else(|| {
        std::env::temp_dir().join(format!(
            "mailvigil-demo-{}",
            mail::RecordId::random(engine::clock::now())
        ))
    });
    if folder.join("mailvigil.db").exists() {
        anyhow::bail!(
            "{} holds data already; the demonstration wants a fresh folder",
            folder.display()
        );
    }
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.with_context(|| format!("{} cannot be made", folder.display()))?;
    folder
        .canonicalize()
        .context("the folder just made cannot be found")
}

/// The demonstration's configuration, kept beside its data so that the other commands can look at it.
fn write_config(file: &Path, folder: &Path) -> anyhow::Result<Config> {
    let text = format!(
        "# Written by `mailvigil demo`.\n[service]\ndata = {}\n\n[milter]\nlisten = \"127.0.0.1:0\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n[console]\nlisten = \"127.0.0.1:0\"\nsite_name = \"Lindenhof Instruments\"\n\n[site]\nlocal_domains = [\"{}\"]\n\n# The demonstration's senders are invented, and DNS knows nothing of them.\n[authentication]\nverify = false\n\n[log]\nlevel = \"warn\"\n",
        // A JSON string is a TOML string too.
        serde_json::Value::from(folder.display().to_string()),
        day::DOMAIN
    );
    std::fs::write(file, &text).with_context(|| format!("{} cannot be written", file.display()))?;
    Config::load(Some(file), None)
}

fn progress(count: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{msg} [{bar:40}] {pos}/{len} messages";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉ ");
    ProgressBar::new(count as u64).with_style(style)
}

fn clock(second: u32) -> String {
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}

fn print_next(config: &Path, http: Option<std::net::SocketAddr>, once: bool) {
    let config = show::safe(&config.display().to_string());
    println!("\nWhat to try next (the data stay in that folder):");
    // As this program was called: it need not be installed yet.
    let own = std::env::args().next();
    let own = show::safe(own.as_deref().unwrap_or("mailvigil"));
    let command = |what: &str, why: &str| println!("  {own} -c {config} {what:<34} # {why}");
    command("messages --level dangerous", "search the records");
    command("explain last", "why a message went where it went");
    command("quarantine list", "what is held");
    command("policy show", "the rules it was judged by");
    command(
        "messages --to anna.lindner@lindenhof.example",
        "where is my mail?",
    );
    if let Some(http) = http.filter(|_| !once) {
        println!("  curl http://{http}/metrics");
        println!(
            "\nThe service stays up; Ctrl-C ends it. For your own Postfix: `{own} serve`, then `{own} connect postfix`."
        );
    }
}
