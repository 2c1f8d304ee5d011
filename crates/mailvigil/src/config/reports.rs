//! `[reports]`: what is kept of others' reports about our domains, and what we report.

use engine::{ReportSettings, UsageOrder};
use mail::{Address, Domain};
use written::Section;

/// Days between two usage reports when nothing is said.
const USAGE_DAYS: u32 = 7;

/// Reads the section.
pub fn read(section: Section<'_, '_>) -> ReportSettings {
    let from = section.text(
        "from",
        "an address such as \"reports@example.org\"",
        address,
    );
    let organisation = section.text("organisation", "a name", name).or_else(|| {
        let domain = from.as_ref().and_then(Address::domain)?;
        Some(domain.to_string())
    });
    let settings = ReportSettings {
        inbox: addresses(&section, "inbox"),
        complaints_from: section
            .texts(
                "complaints_from",
                "domains of mail services that send feedback reports, such as \"yahoo.com\"",
                Domain::parse,
            )
            .unwrap_or_default(),
        aggregate: section.flag("dmarc").unwrap_or(false),
        failures: section.flag("failures").unwrap_or(false),
        tls: section.flag("tls").unwrap_or(false),
        alert: addresses(&section, "alert"),
        usage: section
            .sections("usage")
            .into_iter()
            .filter_map(usage)
            .collect(),
        organisation: organisation.unwrap_or_default(),
        from,
    };
    if settings.wants() && settings.from.is_none() {
        let right = "from = \"reports@example.org\", an address of a domain that you sign for";
        section.complain("from", "is missing: reports are to be sent", right);
    }
    section.finish();
    settings
}

fn usage(section: Section<'_, '_>) -> Option<UsageOrder> {
    let domain = section.required("domain", "a domain name", Domain::parse);
    let to = addresses(&section, "to");
    if to.is_empty() {
        section.complain(
            "to",
            "is missing",
            "addresses, as in to = [\"owner@example.org\"]",
        );
    }
    let every_days = section.number("every_days", 1..=366);
    section.finish();
    Some(UsageOrder {
        domain: domain?,
        to,
        every_days: every_days.map_or(USAGE_DAYS, |days| days as u32),
    })
}

fn addresses(section: &Section<'_, '_>, key: &'static str) -> Vec<Address> {
    section
        .texts(key, "addresses such as \"reports@example.org\"", address)
        .unwrap_or_default()
}

fn address(text: &str) -> Result<Address, &'static str> {
    let address = Address::new(text).filter(|address| address.domain().is_some());
    address.ok_or("is no address with a domain")
}

fn name(text: &str) -> Result<String, &'static str> {
    let good = !text.trim().is_empty() && !text.chars().any(char::is_control);
    good.then(|| text.to_owned()).ok_or("is no name")
}
