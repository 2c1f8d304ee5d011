//! Writing a failure report (RFC 6591, RFC 9991). The names of recipients cannot be written: there is no field for them.

use super::{Failure, Feedback, Redactor};
use crate::time::mail_date;

impl Feedback {
    /// The part `message/feedback-report`, with every address redacted.
    pub fn to_fields(&self, redactor: &Redactor) -> String {
        let mut fields = Fields::default();
        fields.add("Feedback-Type", self.kind.as_str());
        let program = self.user_agent.as_deref().unwrap_or("Mailvigil");
        fields.add("User-Agent", program);
        fields.add("Version", "1");
        if let Some(failure) = &self.failure {
            failure.write(&mut fields, redactor);
        }
        if let Some(sender) = &self.envelope_from {
            let sender = redactor.address(sender);
            fields.add("Original-Mail-From", &format!("<{sender}>"));
        }
        fields.maybe("Original-Envelope-Id", self.envelope_id.as_deref());
        if let Some(arrival) = self.arrival {
            fields.add("Arrival-Date", &mail_date(arrival));
        }
        if let Some(mta) = &self.reporting_mta {
            fields.add("Reporting-MTA", &format!("dns; {mta}"));
        }
        if let Some(ip) = self.source_ip {
            fields.add("Source-IP", &ip.to_canonical().to_string());
        }
        for result in &self.authentication_results {
            fields.add("Authentication-Results", &redactor.text(result));
        }
        for domain in &self.domains {
            fields.add("Reported-Domain", domain);
        }
        for uri in &self.uris {
            fields.add("Reported-URI", &redactor.text(uri));
        }
        if self.incidents > 1 {
            fields.add("Incidents", &self.incidents.to_string());
        }
        fields.text
    }
}

impl Failure {
    fn write(&self, fields: &mut Fields, redactor: &Redactor) {
        for check in &self.checks {
            fields.add("Auth-Failure", check.as_str());
        }
        fields.add("Identity-Alignment", self.unaligned());
        let delivery = self.delivery.as_ref();
        fields.maybe("Delivery-Result", delivery.map(super::Delivery::as_str));
        fields.maybe("DKIM-Domain", self.dkim_domain.as_deref());
        let identity = self.dkim_identity.as_deref();
        let identity = identity.map(|identity| redactor.text(identity));
        fields.maybe("DKIM-Identity", identity.as_deref());
        fields.maybe("DKIM-Selector", self.dkim_selector.as_deref());
        for record in &self.spf_records {
            fields.add("SPF-DNS", record);
        }
    }
}

/// Fields being written, one line each.
#[derive(Default)]
struct Fields {
    text: String,
}

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        // Nothing from outside may begin a field of its own.
        let value: String = value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.text.push_str(&format!("{name}: {}\r\n", value.trim()));
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}
