//! Reports of others about our domains: kept once, found again by kind, domain and time. What a report says is the engine's business.

use mail::{RecordId, Timestamp};

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::records::storable;
use crate::{Store, StoreError};

/// A report that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// Its name here, with the time it came.
    pub id: RecordId,
    /// `aggregate`, `tls` or `feedback`.
    pub kind: String,
    /// Which domain it is about.
    pub domain: String,
    /// Who made it.
    pub reporter: String,
    /// Begin of the time it covers.
    pub begin: Timestamp,
    /// End of the time it covers.
    pub end: Timestamp,
    /// Did its mail pass DMARC, or did one of our people hand it in?
    pub trusted: bool,
    /// What it says, JSON.
    pub body: String,
}

/// Which reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// About this domain.
    pub domain: Option<String>,
    /// That came since.
    pub since: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<RecordId>,
    /// With what they say; else that is empty.
    pub bodies: bool,
    /// How many at most.
    pub limit: u32,
}

type Row = (String, String, String, String, i64, i64, i64, String);

impl Store {
    /// Keeps a report; false when one of the same `name` is kept already. With `act`, what a person did is logged in the same commit, about
    /// the report's domain.
    pub async fn add_report(
        &self,
        report: &ReportRow,
        name: &str,
        act: Option<&Act>,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO reports (id, name, kind, domain, reporter, begins, ends, trusted, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
        let act = act.map(|act| Act {
            target: report.domain.clone(),
            ..act.clone()
        });
        let kept = writing!(&self.db, tx => {
            let done = sqlx::query(sql)
                .bind(report.id.to_string())
                .bind(name)
                .bind(&report.kind)
                .bind(storable(report.domain.clone()))
                .bind(storable(report.reporter.clone()))
                .bind(report.begin.0)
                .bind(report.end.0)
                .bind(i64::from(report.trusted))
                .bind(storable(report.body.clone()))
                .execute(&mut *tx)
                .await?;
            let kept = done.rows_affected() > 0;
            if let (true, Some(act)) = (kept, &act) {
                insert_act!(self, tx, act);
            }
            kept
        });
        Ok(kept)
    }

    /// Reports, the newest first.
    pub async fn reports(&self, filter: &ReportFilter) -> Result<Vec<ReportRow>, StoreError> {
        let sql = "SELECT id, kind, domain, reporter, begins, ends, trusted, CASE WHEN $6 = 1 THEN body ELSE '' END FROM reports
            WHERE id >= $1 AND id < $2 AND ($3 = '' OR kind = $3) AND ($4 = '' OR domain = $4) ORDER BY id DESC LIMIT $5";
        let since = filter.since.unwrap_or(Timestamp(0));
        let since = RecordId::first_at(since).to_string();
        // Behind every name there is.
        let before = filter
            .before
            .map_or_else(|| "~".to_owned(), |id| id.to_string());
        let (kind, domain) = (
            filter.kind.clone().unwrap_or_default(),
            filter.domain.clone().unwrap_or_default(),
        );
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sql)
            .bind(since)
            .bind(before)
            .bind(kind)
            .bind(domain)
            .bind(i64::from(filter.limit))
            .bind(i64::from(filter.bodies))
            .fetch_all(pool)
            .await?);
        rows.into_iter().map(read).collect()
    }

    /// How many reports came since.
    pub async fn reports_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let since = RecordId::first_at(since).to_string();
        let sql = "SELECT COUNT(*) FROM reports WHERE id >= $1";
        let count: i64 =
            reading!(&self.db, pool => sqlx::query_scalar(sql).bind(since).fetch_one(pool).await?);
        Ok(count.unsigned_abs())
    }

    /// Removes reports that came before: those about single messages sooner than those that only count.
    pub(crate) async fn remove_reports(
        &self,
        before: Timestamp,
        feedback_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let (before, feedback_before) = (
            RecordId::first_at(before).to_string(),
            RecordId::first_at(feedback_before).to_string(),
        );
        let sql = "DELETE FROM reports WHERE id < $1 OR (kind = 'feedback' AND id < $2)";
        Ok(
            writing!(&self.db, tx => sqlx::query(sql).bind(before).bind(feedback_before).execute(&mut *tx).await?.rows_affected()),
        )
    }
}

fn read(
    (id, kind, domain, reporter, begin, end, trusted, body): Row,
) -> Result<ReportRow, StoreError> {
    let damaged = || StoreError::Corrupt(format!("the report {id:?} has no good name"));
    Ok(ReportRow {
        id: RecordId::parse(&id).ok_or_else(damaged)?,
        kind,
        domain,
        reporter,
        begin: Timestamp(begin),
        end: Timestamp(end),
        trusted: trusted != 0,
        body,
    })
}
