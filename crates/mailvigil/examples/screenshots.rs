//! Pictures of every page of the console, over the mail of the demonstration: light, dark, narrow, Chinese.
//!
//!     cargo build -p mailvigil && cargo run -p mailvigil --example screenshots -- FOLDER
//!
//! Needs Debian's chromium and chromium-driver.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use testkit::browser::{Browser, Look};

#[path = "../tests/bed/domains.rs"]
#[allow(clippy::unwrap_used, reason = "shared with tests")]
mod domains;
#[path = "../tests/bed/recalls.rs"]
#[allow(clippy::unwrap_used, reason = "shared with tests")]
mod recalls;
#[path = "../tests/bed/users.rs"]
#[allow(clippy::unwrap_used, reason = "shared with tests")]
mod users;

const PASSWORD: &str = "maroon otter waltz 42";

fn main() -> Result<()> {
    let folder = std::env::args()
        .nth(1)
        .context("name a folder for the pictures")?;
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let data = tempfile::tempdir()?;
    let (demo, link) = start(&data)?;
    // The demonstration's senders are invented and not verified, so nothing is counted of them.
    domains::seed(&data.path().join("demo"), "lindenhof.example");
    users::seed(&data.path().join("demo"));
    teach(&data.path().join("demo"))?;
    switch_on(&data.path().join("demo"))?;
    let recalled = recalls::seed(&data.path().join("demo"));
    let recalled = format!("/learning/recalls?message={recalled}");
    let taken = pictures(&folder, &link, &recalled);
    stop(demo)?;
    taken
}

/// The program that was built beside this example.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(|examples| examples.parent());
    Ok(folder
        .context("the example lies beside no program")?
        .join("mailvigil"))
}

/// Starts the demonstration and waits for the link of its console.
fn start(data: &tempfile::TempDir) -> Result<(Child, String)> {
    let program = program()?;
    let mut demo = Command::new(&program)
        .arg("--data")
        .arg(data.path().join("demo"))
        .arg("demo")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started; build it first", program.display()))?;
    let lines = BufReader::new(demo.stdout.take().context("a pipe")?).lines();
    for line in lines {
        let line = line?;
        if line.contains("/welcome?code=") {
            return Ok((demo, line.trim().to_owned()));
        }
    }
    anyhow::bail!("the demonstration ended without a link")
}

/// Teaches the learner some letters, so that there is something to see.
fn teach(data: &std::path::Path) -> Result<()> {
    let program = program()?;
    let mails = tempfile::tempdir()?;
    for (label, count, subject) in [("wanted", 240, "Minutes"), ("unwanted", 60, "Offer")] {
        let folder = mails.path().join(label);
        std::fs::create_dir(&folder)?;
        for number in 0..count {
            let mail = format!(
                "From: s{number}@{label}.example\r\nSubject: {subject} {number}\r\n\r\n{subject} of day {number}\r\n"
            );
            std::fs::write(folder.join(format!("{number}.eml")), mail)?;
        }
        let taught = Command::new(&program)
            .arg("--data")
            .arg(data)
            .args(["learn", label])
            .args((label == "unwanted").then_some("--class=lottery"))
            .arg(&folder)
            .status()?;
        anyhow::ensure!(taught.success(), "nothing was learnt");
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    Ok(())
}

/// Switches detectors on, in the first week of the demonstration's watch.
fn switch_on(data: &std::path::Path) -> Result<()> {
    let settings = tempfile::NamedTempFile::new()?;
    std::fs::write(settings.path(), "mode = \"enforce\"\n")?;
    let applied = Command::new(program()?)
        .arg("--data")
        .arg(data)
        .args(["watch", "apply", "-m", "after a look around"])
        .arg(settings.path())
        .status()?;
    anyhow::ensure!(applied.success(), "nothing was switched on");
    Ok(())
}

fn stop(mut demo: Child) -> Result<()> {
    demo.kill()?;
    demo.wait()?;
    Ok(())
}

fn pictures(folder: &std::path::Path, link: &str, recalled: &str) -> Result<()> {
    let base = link.split("/welcome").next().unwrap_or_default().to_owned();
    let browser = Browser::start_with(&Look {
        width: 1400,
        ..Look::default()
    })?;
    browser.go(link)?;
    browser.fill("input[name=name]", "anna.lindner")?;
    browser.fill("input[name=password]", PASSWORD)?;
    browser.click("button.main")?;
    browser.wait_for_text("h1", "Overview")?;

    // A held message, opened with a reason.
    browser.go(&format!("{base}/quarantine?subject=Proof"))?;
    browser.click("td.subject a")?;
    browser.fill(
        "form[action$='/read'] input[name=reason]",
        "the accountant asked",
    )?;
    browser.click_text("form[action$='/read'] button", "Read")?;
    browser.wait_for("pre.mail")?;
    let held = browser.url()?.replace(&base, "");
    browser.go(&format!("{base}/messages?level=dangerous"))?;
    browser.click("td.subject a")?;
    let message = browser.url()?.replace(&base, "");
    browser.go(&format!("{base}/messages?fate=delivered"))?;
    browser.click("td.subject a")?;
    let delivered = browser.url()?.replace(&base, "");
    browser.go(&format!("{base}/learning/campaigns"))?;
    browser.click("td.subject a")?;
    let campaign = browser.url()?.replace(&base, "");
    let pages = [
        ("overview", "/"),
        ("messages", "/messages"),
        ("message", &message),
        ("message-delivered", delivered.as_str()),
        ("quarantine", "/quarantine"),
        ("held", &held),
        ("domains", "/domains"),
        ("domain", "/domains/bank.example?try=yes"),
        ("domain-ours", "/domains/lindenhof.example"),
        ("domain-dns", "/domains/bank.example?dns=yes"),
        ("reports", "/reports"),
        ("users", "/users"),
        ("user", "/users/account/ann@ours.example"),
        ("learning", "/learning"),
        ("learning-log", "/learning/log?source=files"),
        ("campaigns", "/learning/campaigns"),
        ("campaign", campaign.as_str()),
        ("recalls", recalled),
        ("policy", "/policy"),
        ("policy-set", "/policy/set/advance-fee"),
        ("policy-text", "/policy/text"),
        ("policy-history", "/policy/history"),
        ("try", "/policy/try"),
        ("audit", "/audit"),
        ("people", "/people"),
        ("me", "/me"),
    ];
    let looks = [
        ("light", 1400, false),
        ("dark", 1400, true),
        ("narrow", 390, false),
    ];
    for (name, width, dark) in looks {
        browser.look(&Look {
            width,
            dark,
            ..Look::default()
        })?;
        for (page, path) in pages {
            browser.go(&format!("{base}{path}"))?;
            browser.screenshot(folder.join(format!("{page}-{name}.png")))?;
        }
    }
    browser.set_cookie("lang", "zh")?;
    browser.look(&Look {
        width: 1400,
        ..Look::default()
    })?;
    for (page, path) in [
        ("overview", "/"),
        ("message", message.as_str()),
        ("domains", "/domains"),
        ("domain", "/domains/bank.example?try=yes"),
        ("domain-dns", "/domains/bank.example?dns=yes"),
        ("reports", "/reports"),
        ("learning", "/learning"),
        ("campaign", campaign.as_str()),
        ("recalls", recalled),
    ] {
        browser.go(&format!("{base}{path}"))?;
        browser.screenshot(folder.join(format!("{page}-chinese.png")))?;
    }
    println!("pictures lie in {}", folder.display());
    Ok(())
}
