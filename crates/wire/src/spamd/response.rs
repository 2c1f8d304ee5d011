//! Answers.

use std::fmt::Write as _;

use super::{Dialect, Misfit, Request, Verb};

/// What a client is told about a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<'r> {
    /// Above the first boundary?
    pub is_spam: bool,
    /// The sum.
    pub score: f64,
    /// Where spam begins.
    pub threshold: f64,
    /// Where refusal begins.
    pub reject_threshold: f64,
    /// In Rspamd's words: `no action`, `add header`, `reject`, `soft reject`, `discard`.
    pub action: &'r str,
    /// What spoke for and against it, with what each adds.
    pub symbols: Vec<(&'r str, f64)>,
    /// For people, lines ending in LF.
    pub text: &'r str,
    /// The message with the header fields that say what was found.
    pub changed: &'r [u8],
}

/// The answer to any verb that asks about a message.
pub fn answer_check(request: &Request, report: &Report<'_>) -> Vec<u8> {
    match request.dialect {
        Dialect::Spamc => spamd(request, report),
        Dialect::Rspamc => rspamd(report),
    }
}

/// `PONG`.
pub fn answer_ping() -> Vec<u8> {
    b"SPAMD/1.5 0 PONG\r\n".to_vec()
}

/// To `TELL`: noted, or nothing done.
pub fn answer_tell(noted: bool) -> Vec<u8> {
    let did = if noted { "DidSet: local\r\n" } else { "" };
    format!("SPAMD/1.5 0 EX_OK\r\n{did}Content-length: 0\r\n\r\n").into_bytes()
}

/// To a client that does not speak the protocol: `EX_PROTOCOL`.
pub fn answer_misfit(misfit: &Misfit) -> Vec<u8> {
    line(76, &misfit.to_string())
}

/// To a client that asked well, when we cannot answer: `EX_TEMPFAIL`. Clients deliver or wait, as they are told.
pub fn answer_trouble(why: &str) -> Vec<u8> {
    line(75, why)
}

fn line(code: u8, text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(400).collect();
    format!("SPAMD/1.5 {code} {text}\r\n").into_bytes()
}

fn spamd(request: &Request, report: &Report<'_>) -> Vec<u8> {
    let names: Vec<&str> = report.symbols.iter().map(|(name, _)| *name).collect();
    let body: Vec<u8> = match request.verb {
        Verb::Symbols => names.join(",").into_bytes(),
        Verb::Report => report.text.as_bytes().to_vec(),
        Verb::ReportIfSpam if report.is_spam => report.text.as_bytes().to_vec(),
        Verb::Process => report.changed.to_vec(),
        Verb::Headers => header_of(report.changed).to_vec(),
        _ => Vec::new(),
    };
    let mut answer = format!(
        "SPAMD/1.1 0 EX_OK\r\nContent-length: {}\r\nSpam: {} ; {:.1} / {:.1}\r\n\r\n",
        body.len(),
        if report.is_spam { "True" } else { "False" },
        report.score,
        report.threshold
    )
    .into_bytes();
    answer.extend(body);
    answer
}

fn rspamd(report: &Report<'_>) -> Vec<u8> {
    let mut answer = format!(
        "RSPAMD/1.3 0 EX_OK\r\nMetric: default; {}; {:.2} / {:.2} / {:.2}\r\nAction: {}\r\n",
        if report.is_spam { "True" } else { "False" },
        report.score,
        report.threshold,
        report.reject_threshold,
        report.action
    );
    for (name, points) in &report.symbols {
        let _ = write!(answer, "Symbol: {name}({points:.2})\r\n");
    }
    answer.push_str("\r\n");
    answer.into_bytes()
}

/// The header with the empty line behind it.
fn header_of(message: &[u8]) -> &[u8] {
    let ends =
        |at: usize| message[at..].starts_with(b"\n\n") || message[at..].starts_with(b"\n\r\n");
    match (0..message.len()).find(|at| ends(*at)) {
        Some(at) if message[at + 1] == b'\r' => &message[..at + 3],
        Some(at) => &message[..at + 2],
        None => message,
    }
}
