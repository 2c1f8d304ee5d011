//! Writing an aggregate report as RFC 9990 wants it, element by element in the order of its tables.

use mail::Timestamp;

use super::{
    Aggregate, Alignment, Discovery, Disposition, DkimOutcome, DkimResult, Override, OverrideKind,
    Published, Row, SpfResult, SpfScope,
};
use crate::xml::escaped;

/// The namespace of the format (RFC 9990 §3.1.1.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:dmarc-2.0";
/// Signatures of one row that are told (RFC 9990 §3.1.4).
const SIGNATURES_MAX: usize = 100;

impl Aggregate {
    /// The report as XML; `None` when it has no row, because a report must have one.
    pub fn to_xml(&self) -> Option<String> {
        if self.rows.is_empty() {
            return None;
        }
        let mut xml = Xml::default();
        xml.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        xml.line(&format!("<feedback xmlns=\"{NAMESPACE}\">"));
        xml.depth = 1;
        xml.value("version", "1.0");
        xml.within("report_metadata", |xml| self.write_metadata(xml));
        xml.within("policy_published", |xml| self.policy.write(xml));
        for row in &self.rows {
            xml.within("record", |xml| row.write(xml));
        }
        xml.depth = 0;
        xml.line("</feedback>");
        Some(xml.text)
    }

    fn write_metadata(&self, xml: &mut Xml) {
        xml.value("org_name", &self.reporter.organisation);
        xml.value("email", &self.reporter.email);
        xml.maybe("extra_contact_info", self.reporter.extra_contact.as_deref());
        xml.value("report_id", &self.report_id);
        let secs = |time: Timestamp| time.secs().max(0).to_string();
        xml.within("date_range", |xml| {
            xml.value("begin", &secs(self.begin));
            xml.value("end", &secs(self.end));
        });
        // The schema has room for one.
        if !self.errors.is_empty() {
            xml.value("error", &self.errors.join("; "));
        }
        xml.maybe("generator", self.reporter.generator.as_deref());
    }
}

impl Published {
    fn write(&self, xml: &mut Xml) {
        xml.value("domain", &self.domain);
        xml.maybe("discovery_method", self.discovery.map(Discovery::as_str));
        xml.value("p", asked(self.policy).as_str());
        xml.maybe("sp", self.subdomain_policy.map(|what| asked(what).as_str()));
        let absent = self.absent_subdomain_policy;
        xml.maybe("np", absent.map(|what| asked(what).as_str()));
        xml.maybe("fo", self.failure_options.as_deref());
        xml.maybe("adkim", self.dkim_alignment.map(Alignment::as_str));
        xml.maybe("aspf", self.spf_alignment.map(Alignment::as_str));
        let testing = self.testing.map(|testing| if testing { "y" } else { "n" });
        xml.maybe("testing", testing);
    }
}

/// What a policy can ask for; "pass" is only ever done.
const fn asked(policy: Disposition) -> Disposition {
    match policy {
        Disposition::Pass => Disposition::None,
        other => other,
    }
}

impl Row {
    fn write(&self, xml: &mut Xml) {
        let result = |aligned: bool| if aligned { "pass" } else { "fail" };
        xml.within("row", |xml| {
            // An IPv4 address inside an IPv6 one does not fit the schema's patterns.
            xml.value("source_ip", &self.source_ip.to_canonical().to_string());
            xml.value("count", &self.messages.to_string());
            xml.within("policy_evaluated", |xml| {
                xml.value("disposition", self.disposition.as_str());
                xml.value("dkim", result(self.dkim_aligned));
                xml.value("spf", result(self.spf_aligned));
                for reason in &self.overrides {
                    xml.within("reason", |xml| reason.write(xml));
                }
            });
        });
        xml.within("identifiers", |xml| {
            xml.value("header_from", &self.header_from);
            xml.maybe("envelope_from", self.envelope_from.as_deref());
        });
        xml.within("auth_results", |xml| {
            for result in self.signatures_told() {
                xml.within("dkim", |xml| result.write(xml));
            }
            // RFC 9990 has one SPF result, of the envelope sender.
            let of_sender = |result: &&SpfResult| result.scope != Some(SpfScope::Helo);
            if let Some(result) = self.spf.iter().find(of_sender) {
                xml.within("spf", |xml| result.write(xml));
            }
        });
    }

    /// Signatures in the order in which they say most (RFC 9990 §3.1.4): passing and aligned strictly, passing within the
    /// domain, passing, others.
    fn signatures_told(&self) -> Vec<&DkimResult> {
        let worth = |result: &&DkimResult| {
            let within = |a: &str, b: &str| {
                a.strip_suffix(b)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            let (domain, from) = (result.domain.as_str(), self.header_from.as_str());
            match (result.outcome == DkimOutcome::Pass, domain == from) {
                (true, true) => 0,
                (true, false) if within(domain, from) || within(from, domain) => 1,
                (true, false) => 2,
                (false, _) => 3,
            }
        };
        let mut told: Vec<&DkimResult> = self.dkim.iter().collect();
        told.sort_by_key(worth);
        told.truncate(SIGNATURES_MAX);
        told
    }
}

impl Override {
    fn write(&self, xml: &mut Xml) {
        let (kind, comment) = match self.kind {
            // RFC 9990 dropped these words; the reason itself is told all the same.
            OverrideKind::Forwarded | OverrideKind::SampledOut => {
                let comment = self.comment.as_deref().unwrap_or(self.kind.as_str());
                (OverrideKind::Other, Some(comment))
            }
            kind => (kind, self.comment.as_deref()),
        };
        xml.value("type", kind.as_str());
        xml.maybe("comment", comment);
    }
}

impl DkimResult {
    fn write(&self, xml: &mut Xml) {
        xml.value("domain", &self.domain);
        xml.value("selector", self.selector.as_deref().unwrap_or_default());
        xml.value("result", self.outcome.as_str());
        xml.maybe("human_result", self.explanation.as_deref());
    }
}

impl SpfResult {
    fn write(&self, xml: &mut Xml) {
        xml.value("domain", &self.domain);
        xml.value("scope", SpfScope::MailFrom.as_str());
        xml.value("result", self.outcome.as_str());
        xml.maybe("human_result", self.explanation.as_deref());
    }
}

/// XML being written, indented.
#[derive(Default)]
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn value(&mut self, name: &str, value: &str) {
        self.line(&format!("<{name}>{}</{name}>", escaped(value)));
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.line(&format!("<{name}>"));
        self.depth += 1;
        write(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }
}
