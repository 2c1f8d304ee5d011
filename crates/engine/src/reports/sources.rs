//! What kept reports say together: who sends as a domain of ours, what of it fails, and how encrypted mail to us is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mail::Timestamp;
use reports::aggregate::Disposition;
use reports::{Aggregate, TlsReport};
use serde::Serialize;
use store::ReportRow;

/// One machine that others saw sending as a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceView {
    /// The domain whose policy applied.
    pub domain: String,
    /// The machine.
    pub ip: IpAddr,
    /// Messages.
    pub messages: u64,
    /// Of these, with a signature of the domain's organisation that holds.
    pub by_dkim: u64,
    /// Of these, allowed by SPF of the domain's organisation.
    pub by_spf: u64,
    /// Of these, authentic by neither.
    pub failed: u64,
    /// Of these, held or refused.
    pub stopped: u64,
    /// Who reported it.
    pub reporters: BTreeSet<String>,
    /// Begin of the first time it was reported for.
    pub first: Timestamp,
    /// End of the last.
    pub last: Timestamp,
    /// Was it reported by somebody who passed DMARC himself, or handed in here?
    pub trusted: bool,
}

/// How encrypted mail to a domain was, by what was in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsView {
    /// The domain.
    pub domain: String,
    /// Sessions that went well.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// What was in the way, at which server, in how many sessions.
    pub failures: Vec<(String, String, u64)>,
}

/// Sessions by what was in their way, at which server.
type InTheWay = BTreeMap<(String, String), u64>;

/// Machines, those with the most failures first. What cannot be read any more is passed over with a line in the log.
pub(crate) fn sources(rows: &[ReportRow]) -> Vec<SourceView> {
    let mut seen: BTreeMap<(String, IpAddr), SourceView> = BTreeMap::new();
    for row in rows {
        let Some(report) = read::<Aggregate>(row) else {
            continue;
        };
        for line in &report.rows {
            let key = (row.domain.clone(), line.source_ip);
            let view = seen.entry(key).or_insert_with(|| SourceView {
                domain: row.domain.clone(),
                ip: line.source_ip,
                messages: 0,
                by_dkim: 0,
                by_spf: 0,
                failed: 0,
                stopped: 0,
                reporters: BTreeSet::new(),
                first: row.begin,
                last: row.end,
                trusted: false,
            });
            let count = |fits: bool| if fits { line.messages } else { 0 };
            view.messages = view.messages.saturating_add(line.messages);
            view.by_dkim = view.by_dkim.saturating_add(count(line.dkim_aligned));
            view.by_spf = view.by_spf.saturating_add(count(line.spf_aligned));
            view.failed = view.failed.saturating_add(count(!line.passes()));
            let stopped = line.disposition >= Disposition::Quarantine;
            view.stopped = view.stopped.saturating_add(count(stopped));
            view.reporters.insert(row.reporter.clone());
            view.first = view.first.min(row.begin);
            view.last = view.last.max(row.end);
            view.trusted |= row.trusted;
        }
    }
    let mut views: Vec<SourceView> = seen.into_values().collect();
    views.sort_by(|a, b| (b.failed, b.messages, a.ip).cmp(&(a.failed, a.messages, b.ip)));
    views
}

/// Machines that fail and that no report before told of: of trusted reports alone, for anybody can write one.
pub(crate) fn new_failing(before: &[ReportRow], fresh: &[ReportRow]) -> Vec<SourceView> {
    let known: BTreeSet<(String, IpAddr)> = sources(before)
        .into_iter()
        .map(|view| (view.domain, view.ip))
        .collect();
    let fresh: Vec<ReportRow> = fresh.iter().filter(|row| row.trusted).cloned().collect();
    let mut views = sources(&fresh);
    views.retain(|view| view.failed > 0 && !known.contains(&(view.domain.clone(), view.ip)));
    views
}

/// By domain, those with the most failures first.
pub(crate) fn tls(rows: &[ReportRow]) -> Vec<TlsView> {
    let mut seen: BTreeMap<String, (TlsView, InTheWay)> = BTreeMap::new();
    for row in rows {
        let Some(report) = read::<TlsReport>(row) else {
            continue;
        };
        for policy in &report.policies {
            let domain = policy.domain.to_ascii_lowercase();
            let (view, failures) = seen.entry(domain.clone()).or_default();
            view.domain = domain;
            view.successful = view.successful.saturating_add(policy.successful);
            view.failed = view.failed.saturating_add(policy.failed);
            for failure in &policy.failures {
                let server = failure
                    .receiving_mx
                    .clone()
                    .or_else(|| failure.receiving_ip.clone());
                let key = (
                    String::from(failure.kind.clone()),
                    server.unwrap_or_default(),
                );
                let count = failures.entry(key).or_default();
                *count = count.saturating_add(failure.sessions);
            }
        }
    }
    let together = |(mut view, failures): (TlsView, InTheWay)| {
        view.failures = failures
            .into_iter()
            .map(|((kind, server), count)| (kind, server, count))
            .collect();
        view.failures
            .sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        view
    };
    let mut views: Vec<TlsView> = seen.into_values().map(together).collect();
    views.sort_by(|a, b| (b.failed, &a.domain).cmp(&(a.failed, &b.domain)));
    views
}

fn read<T: serde::de::DeserializeOwned>(row: &ReportRow) -> Option<T> {
    serde_json::from_str(&row.body)
        .inspect_err(|error| tracing::error!("the kept report {} cannot be read: {error}", row.id))
        .ok()
}

#[cfg(test)]
mod tests {
    use mail::RecordId;
    use reports::aggregate::Row;

    use super::*;

    fn row(day: i64, trusted: bool, machines: &[(&str, u64, bool)]) -> ReportRow {
        let rows = machines.iter().map(|(ip, messages, passes)| Row {
            dkim_aligned: *passes,
            disposition: if *passes {
                Disposition::None
            } else {
                Disposition::Reject
            },
            ..Row::new(ip.parse().expect("an address"), *messages, "b.example")
        });
        let report = Aggregate {
            rows: rows.collect(),
            ..Aggregate::default()
        };
        ReportRow {
            id: RecordId::random(Timestamp::from_secs(day * 86_400)),
            kind: "aggregate".into(),
            domain: "b.example".into(),
            reporter: "receiver".into(),
            begin: Timestamp::from_secs((day - 1) * 86_400),
            end: Timestamp::from_secs(day * 86_400),
            trusted,
            body: serde_json::to_string(&report).expect("JSON"),
        }
    }

    #[test]
    fn machines_are_added_up_over_reports() {
        let rows = [
            row(
                2,
                true,
                &[("192.0.2.1", 5, true), ("198.51.100.9", 2, false)],
            ),
            row(3, false, &[("192.0.2.1", 7, true)]),
        ];
        let views = sources(&rows);
        let told: Vec<_> = views
            .iter()
            .map(|view| {
                (
                    view.ip.to_string(),
                    view.messages,
                    view.failed,
                    view.stopped,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("198.51.100.9".to_owned(), 2, 2, 2),
                ("192.0.2.1".to_owned(), 12, 0, 0)
            ]
        );
        assert_eq!(views[1].first, Timestamp::from_secs(86_400));
        assert_eq!(views[1].last, Timestamp::from_secs(3 * 86_400));
    }

    #[test]
    fn what_fails_is_new_once_and_only_by_who_can_be_trusted() {
        let old = [row(2, true, &[("198.51.100.9", 2, false)])];
        let fresh = [
            row(
                3,
                true,
                &[
                    ("198.51.100.9", 2, false),
                    ("203.0.113.5", 1, false),
                    ("192.0.2.1", 1, true),
                ],
            ),
            row(3, false, &[("203.0.113.66", 9, false)]),
        ];
        let new: Vec<_> = new_failing(&old, &fresh)
            .into_iter()
            .map(|view| view.ip.to_string())
            .collect();
        assert_eq!(new, ["203.0.113.5"]);
    }
}
