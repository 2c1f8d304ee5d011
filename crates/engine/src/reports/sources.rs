//! What kept reports say together: who sends as a domain of ours, what of it fails, and how encrypted mail to us is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mail::Timestamp;
use reports::aggregate::{Disposition, Row};
use reports::{Aggregate, TlsReport};
use serde::Serialize;
use store::ReportRow;

/// Reporters named for one machine.
const REPORTERS_MAX: usize = 20;
/// Kinds of failures told apart for one domain.
const FAILURES_MAX: usize = 200;

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

/// Machines of the reports that were added, one report at a time: together they may be more than fits into memory.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<(String, IpAddr), SourceView>);

impl Sources {
    /// Adds a report. One that cannot be read any more is passed over with a line in the log.
    pub(crate) fn add(&mut self, row: &ReportRow, machines_max: usize) {
        let Some(report) = read::<Aggregate>(row) else {
            return;
        };
        for line in &report.rows {
            let key = (row.domain.clone(), line.source_ip);
            if self.0.len() >= machines_max && !self.0.contains_key(&key) {
                continue;
            }
            let new = || SourceView::new(row, line.source_ip);
            self.0.entry(key).or_insert_with(new).add(row, line);
        }
    }

    /// Was this machine seen sending as this domain?
    pub(crate) fn knows(&self, view: &SourceView) -> bool {
        self.0.contains_key(&(view.domain.clone(), view.ip))
    }

    /// Those with the most failures first.
    pub(crate) fn into_views(self) -> Vec<SourceView> {
        let mut views: Vec<SourceView> = self.0.into_values().collect();
        views.sort_by(|a, b| (b.failed, b.messages, a.ip).cmp(&(a.failed, a.messages, b.ip)));
        views
    }

    /// Machines that fail and that `before` does not know.
    pub(crate) fn new_failing(self, before: &Self) -> Vec<SourceView> {
        let mut views = self.into_views();
        views.retain(|view| view.failed > 0 && !before.knows(view));
        views
    }
}

impl SourceView {
    fn new(row: &ReportRow, ip: IpAddr) -> Self {
        Self {
            domain: row.domain.clone(),
            ip,
            messages: 0,
            by_dkim: 0,
            by_spf: 0,
            failed: 0,
            stopped: 0,
            reporters: BTreeSet::new(),
            first: row.begin,
            last: row.end,
            trusted: false,
        }
    }

    fn add(&mut self, row: &ReportRow, line: &Row) {
        let add = |sum: &mut u64, fits: bool| {
            if fits {
                *sum = sum.saturating_add(line.messages);
            }
        };
        add(&mut self.messages, true);
        add(&mut self.by_dkim, line.dkim_aligned);
        add(&mut self.by_spf, line.spf_aligned);
        add(&mut self.failed, !line.passes());
        add(
            &mut self.stopped,
            line.disposition >= Disposition::Quarantine,
        );
        if self.reporters.len() < REPORTERS_MAX {
            self.reporters.insert(row.reporter.clone());
        }
        self.first = self.first.min(row.begin);
        self.last = self.last.max(row.end);
        self.trusted |= row.trusted;
    }
}

/// How encrypted mail was, of the reports that were added.
#[derive(Debug, Default)]
pub(crate) struct Encrypted(BTreeMap<String, (TlsView, InTheWay)>);

/// Sessions by what was in their way, at which server.
type InTheWay = BTreeMap<(String, String), u64>;

impl Encrypted {
    /// Adds a report.
    pub(crate) fn add(&mut self, row: &ReportRow, machines_max: usize) {
        let Some(report) = read::<TlsReport>(row) else {
            return;
        };
        for policy in &report.policies {
            let domain = policy.domain.to_ascii_lowercase();
            if self.0.len() >= machines_max && !self.0.contains_key(&domain) {
                continue;
            }
            let (view, failures) = self.0.entry(domain.clone()).or_default();
            view.domain = domain;
            view.successful = view.successful.saturating_add(policy.successful);
            view.failed = view.failed.saturating_add(policy.failed);
            for failure in &policy.failures {
                let server = failure.receiving_mx.clone();
                let server = server.or_else(|| failure.receiving_ip.clone());
                let key = (
                    String::from(failure.kind.clone()),
                    server.unwrap_or_default(),
                );
                if failures.len() >= FAILURES_MAX && !failures.contains_key(&key) {
                    continue;
                }
                let count = failures.entry(key).or_default();
                *count = count.saturating_add(failure.sessions);
            }
        }
    }

    /// By domain, those with the most failures first.
    pub(crate) fn into_views(self) -> Vec<TlsView> {
        let together = |(mut view, failures): (TlsView, InTheWay)| {
            let failures = failures.into_iter();
            view.failures = failures
                .map(|((kind, server), count)| (kind, server, count))
                .collect();
            view.failures
                .sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
            view
        };
        let mut views: Vec<TlsView> = self.0.into_values().map(together).collect();
        views.sort_by(|a, b| (b.failed, &a.domain).cmp(&(a.failed, &b.domain)));
        views
    }
}

fn read<T: serde::de::DeserializeOwned>(row: &ReportRow) -> Option<T> {
    serde_json::from_str(&row.body)
        .inspect_err(|error| tracing::error!("the kept report {} cannot be read: {error}", row.id))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::RecordId;

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

    fn added(rows: &[ReportRow], machines_max: usize) -> Sources {
        let mut sources = Sources::default();
        for row in rows {
            sources.add(row, machines_max);
        }
        sources
    }

    #[test]
    fn a_flood_of_machines_takes_no_more_than_its_share() {
        let machines: Vec<String> = (0..50).map(|last| format!("198.51.100.{last}")).collect();
        let machines: Vec<_> = machines.iter().map(|ip| (ip.as_str(), 1, false)).collect();
        let rows = [row(2, false, &machines), row(3, true, &machines[..3])];
        let views = added(&rows, 10).into_views();
        assert_eq!(views.len(), 10);
        assert_eq!(views[0].messages, 2, "those that are known go on");
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
        let views = added(&rows, 10).into_views();
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
        let trusted: Vec<ReportRow> = fresh.into_iter().filter(|row| row.trusted).collect();
        let new: Vec<_> = added(&trusted, 10)
            .new_failing(&added(&old, 10))
            .into_iter()
            .map(|view| view.ip.to_string())
            .collect();
        assert_eq!(new, ["203.0.113.5"]);
    }
}
