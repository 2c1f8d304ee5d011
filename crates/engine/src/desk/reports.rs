//! Reports about mail at the desk: what others told us, handed in and added up, and how a domain is used.

use mail::{Domain, Timestamp};
use reports::letter::Report;
use reports::{Notes, Usage};
use store::{ReportFilter, ReportRow};

use super::{Desk, DeskError, Right};
use crate::clock::now;
use crate::reports::sources::{Encrypted, Sources};
use crate::reports::{Kept, SourceView, TlsView, inbound, usage};

/// Reports added up for one answer.
const ADDED_UP_MAX: u32 = 5_000;
/// Reports read at once.
const PIECE: u32 = 10;

impl Desk {
    /// Keeps a report that somebody hands in: a mail that carries it, or a bare file, packed or not. Opened beside the tasks that answer,
    /// a few at once, for it may unpack to much.
    pub async fn import_report(&self, bytes: Vec<u8>) -> Result<(Report, Notes, Kept), DeskError> {
        self.need(Right::ChangePolicy)?;
        let place = self.office.opening.clone().acquire_owned().await;
        let limits = self.limits().clone();
        let opening = move || {
            // Held to the end of opening, even when nobody waits for it any more.
            let _place = place;
            reports::letter::read_file(&bytes, &limits)
        };
        let read = tokio::task::spawn_blocking(opening).await;
        let read = read.map_err(|_| {
            DeskError::Unfit("reading it failed inside the program (please report it)".to_owned())
        })?;
        let read = read.map_err(|refused| DeskError::Unfit(refused.to_string()))?;
        let kind = read.report.kind().as_str();
        let act = self.act("report-imported", "", "", "", kind);
        let kept = inbound::keep(self.store(), &read.report, true, Some(&act), self.limits());
        let kept = kept.await?;
        Ok((read.report, read.notes, kept))
    }

    /// Reports that came, the newest first.
    pub async fn reports(&self, filter: &ReportFilter) -> Result<Vec<ReportRow>, DeskError> {
        self.need(Right::SeePolicy)?;
        Ok(self.store().reports(filter).await?)
    }

    /// Machines that others saw sending as our domains, those with most failures first.
    pub async fn sources(
        &self,
        domain: Option<&Domain>,
        since: Timestamp,
    ) -> Result<Vec<SourceView>, DeskError> {
        let (mut sources, most) = (Sources::default(), self.limits().report_sources_max);
        let add = |row: &ReportRow| sources.add(row, most);
        self.each_report("aggregate", domain, since, add).await?;
        Ok(sources.into_views())
    }

    /// How encrypted mail to our domains was, as others saw it.
    pub async fn tls_of(
        &self,
        domain: Option<&Domain>,
        since: Timestamp,
    ) -> Result<Vec<TlsView>, DeskError> {
        let (mut encrypted, most) = (Encrypted::default(), self.limits().report_sources_max);
        let add = |row: &ReportRow| encrypted.add(row, most);
        self.each_report("tls", domain, since, add).await?;
        Ok(encrypted.into_views())
    }

    /// Goes through reports of a kind, the newest first, a few at a time: together they may be more than fits into memory.
    pub(crate) async fn each_report(
        &self,
        kind: &str,
        domain: Option<&Domain>,
        since: Timestamp,
        mut add: impl FnMut(&ReportRow),
    ) -> Result<(), DeskError> {
        let mut filter = ReportFilter {
            kind: Some(kind.to_owned()),
            domain: domain.map(ToString::to_string),
            since: Some(since),
            bodies: true,
            limit: PIECE,
            ..ReportFilter::default()
        };
        for _ in 0..ADDED_UP_MAX / PIECE {
            let rows = self.reports(&filter).await?;
            rows.iter().for_each(&mut add);
            match rows.last() {
                Some(last) if rows.len() == PIECE as usize => filter.before = Some(last.id),
                _ => break,
            }
        }
        Ok(())
    }

    /// How a domain is used, by outbound server, over the time its standing is counted in; `None` when it is not counted apart.
    pub async fn usage(&self, domain: &Domain, reporter: &str) -> Result<Option<Usage>, DeskError> {
        let known = match self.standing_of(domain).await {
            Ok(known) => known,
            Err(DeskError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let days = known.settings.window_days;
        let end = now();
        let begin = end.plus_secs(-i64::from(days) * 86_400);
        Ok(Some(usage::usage(
            &known.view,
            &known.advice,
            reporter,
            (begin, end),
        )))
    }
}
