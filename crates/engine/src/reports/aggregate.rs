//! One day of our records as DMARC aggregate reports (RFC 9990): who was seen sending as a domain, how that authenticated, and what we did.
//!
//! Only what the domain's owner can know of his own mail is told: machines, domains, outcomes, numbers. Recipients and senders' mailboxes never are.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use mail::authentication::{
    ArcResult, Disposition as Asked, Dmarc, DmarcPolicy, DmarcResult, Scheme, Signature,
    SignatureResult, Spf, SpfResult,
};
use mail::{Authentication, Domain, Facts, Fate, Known, Limits, Timestamp};
use reports::Aggregate;
use reports::aggregate::{
    Alignment, Discovery, Disposition, DkimOutcome, DkimResult, Override, OverrideKind, Published,
    Reporter, Row, SpfOutcome, SpfResult as SpfTold, SpfScope,
};
use sha2::{Digest, Sha256};

use super::ReportSettings;

/// What was seen of all domains in some time.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    domains: BTreeMap<Domain, Seen>,
    /// Messages that found no place (`limits.reports_domains_max`, `limits.report_records_max`).
    pub left_out: u64,
}

#[derive(Debug)]
struct Seen {
    policy: DmarcPolicy,
    /// By all they have in common but their number.
    rows: BTreeMap<String, Row>,
}

/// One report, and where the domain wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub domain: Domain,
    pub report: Aggregate,
    /// Its `rua`, as published.
    pub wanted_at: Vec<String>,
}

impl Gathered {
    /// Adds a message, when its domain wants reports. Of what DNS could not tell nothing is reported.
    /// Nor of mail that was put off: it comes again.
    pub(crate) fn add(&mut self, fate: Fate, facts: &Facts, limits: &Limits) {
        let Known::Yes(found) = &facts.authentication else {
            return;
        };
        if matches!(fate, Fate::Deferred | Fate::Failed | Fate::Unscanned) {
            return;
        }
        let decided = matches!(found.dmarc.result, DmarcResult::Pass | DmarcResult::Fail);
        let policy = found.dmarc.policy.as_ref();
        let wanted = policy.filter(|policy| decided && !policy.aggregate_to.is_empty());
        let (Some(policy), Some(row)) = (wanted, row_of(fate, facts, found)) else {
            return;
        };
        let known = self.domains.contains_key(&policy.domain);
        if !known && self.domains.len() >= limits.reports_domains_max {
            self.left_out += 1;
            return;
        }
        let seen = self
            .domains
            .entry(policy.domain.clone())
            .or_insert_with(|| Seen {
                policy: policy.clone(),
                rows: BTreeMap::new(),
            });
        // Enums, texts and addresses only: nothing in a row can fail to be written.
        let alike = serde_json::to_string(&row).unwrap_or_default();
        let full = seen.rows.len() >= limits.report_records_max;
        match seen.rows.get_mut(&alike) {
            Some(row) => row.messages += 1,
            None if full => self.left_out += 1,
            None => {
                seen.rows.insert(alike, Row { messages: 1, ..row });
            }
        }
    }

    /// The reports of a time.
    pub(crate) fn reports(
        self,
        (begin, end): (Timestamp, Timestamp),
        settings: &ReportSettings,
    ) -> Vec<Due> {
        let Some(sender) = settings.sender() else {
            return Vec::new();
        };
        let due = |(domain, seen): (Domain, Seen)| {
            let report = Aggregate {
                reporter: Reporter {
                    organisation: settings.organisation.clone(),
                    email: sender.address.as_str().to_owned(),
                    extra_contact: None,
                    generator: Some(concat!("Mailvigil ", env!("CARGO_PKG_VERSION")).to_owned()),
                },
                report_id: report_id(&domain, begin, &sender.domain),
                begin,
                end,
                errors: Vec::new(),
                policy: published(&domain, &seen.policy),
                rows: seen.rows.into_values().collect(),
            };
            Due {
                domain,
                report,
                wanted_at: seen.policy.aggregate_to,
            }
        };
        self.domains.into_iter().map(due).collect()
    }
}

/// The same report has the same name, whoever makes it and how often, so that a second sending shows to be one (RFC 9990 §3.5.2).
pub(crate) fn report_id(domain: &Domain, begin: Timestamp, reporter: &Domain) -> String {
    let hash = Sha256::digest(format!("{domain} {reporter}"));
    format!(
        "{}.{}@{reporter}",
        begin.secs(),
        HEXLOWER.encode(&hash[..8])
    )
}

fn published(domain: &Domain, policy: &DmarcPolicy) -> Published {
    let alignment = |strict| {
        if strict {
            Alignment::Strict
        } else {
            Alignment::Relaxed
        }
    };
    Published {
        domain: domain.to_string(),
        policy: disposition(policy.for_domain),
        subdomain_policy: policy.for_subdomains.map(disposition),
        absent_subdomain_policy: policy.for_nonexistent.map(disposition),
        dkim_alignment: Some(alignment(policy.strict_dkim)),
        spf_alignment: Some(alignment(policy.strict_spf)),
        failure_options: (!policy.failure_options.is_empty())
            .then(|| policy.failure_options.join(":")),
        testing: Some(policy.testing),
        discovery: Some(Discovery::TreeWalk),
        percent: None,
    }
}

const fn disposition(asked: Asked) -> Disposition {
    match asked {
        Asked::None => Disposition::None,
        Asked::Quarantine => Disposition::Quarantine,
        Asked::Reject => Disposition::Reject,
    }
}

/// What a message is to its domain's owner; `None` when nobody knows the machine or the visible sender.
fn row_of(fate: Fate, facts: &Facts, found: &Authentication) -> Option<Row> {
    let ip = found.outbound.ip.or(facts.envelope.peer.ip)?;
    let header_from = found.alleged.domain.as_ref()?.to_string();
    let dmarc = &found.dmarc;
    let policy = dmarc.policy.as_ref()?;
    let needed = |strict| {
        if strict {
            mail::authentication::Alignment::Strict
        } else {
            mail::authentication::Alignment::Relaxed
        }
    };
    let done = done_about(fate, dmarc, policy);
    let told =
        |signature: &&Signature| signature.scheme == Scheme::Dkim && signature.domain.is_some();
    Some(Row {
        disposition: done,
        dkim_aligned: dmarc.dkim >= needed(policy.strict_dkim),
        spf_aligned: dmarc.spf >= needed(policy.strict_spf),
        overrides: overrides(done, found, policy),
        envelope_from: envelope_from(facts),
        dkim: found.signatures.iter().filter(told).map(dkim).collect(),
        spf: found
            .spf
            .iter()
            .filter_map(|spf| self::spf(spf, facts))
            .collect(),
        ..Row::new(ip, 0, &header_from)
    })
}

/// What was done in the domain's name, and no more: that a message was held for what it says is not for its domain's owner to know.
fn done_about(fate: Fate, dmarc: &Dmarc, policy: &DmarcPolicy) -> Disposition {
    if dmarc.result == DmarcResult::Pass {
        return if policy.published == Asked::None {
            Disposition::None
        } else {
            Disposition::Pass
        };
    }
    let done = match fate {
        Fate::Rejected => Disposition::Reject,
        Fate::Quarantined | Fate::Discarded => Disposition::Quarantine,
        Fate::Delivered | Fate::Deferred | Fate::Failed | Fate::Unscanned => Disposition::None,
    };
    done.min(disposition(dmarc.asked))
}

/// Why less was done than the published policy asks.
fn overrides(done: Disposition, found: &Authentication, policy: &DmarcPolicy) -> Vec<Override> {
    let fails = found.dmarc.result == DmarcResult::Fail;
    if !fails || done >= disposition(policy.published) {
        return Vec::new();
    }
    let vouched = found.arc.result == ArcResult::Pass
        && found.arc.sealers.iter().any(|sealer| sealer.trusted);
    let kind = if policy.testing && done >= disposition(found.dmarc.asked) {
        OverrideKind::PolicyTestMode
    } else if vouched {
        OverrideKind::TrustedForwarder
    } else {
        OverrideKind::LocalPolicy
    };
    vec![Override {
        kind,
        comment: None,
    }]
}

/// The envelope sender's domain; empty for the null sender.
fn envelope_from(facts: &Facts) -> Option<String> {
    let Some(from) = &facts.envelope.envelope_from else {
        return Some(String::new());
    };
    from.domain().map(|domain| domain.to_string())
}

fn dkim(signature: &Signature) -> DkimResult {
    let outcome = match signature.result {
        SignatureResult::Pass => DkimOutcome::Pass,
        SignatureResult::Fail => DkimOutcome::Fail,
        SignatureResult::Policy => DkimOutcome::Policy,
        SignatureResult::Neutral => DkimOutcome::Neutral,
        SignatureResult::TempError => DkimOutcome::TempError,
        SignatureResult::PermError => DkimOutcome::PermError,
    };
    DkimResult {
        domain: signature
            .domain
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        selector: signature.selector.clone(),
        outcome,
        explanation: signature.problem.map(|problem| problem.to_string()),
    }
}

fn spf(spf: &Spf, facts: &Facts) -> Option<SpfTold> {
    let outcome = match spf.result {
        SpfResult::None => SpfOutcome::None,
        SpfResult::Neutral => SpfOutcome::Neutral,
        SpfResult::Pass => SpfOutcome::Pass,
        SpfResult::Fail => SpfOutcome::Fail,
        SpfResult::SoftFail => SpfOutcome::SoftFail,
        SpfResult::TempError => SpfOutcome::TempError,
        SpfResult::PermError => SpfOutcome::PermError,
    };
    // The null sender is checked under the HELO name (RFC 7208 §2.4).
    let scope = if facts.envelope.envelope_from.is_some() {
        SpfScope::MailFrom
    } else {
        SpfScope::Helo
    };
    Some(SpfTold {
        domain: spf.domain.as_ref()?.to_string(),
        scope: Some(scope),
        outcome,
        explanation: None,
    })
}

#[cfg(test)]
mod tests {
    use mail::authentication::{Alignment as Aligned, PolicyTag, Psd};
    use mail::{Address, Envelope, Message};

    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    fn policy(published: Asked) -> DmarcPolicy {
        DmarcPolicy {
            domain: domain("bank.example"),
            record: String::new(),
            applies: PolicyTag::P,
            published,
            for_domain: published,
            for_subdomains: None,
            for_nonexistent: None,
            testing: false,
            strict_spf: false,
            strict_dkim: false,
            psd: Psd::Unsaid,
            aggregate_to: vec!["mailto:reports@bank.example".to_owned()],
            failures_to: Vec::new(),
            failure_options: Vec::new(),
            dnssec: false,
        }
    }

    fn seen(passes: bool, fate: Fate, policy: DmarcPolicy) -> (Fate, Facts) {
        let mut envelope = Envelope::new(Timestamp::from_secs(100), "test");
        envelope.envelope_from = Address::new("ann@bank.example");
        envelope.recipients = vec![Address::new("secret@b.example").expect("an address")];
        let mut found = Authentication::default();
        found.alleged.domain = Some(domain("bank.example"));
        found.outbound.ip = Some([192, 0, 2, 1].into());
        found.dmarc = Dmarc {
            result: if passes {
                DmarcResult::Pass
            } else {
                DmarcResult::Fail
            },
            asked: if passes {
                Asked::None
            } else {
                policy.published
            },
            dkim: if passes {
                Aligned::Relaxed
            } else {
                Aligned::None
            },
            policy: Some(policy),
            ..Dmarc::default()
        };
        let facts = Facts {
            authentication: Known::Yes(found),
            ..Facts::new(envelope, Message::default())
        };
        (fate, facts)
    }

    fn settings() -> ReportSettings {
        ReportSettings {
            from: Address::new("reports@b.example"),
            organisation: "B".to_owned(),
            aggregate: true,
            ..ReportSettings::default()
        }
    }

    fn reports(messages: &[(Fate, Facts)], limits: &Limits) -> (Vec<Due>, u64) {
        let mut gathered = Gathered::default();
        for (fate, facts) in messages {
            gathered.add(*fate, facts, limits);
        }
        let left_out = gathered.left_out;
        let day = (Timestamp::from_secs(0), Timestamp::from_secs(86_399));
        (gathered.reports(day, &settings()), left_out)
    }

    #[test]
    fn messages_that_fared_alike_are_one_row_and_no_recipient_is_told() {
        let messages = [
            seen(true, Fate::Delivered, policy(Asked::Reject)),
            seen(true, Fate::Delivered, policy(Asked::Reject)),
            seen(false, Fate::Rejected, policy(Asked::Reject)),
        ];
        let (due, _) = reports(&messages, &Limits::default());
        assert_eq!(due.len(), 1);
        let report = &due[0].report;
        let told: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.messages, row.passes(), row.disposition))
            .collect();
        assert!(told.contains(&(2, true, Disposition::Pass)), "{told:?}");
        assert!(told.contains(&(1, false, Disposition::Reject)), "{told:?}");
        let xml = report.to_xml().expect("rows");
        assert!(!xml.contains("secret") && !xml.contains("ann@"), "{xml}");
        let again = reports::aggregate::read(xml.as_bytes(), &Limits::default()).expect("our own");
        assert_eq!((again.report.messages(), again.report.passed()), (3, 2));
    }

    #[test]
    fn what_was_done_for_other_reasons_is_not_told() {
        let kept = |fate, asked| {
            let (due, _) = reports(&[seen(false, fate, policy(asked))], &Limits::default());
            let row = &due[0].report.rows[0];
            (row.disposition, row.overrides.first().map(|one| one.kind))
        };
        assert_eq!(
            kept(Fate::Quarantined, Asked::None),
            (Disposition::None, None)
        );
        assert_eq!(
            kept(Fate::Quarantined, Asked::Reject),
            (Disposition::Quarantine, Some(OverrideKind::LocalPolicy))
        );
        assert_eq!(
            kept(Fate::Rejected, Asked::Quarantine),
            (Disposition::Quarantine, None)
        );
    }

    #[test]
    fn bounded_under_a_flood_of_domains() {
        let limits = Limits {
            reports_domains_max: 2,
            ..Limits::default()
        };
        let messages: Vec<_> = (0..5)
            .map(|number| {
                let own = DmarcPolicy {
                    domain: domain(&format!("d{number}.example")),
                    ..policy(Asked::None)
                };
                seen(true, Fate::Delivered, own)
            })
            .collect();
        let (due, left_out) = reports(&messages, &limits);
        assert_eq!((due.len(), left_out), (2, 3));
    }

    #[test]
    fn nothing_is_told_of_what_dns_could_not_tell_or_nobody_wants_to_hear() {
        let mut unknown = seen(true, Fate::Delivered, policy(Asked::None));
        if let Known::Yes(found) = &mut unknown.1.authentication {
            found.dmarc.result = DmarcResult::TempError;
        }
        let unwanted = seen(
            true,
            Fate::Delivered,
            DmarcPolicy {
                aggregate_to: Vec::new(),
                ..policy(Asked::None)
            },
        );
        assert_eq!(reports(&[unknown, unwanted], &Limits::default()).0, []);
    }
}
