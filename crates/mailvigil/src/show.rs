//! How records and verdicts look in a terminal.
//!
//! Everything that came out of a message goes through [`safe`]: a subject must not move the cursor, colour the
//! screen or turn the writing direction of the person who investigates it.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use engine::Replay;
use judge::counterfactual::Change;
use mail::{Level, Outcome, Reason, Record, Verdict};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text from outside with control characters, line breaks and direction marks made visible.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || is_invisible(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// At most `columns` wide (a Chinese character is two columns), with an ellipsis where something was left out.
pub fn short(text: &str, columns: usize) -> String {
    let text = safe(text);
    if text.width() <= columns {
        return text;
    }
    let mut left = columns.saturating_sub(1);
    let fits = text.chars().take_while(|c| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    });
    let mut cut: String = fits.collect();
    cut.push('…');
    cut
}

/// [`short`], and filled with spaces to exactly `columns`.
pub fn column(text: &str, columns: usize) -> String {
    let mut text = short(text, columns);
    text.extend(std::iter::repeat_n(
        ' ',
        columns.saturating_sub(text.width()),
    ));
    text
}

/// A table without noise: headings bold, columns that wrap.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let bold = |heading: &&str| Cell::new(heading).add_attribute(Attribute::Bold);
    table.set_header(headings.iter().map(bold));
    table
}

/// A level in its colour.
pub fn level(level: Level) -> Cell {
    let color = match level {
        Level::Ordinary => Color::Green,
        Level::Suspicious => Color::Yellow,
        Level::Dangerous => Color::Red,
    };
    Cell::new(level.as_str()).fg(color)
}

/// One line of why: the strongest reasons, with what they add.
pub fn why(verdict: &Verdict, columns: usize) -> String {
    let reasons = verdict.reasons.iter().take(4).map(|reason| {
        if reason.score == 0.0 {
            reason.name.clone()
        } else {
            format!("{} {:+.1}", reason.name, reason.score)
        }
    });
    short(&reasons.collect::<Vec<_>>().join(", "), columns)
}

/// The story of one message, for a person.
pub fn story(record: &Record) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<14}{}", safe(value));
        }
    };
    let envelope = &record.envelope;
    line("record", &record.id.to_string());
    line(
        "judged",
        &format!("{} in {:.1} ms", record.at, record.took_us as f64 / 1000.0),
    );
    line(
        "server",
        &format!("{} ({} door)", envelope.server, envelope.door),
    );
    line("queue id", envelope.queue_id.as_deref().unwrap_or_default());
    line("direction", envelope.direction.as_str());
    line("from machine", &machine(record));
    line(
        "encrypted",
        &envelope
            .tls
            .as_ref()
            .map(|tls| format!("{} {}", tls.version, tls.cipher))
            .unwrap_or_default(),
    );
    line("account", envelope.account.as_deref().unwrap_or_default());
    line(
        "envelope from",
        &envelope
            .envelope_from
            .as_ref()
            .map_or_else(|| "<>".to_owned(), ToString::to_string),
    );
    line(
        "visible from",
        record.header_from.as_deref().unwrap_or_default(),
    );
    line("subject", &record.subject);
    line(
        "message-id",
        record.message_id.as_deref().unwrap_or_default(),
    );
    line(
        "size",
        &format!("{} bytes, sha-256 {}", record.size_bytes, record.digest),
    );
    line("became", record.fate.as_str());
    line("note", record.note.as_deref().unwrap_or_default());
    match &record.verdict {
        None => out.push_str("\nno verdict: see the note\n"),
        Some(verdict) => out.push_str(&ledger(verdict)),
    }
    out
}

/// The machine that handed it over, in one line.
fn machine(record: &Record) -> String {
    let peer = &record.envelope.peer;
    let ip = peer
        .ip
        .map_or_else(|| "the server itself".to_owned(), |ip| ip.to_string());
    let ptr_name = peer.ptr_name.as_deref().unwrap_or("no verified name");
    let helo_name = record.envelope.helo_name.as_deref().unwrap_or("nothing");
    format!("{ip} ({ptr_name}), which called itself {helo_name}")
}

/// The verdict as a sum in words, then who got what.
pub fn ledger(verdict: &Verdict) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\nverdict       {}, score {:.1}, {} (policy version {})\n",
        verdict.level.as_str(),
        verdict.score,
        verdict.action,
        verdict.policy_version,
    );
    for reason in &verdict.reasons {
        out.push_str(&entry(reason));
    }
    for unknown in &verdict.unknown {
        let _ = writeln!(out, "     ?  not known when judged: {}", safe(unknown));
    }
    out.push('\n');
    out.push_str(&outcomes(&verdict.outcomes));
    out
}

/// What another policy would have done with recorded mail.
pub fn replay(replay: &Replay) -> String {
    let mut out = String::new();
    let since = replay
        .since
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "{} of {} recorded messages{since} would go another way.",
        replay.changed_count, replay.judged
    );
    for (before, after, count) in &replay.actions {
        let _ = writeln!(out, "{count:>6}  {before} → {after}");
    }
    for (before, after, count) in &replay.levels {
        let _ = writeln!(out, "{count:>6}  {} → {}", before.as_str(), after.as_str());
    }
    if !replay.changed.is_empty() {
        let mut table = table(&["id", "from", "subject", "did", "would", "why"]);
        for one in &replay.changed {
            table.add_row(vec![
                one.id.to_string(),
                short(one.from.as_deref().unwrap_or("<>"), 40),
                short(&one.subject, 50),
                format!("{} {:.1}", one.before, one.score_before),
                format!("{} {:.1}", one.after, one.score_after),
                short(&one.reasons.join(" "), 60),
            ]);
        }
        let _ = writeln!(out, "\n{table}");
    }
    out.push_str(&unseen(replay));
    out
}

/// What a what-if could not see.
fn unseen(replay: &Replay) -> String {
    let mut out = String::new();
    if replay.without_facts > 0 {
        let _ = writeln!(
            out,
            "{} more could not be judged: their facts are not kept any more.",
            replay.without_facts
        );
    }
    if replay.cut {
        out.push_str("Older mail was not looked at: this is as far as one asking goes.\n");
    }
    if !replay.unseen_terms.is_empty() {
        let terms = short(&replay.unseen_terms.join(", "), 200);
        let _ = writeln!(
            out,
            "Nobody looked for these then, so they were found in held mail only: {terms}"
        );
    }
    if !replay.unseen_spans.is_empty() {
        let spans: Vec<String> = replay
            .unseen_spans
            .iter()
            .map(|secs| format!("{secs} s"))
            .collect();
        let _ = writeln!(
            out,
            "Nobody counted within these spans then: {}",
            spans.join(", ")
        );
    }
    out
}

/// What would have altered the outcome, one sentence a line.
pub fn changes(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        let _ = match change {
            Change::Without {
                reasons,
                score,
                level,
            } => writeln!(
                out,
                "  without {}: {score:.1}, {}",
                safe(&reasons.join(", ")),
                level.as_str()
            ),
            Change::Boundary { level, from, to } => writeln!(
                out,
                "  with the boundary of {} at {to:.1} instead of {from:.1}: one level lower",
                level.as_str()
            ),
            Change::More { score, level } => {
                writeln!(out, "  {score:.1} more: {}", level.as_str())
            }
            Change::Demand { reason, demand } => {
                let demanded = match demand {
                    mail::verdict::Demand::Level(level) => level.as_str().to_owned(),
                    mail::verdict::Demand::Action(action) => action.to_string(),
                };
                writeln!(
                    out,
                    "  {} decides whatever the score: {demanded}",
                    safe(reason)
                )
            }
        };
    }
    out
}

fn entry(reason: &Reason) -> String {
    let mut out = String::new();
    let amount = match &reason.demands {
        Some(mail::verdict::Demand::Level(level)) => format!("≥ {}", level.as_str()),
        Some(mail::verdict::Demand::Action(action)) => action.as_str().to_owned(),
        None => format!("{:+.1}", reason.score),
    };
    let _ = writeln!(
        out,
        "{amount:>6}  {} — {}",
        safe(&reason.name),
        safe(&reason.text)
    );
    for evidence in &reason.evidence {
        let place = evidence
            .place
            .as_ref()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        let quote = evidence
            .quote
            .as_deref()
            .map(|quote| format!(": {}", safe(quote)))
            .unwrap_or_default();
        let _ = writeln!(out, "          {place}{}{quote}", safe(&evidence.text));
    }
    out
}

fn outcomes(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes.iter().take(20) {
        let _ = writeln!(
            out,
            "  {:<40} {} ({}, {:.1})",
            safe(outcome.recipient.as_str()),
            outcome.action,
            outcome.level.as_str(),
            outcome.score,
        );
    }
    if outcomes.len() > 20 {
        let _ = writeln!(
            out,
            "  … and {} more recipients (see --json)",
            outcomes.len() - 20
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(safe("a\u{1b}[2Jb\r\nc"), "a\\u{1b}[2Jb  c");
        assert_eq!(safe("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
        assert_eq!(safe("发票 ok"), "发票 ok");
    }

    #[test]
    fn columns_line_up_whatever_the_script() {
        assert_eq!(short("发票代开", 5), "发票…");
        assert_eq!(short("发票代开", 4), "发…");
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(column("发票", 6), "发票  ");
        assert_eq!(column("abcdefgh", 6), "abcde…");
    }
}
