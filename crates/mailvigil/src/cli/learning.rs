//! What is said of mail for the learner, and what is asked about it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum LearnCommand {
    /// How far the learner has come, and what it rests on.
    Status {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Learn files as wanted mail.
    Wanted(LearnArgs),
    /// Learn files as unwanted mail.
    Unwanted(LearnArgs),
    /// The few messages worth saying something about: answer with `quarantine teach`.
    Questions {
        /// How many at most.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Messages with about the same text that came lately; of one campaign, who got it.
    Campaigns {
        /// Which; without, all of them.
        name: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// The training log: who said what of which message, the newest first.
    Log(LogArgs),
    /// Take back what was learnt from some lessons, as if they had never been given.
    TakeBack(TakeBackArgs),
}

#[derive(Debug, Args)]
pub struct LearnArgs {
    /// Files, mailboxes (mbox), folders of them (Maildir), folders on a server such as `imaps://ann@mail.example.org/Junk`; `-` is standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The file with the password for those on a server.
    #[arg(long, value_name = "FILE")]
    pub imap_password_file: Option<PathBuf>,
    /// Certificates in PEM that the server's must be signed by, instead of those the system believes.
    #[arg(long, value_name = "FILE")]
    pub imap_ca: Option<PathBuf>,
    /// Of which class they are, as in `lottery` or `newsletter`, for the classifier in two phases.
    #[arg(long, value_name = "CLASS", conflicts_with = "door")]
    pub class: Option<String>,
    /// Believe it as a user's report rather than as a word of somebody who looks after mail.
    #[arg(long, value_name = "WHO")]
    pub reported_by: Option<String>,
    /// Hand it to the scanning door of a service instead, as `http://127.0.0.1:11334`: for accounts that may not read our data, such as Dovecot's.
    #[arg(long, value_name = "URL", requires = "reported_by")]
    pub door: Option<String>,
    /// The file with the secret of that door.
    #[arg(long, value_name = "FILE", requires = "door")]
    pub secret_file: Option<PathBuf>,
}

/// Which lessons.
#[derive(Debug, Args)]
pub struct LessonArgs {
    /// Of this message: record id, queue id or Message-ID.
    #[arg(long)]
    pub message: Option<String>,
    /// By this person, user or trap.
    #[arg(long)]
    pub who: Option<String>,
    /// Of mail by this sender: an address, or `@domain`.
    #[arg(long)]
    pub sender: Option<String>,
    /// That came so.
    #[arg(long, value_parser = ["desk", "quarantine", "door", "files", "trap", "reply"])]
    pub source: Option<String>,
    /// Said since then: a time, or a span such as `2h`, `3d`.
    #[arg(long)]
    pub since: Option<String>,
    /// Said before then.
    #[arg(long)]
    pub until: Option<String>,
}

#[derive(Debug, Args)]
pub struct LogArgs {
    #[command(flatten)]
    pub which: LessonArgs,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TakeBackArgs {
    #[command(flatten)]
    pub which: LessonArgs,
    /// Why; written into the log of acts.
    #[arg(long, short = 'm')]
    pub reason: String,
}
