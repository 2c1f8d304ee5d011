//! Building the mail that carries a report we made.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use mail::{Address, Domain, Timestamp};

use super::mime::Mail;
use crate::feedback::{Feedback, Redactor};
use crate::time::mail_date;
use crate::{Aggregate, TlsReport};

/// Who sends reports from here.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The mailbox they come from. Its domain must be one we sign for: a report must itself pass DMARC (RFC 9990 §3.5.2).
    pub address: Address,
    /// The domain that reports.
    pub domain: Domain,
}

/// A mail, ready to be signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Envelope and visible sender.
    pub from: Address,
    /// Its `Message-ID`, without angle brackets.
    pub message_id: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Why a report cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBuilt {
    /// A report of nothing is not sent.
    #[error("there is nothing to report")]
    Nothing,
    /// A name in it would break the mail.
    #[error("{0:?} cannot stand in a report's header")]
    BadName(String),
}

/// The mail of an aggregate report, to one destination.
pub fn aggregate(
    report: &Aggregate,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
) -> Result<Letter, NotBuilt> {
    let xml = report.to_xml().ok_or(NotBuilt::Nothing)?;
    let domain = policy_domain(&report.policy.domain)?;
    let id = report_id(&report.report_id)?;
    let mut mail = begin(sender, to, now, &domain, id)?;
    mail.multipart("multipart/mixed");
    mail.text_part(
        "text/plain; charset=utf-8",
        &format!(
            "DMARC aggregate report about {domain}, by {}.\n{} messages, {} of them passed.\n",
            sender.domain,
            report.messages(),
            report.passed()
        ),
    );
    let name = file_name(sender, &domain, (report.begin, report.end), "xml.gz");
    mail.file("application/gzip", &name, &gzip(xml.as_bytes()));
    Ok(finish(mail, sender, id))
}

/// The mail of a TLS report about `domain`, to one destination.
pub fn tls(
    report: &TlsReport,
    domain: &Domain,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
) -> Result<Letter, NotBuilt> {
    if report.policies.is_empty() {
        return Err(NotBuilt::Nothing);
    }
    let id = report_id(&report.report_id)?;
    let mut mail = begin(sender, to, now, domain, id)?;
    mail.field("TLS-Report-Domain", domain.as_str());
    mail.field("TLS-Report-Submitter", sender.domain.as_str());
    mail.multipart("multipart/report; report-type=\"tlsrpt\"");
    mail.text_part(
        "text/plain; charset=utf-8",
        &format!(
            "TLS report about {domain}, by {}.\n{} sessions as the policies want, {} not.\n",
            sender.domain,
            report.successful(),
            report.failed()
        ),
    );
    let name = file_name(sender, domain, (report.begin, report.end), "json.gz");
    let packed = gzip(report.to_json().as_bytes());
    mail.file("application/tlsrpt+gzip", &name, &packed);
    Ok(finish(mail, sender, id))
}

/// The mail of a report about one message's failure, to one destination. `header` is the message's, unfolded, top first.
pub fn feedback(
    report: &Feedback,
    header: &[(String, String)],
    redactor: &Redactor,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
    id: &str,
) -> Result<Letter, NotBuilt> {
    let id = report_id(id)?;
    let domain = report.domains.first().map_or("", String::as_str);
    let domain = policy_domain(domain)?;
    let mut mail = Mail::new(&boundary(id));
    envelope(&mut mail, sender, to, now, id)?;
    mail.field("Subject", &format!("Failure report about {domain}"));
    mail.multipart("multipart/report; report-type=feedback-report");
    mail.text_part(
        "text/plain; charset=utf-8",
        &format!(
            "A message that says to come from {domain} could not be shown to be authentic.\n\
             Addresses are replaced by keyed hashes (RFC 6590); recipients and content are left out.\n"
        ),
    );
    mail.text_part("message/feedback-report", &report.to_fields(redactor));
    mail.text_part("text/rfc822-headers", &redactor.header(header));
    Ok(finish(mail, sender, id))
}

/// What aggregate and TLS reports begin with; RFC 8460 §5.3 took the subject over from DMARC.
fn begin(
    sender: &Sender,
    to: &Address,
    now: Timestamp,
    domain: &Domain,
    id: &str,
) -> Result<Mail, NotBuilt> {
    let mut mail = Mail::new(&boundary(id));
    envelope(&mut mail, sender, to, now, id)?;
    let submitter = &sender.domain;
    let subject = format!("Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}>");
    mail.field("Subject", &subject);
    Ok(mail)
}

pub(super) fn envelope(
    mail: &mut Mail,
    sender: &Sender,
    to: &Address,
    now: Timestamp,
    id: &str,
) -> Result<(), NotBuilt> {
    mail.field("Date", &mail_date(now));
    mail.field("From", &format!("<{}>", plain(sender.address.as_str())?));
    mail.field("To", &format!("<{}>", plain(to.as_str())?));
    mail.field("Message-ID", &format!("<{}>", message_id(sender, id)));
    // Nobody shall answer by machine (RFC 3834 §5).
    mail.field("Auto-Submitted", "auto-generated");
    Ok(())
}

pub(super) fn finish(mail: Mail, sender: &Sender, id: &str) -> Letter {
    Letter {
        from: sender.address.clone(),
        message_id: message_id(sender, id),
        bytes: mail.finish(),
    }
}

/// The report's own id where it has a domain, so that a second sending shows to be one (RFC 9990 §3.5.2).
fn message_id(sender: &Sender, id: &str) -> String {
    if id.contains('@') {
        return id.to_owned();
    }
    format!("{id}@{}", sender.domain)
}

/// `receiver!policy-domain!begin!end.extension`
fn file_name(
    sender: &Sender,
    domain: &Domain,
    time: (Timestamp, Timestamp),
    extension: &str,
) -> String {
    let (begin, end) = (time.0.secs().max(0), time.1.secs().max(0));
    format!("{}!{domain}!{begin}!{end}.{extension}", sender.domain)
}

fn policy_domain(domain: &str) -> Result<Domain, NotBuilt> {
    Domain::parse(domain).map_err(|_| NotBuilt::BadName(domain.to_owned()))
}

/// A report id must be `dot-atom-text ["@" dot-atom-text]` (RFC 9990 §3.5.1).
pub(super) fn report_id(id: &str) -> Result<&str, NotBuilt> {
    let (left, right) = id.split_once('@').unwrap_or((id, "x"));
    let atoms = |text: &str| {
        text.split('.').all(|atom| {
            let letter =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
            !atom.is_empty() && atom.bytes().all(letter)
        })
    };
    (id.len() <= 200 && atoms(left) && atoms(right))
        .then_some(id)
        .ok_or_else(|| NotBuilt::BadName(id.to_owned()))
}

/// An address that is no more than one.
fn plain(address: &str) -> Result<&str, NotBuilt> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>,;\"".contains(&byte);
    address
        .bytes()
        .all(plain)
        .then_some(address)
        .ok_or_else(|| NotBuilt::BadName(address.to_owned()))
}

/// A line that base64 cannot be, and that nothing we write as text is.
pub(super) fn boundary(id: &str) -> String {
    let hash = <sha2::Sha256 as sha2::Digest>::digest(id.as_bytes());
    format!("=_report_{}", data_encoding::HEXLOWER.encode(&hash[..12]))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer
        .write_all(bytes)
        .expect("writing to memory does not fail");
    packer.finish().expect("writing to memory does not fail")
}
