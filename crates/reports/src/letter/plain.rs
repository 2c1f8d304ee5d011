//! Mail of ours that tells people something: how a domain is used, what is new.

use mail::{Address, Timestamp};

use super::build::{Letter, NotBuilt, Sender, boundary, envelope, finish, report_id};
use super::mime::Mail;
use crate::Usage;

/// The mail of a usage report, to one destination: a summary to read, and the whole as HTML, CSV and JSON.
pub fn usage(
    report: &Usage,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
    id: &str,
) -> Result<Letter, NotBuilt> {
    if report.servers.is_empty() {
        return Err(NotBuilt::Nothing);
    }
    let id = report_id(id)?;
    let domain = &report.domain;
    let mut mail = Mail::new(&boundary(id));
    envelope(&mut mail, sender, to, now, id)?;
    mail.field(
        "Subject",
        &format!("Usage of {domain}, as seen by {}", sender.domain),
    );
    mail.multipart("multipart/mixed");
    let totals = report.totals();
    let mut text = format!(
        "Mail that says to come from {domain}, {} to {}: {} messages from {} outbound servers; {} signed and authentic, {} unsigned, {} signed but not authentic.\n",
        report.begin,
        report.end,
        totals.total,
        report.servers.len(),
        totals.authentic,
        totals.unsigned,
        totals.unauthentic
    );
    for advice in &report.advice {
        text.push_str("\n- ");
        text.push_str(advice);
        text.push('\n');
    }
    mail.text_part("text/plain; charset=utf-8", &text);
    let name = |ending: &str| format!("usage-{domain}.{ending}");
    mail.file(
        "text/html; charset=utf-8",
        &name("html"),
        report.to_html().as_bytes(),
    );
    mail.file(
        "text/csv; charset=utf-8",
        &name("csv"),
        report.to_csv().as_bytes(),
    );
    mail.file(
        "application/json",
        &name("json"),
        report.to_json().as_bytes(),
    );
    Ok(finish(mail, sender, id))
}

/// A mail of plain text.
pub fn notice(
    subject: &str,
    text: &str,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
    id: &str,
) -> Result<Letter, NotBuilt> {
    if text.is_empty() {
        return Err(NotBuilt::Nothing);
    }
    let id = report_id(id)?;
    let mut mail = Mail::new(&boundary(id));
    envelope(&mut mail, sender, to, now, id)?;
    mail.field("Subject", subject);
    mail.multipart("multipart/mixed");
    mail.text_part("text/plain; charset=utf-8", text);
    Ok(finish(mail, sender, id))
}
