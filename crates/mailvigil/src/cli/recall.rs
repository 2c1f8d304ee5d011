//! Delivered copies called back.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum RecallCommand {
    /// Take delivered copies out of mailboxes; a running node with `[recall]` does it within seconds.
    Take(TakeArgs),
    /// What was called back, by whom, and what came of it.
    List {
        /// Of this message only: record id, queue id or Message-ID.
        message: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Put the copies of a message into their mailboxes again.
    Back {
        /// Which: record id, queue id or Message-ID.
        message: String,
        /// Why; written into the log of acts.
        #[arg(long, short = 'm')]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub struct TakeArgs {
    /// Messages: record id, queue id or Message-ID.
    #[arg(required_unless_present = "campaign")]
    pub messages: Vec<String>,
    /// Every delivered message of this campaign instead (see `learn campaigns`).
    #[arg(long, value_name = "NAME", conflicts_with = "messages")]
    pub campaign: Option<String>,
    /// Why; written into the log of acts.
    #[arg(long, short = 'm')]
    pub reason: String,
}
