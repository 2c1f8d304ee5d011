//! Mailvigil: the program. Command line, configuration, listeners and wiring; no rule about mail stands here.
//!
//! `main` reads the command line and hands over to the file of the same name in `commands`. [`service`] is the story of a
//! start: log, configuration, parts, listeners, wait, drain.

// What was asked for.
mod cli;
mod config;

// The running service.
mod carry_out;
mod doors;
mod firewall;
mod imap;
mod journal;
mod log_tales;
mod mail_log;
mod recall;
mod service;

// What a person sees and gives.
mod commands;
mod demo;
mod eval;
mod input;
mod show;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Some(code) = reader() {
        return code;
    }
    // A closed pipe (`| head`) ends the program quietly, as everywhere on Unix, instead of panicking in print.
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            eprint!("{}", in_words(&error));
            if error.is::<Problems>() {
                ExitCode::from(3)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// A reader of documents is this program under another name: it starts before anything else is set up, because it must lock itself in
/// while it is alone in its process.
fn reader() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some(documents::worker::COMMAND) {
        return None;
    }
    let memory = args.next().and_then(|memory| memory.parse().ok());
    Some(documents::worker::run(
        memory.unwrap_or(mail::Limits::default().document_memory_bytes),
    ))
}

/// Everything wrong with a file, said at once. Ends the program with exit code 3.
#[derive(Debug)]
pub struct Problems {
    /// `configuration FILE`, `policy FILE`
    pub what: String,
    /// One problem each, with its line.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.lines.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        write!(f, "{count} {plural} in the {}:", self.what)?;
        for line in &self.lines {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The error and what it came from, one line each; no stack trace.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = format!("mailvigil: {error}\n");
    for cause in error.chain().skip(1) {
        words.push_str(&format!("  because: {cause}\n"));
    }
    words
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is))
}
