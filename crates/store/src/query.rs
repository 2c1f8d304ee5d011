//! Searching records: an intersection of terms, walked from the newest record back.
//!
//! The rarest term leads; its entries are taken in pieces, and the other terms are looked up for each. However many
//! records there are, a search looks at no more candidates than it was allowed to, and then says how far back
//! it came: the next page goes on from there.

use std::net::IpAddr;

use mail::{Fate, Level, Record, RecordId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::db::reading;
use crate::terms::{Kind, term, wanted_words};
use crate::{Store, StoreError};

/// Candidates looked at in one statement.
const PIECE: i64 = 4_000;
/// How far a term is counted to find the rarest.
const COUNTED: i64 = 2_000;
/// Candidates a search for a page looks at, at most.
pub const CANDIDATES: usize = 16_000;
/// After the last id.
const END: &str = "~";

/// What is looked for; everything set must fit. Newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Sender (envelope or visible) or recipient: an address, or `@domain`.
    pub address: Option<String>,
    /// Envelope or visible sender: an address, or `@domain`.
    pub from: Option<String>,
    /// Recipient: an address, or `@domain`.
    pub to: Option<String>,
    /// The machine that handed it over.
    pub ip: Option<IpAddr>,
    /// Words of the subject, all of them, in any order, case ignored.
    pub subject: Option<String>,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// The server's name for it.
    pub queue_id: Option<String>,
    /// The authenticated account.
    pub account: Option<String>,
    /// The mail server that asked.
    pub server: Option<String>,
    /// What became of it.
    pub fate: Option<Fate>,
    /// Its danger level.
    pub level: Option<Level>,
    /// A reason by name; the entry of a list as `LIST=VALUE`.
    pub reason: Option<String>,
    /// Only mail from or to one of these: addresses or `@domain`. Empty is no restriction.
    pub scope: Vec<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only records older than this one: the next page.
    pub before: Option<RecordId>,
    /// How many at most; 0 is none.
    pub limit: u32,
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Newest first, without facts.
    pub records: Vec<Record>,
    /// Where the next page begins ([`Query::before`]); `None` when everything was looked at.
    pub next: Option<RecordId>,
    /// Set when the search stopped before its page was full: it has looked at everything since then.
    pub looked_back_to: Option<Timestamp>,
}

/// One thing that is asked: any of these terms.
type Criterion = Vec<i64>;

impl Query {
    /// What is asked, as terms.
    fn criteria(&self) -> Vec<Criterion> {
        let mut criteria = Vec::new();
        let mut ask = |kinds: &[Kind], text: &Option<String>| {
            if let Some(text) = text {
                criteria.push(kinds.iter().map(|kind| term(*kind, text)).collect());
            }
        };
        let address = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_lowercase());
        ask(&[Kind::From, Kind::To], &address(&self.address));
        ask(&[Kind::From], &address(&self.from));
        ask(&[Kind::To], &address(&self.to));
        ask(
            &[Kind::Ip],
            &self.ip.map(|ip| ip.to_canonical().to_string()),
        );
        ask(&[Kind::MessageId], &self.message_id);
        ask(&[Kind::QueueId], &self.queue_id);
        ask(&[Kind::Account], &self.account);
        ask(&[Kind::Server], &self.server);
        ask(
            &[Kind::Fate],
            &self.fate.map(|fate| fate.as_str().to_owned()),
        );
        ask(
            &[Kind::Level],
            &self.level.map(|level| level.as_str().to_owned()),
        );
        if let Some(reason) = &self.reason {
            criteria.push(vec![reason_term(reason)]);
        }
        if let Some(subject) = &self.subject {
            criteria.extend(
                wanted_words(subject)
                    .iter()
                    .map(|word| vec![term(Kind::Word, word)]),
            );
        }
        if !self.scope.is_empty() {
            let both = |one: &String| {
                let one = one.to_lowercase();
                [term(Kind::From, &one), term(Kind::To, &one)]
            };
            criteria.push(self.scope.iter().flat_map(both).collect());
        }
        criteria
    }

    /// Ids from (included) and until (excluded).
    fn bounds(&self) -> (String, String) {
        let since = self
            .since
            .map(|since| RecordId::first_at(since).to_string())
            .unwrap_or_default();
        let until = self
            .until
            .map(|until| RecordId::first_at(until).to_string());
        let before = self.before.map(|before| before.to_string());
        let until = [until, before].into_iter().flatten().min();
        (since, until.unwrap_or_else(|| END.to_owned()))
    }
}

/// The term of a reason; an entry of a list is written `LIST=VALUE`.
fn reason_term(reason: &str) -> i64 {
    match reason.split_once('=') {
        Some((list, value)) => term(Kind::Reason, &crate::terms::entry_reason(list, value)),
        None => term(Kind::Reason, reason),
    }
}

/// A term's newest entries below `$1` and from `$2` on, at most `$3`; of several terms, those of all together.
fn entries(criterion: &Criterion) -> String {
    let one = |term: &i64| {
        format!(
            "SELECT record_id FROM (SELECT record_id FROM terms WHERE term = {term} AND record_id < $1 AND record_id >= $2 ORDER BY record_id DESC LIMIT $3) AS t"
        )
    };
    let all: Vec<String> = criterion.iter().map(one).collect();
    all.join(" UNION ")
}

impl Store {
    /// Everything that fits, newest first, however far back it lies, at most `query.limit`. Without facts.
    pub async fn find(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        Ok(self.search(query, usize::MAX).await?.records)
    }

    /// A page of what fits, newest first. While new records arrive, `before` keeps pages stable. Looks at no more than
    /// about `candidates` records.
    pub async fn search(&self, query: &Query, candidates: usize) -> Result<Page, StoreError> {
        let (since, until) = query.bounds();
        let wanted = query.limit as usize;
        let mut criteria = query.criteria();
        if wanted == 0 {
            return Ok(Page::default());
        }
        let (mut ids, stopped) = if criteria.is_empty() {
            let newest =
                "SELECT id FROM records WHERE id < $1 AND id >= $2 ORDER BY id DESC LIMIT $3";
            (
                self.ids(newest, &until, &since, wanted as i64 + 1).await?,
                None,
            )
        } else {
            self.lead_by_the_rarest(&mut criteria, &since).await?;
            self.walk(&criteria, since, until, wanted, candidates)
                .await?
        };
        let more = ids.len() > wanted;
        ids.truncate(wanted);
        let next = if more {
            ids.last().cloned()
        } else {
            stopped.clone()
        };
        Ok(Page {
            records: self.summaries(&ids).await?,
            next: next.as_deref().and_then(RecordId::parse),
            looked_back_to: stopped
                .filter(|_| !more)
                .and_then(|id| RecordId::parse(&id))
                .map(RecordId::at),
        })
    }

    /// Puts the criterion with the fewest entries first.
    async fn lead_by_the_rarest(
        &self,
        criteria: &mut [Criterion],
        since: &str,
    ) -> Result<(), StoreError> {
        if criteria.len() < 2 {
            return Ok(());
        }
        let mut fewest = (i64::MAX, 0);
        for (place, criterion) in criteria.iter().enumerate() {
            let sql = format!("SELECT COUNT(*) FROM ({}) AS c", entries(criterion));
            let count: i64 = reading!(&self.db, pool => sqlx::query_scalar(AssertSqlSafe(sql)).bind(END).bind(since).bind(COUNTED).fetch_one(pool).await?);
            fewest = fewest.min((count, place));
        }
        criteria.swap(0, fewest.1);
        Ok(())
    }

    /// Walks along the first criterion; ids that fit all others, and where it stopped before the end.
    async fn walk(
        &self,
        criteria: &[Criterion],
        since: String,
        mut until: String,
        wanted: usize,
        candidates: usize,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        let Some((first, others)) = criteria.split_first() else {
            return Ok((Vec::new(), None));
        };
        let piece = format!(
            "SELECT record_id FROM ({}) AS p ORDER BY record_id DESC LIMIT $3",
            entries(first)
        );
        let mut fits = String::new();
        for other in others {
            let terms: Vec<String> = other.iter().map(ToString::to_string).collect();
            fits.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM terms o WHERE o.record_id = c.record_id AND o.term IN ({}))",
                terms.join(", ")
            ));
        }
        let fitting = format!(
            "SELECT c.record_id FROM ({piece}) AS c WHERE 1 = 1{fits} ORDER BY c.record_id DESC"
        );
        let reach = format!("SELECT COUNT(*), MIN(record_id) FROM ({piece}) AS c");
        let size = if others.is_empty() {
            wanted as i64 + 1
        } else {
            PIECE
        };
        let mut ids = Vec::new();
        let mut looked_at = 0;
        loop {
            let (count, last): (i64, Option<String>) = reading!(&self.db, pool => sqlx::query_as(AssertSqlSafe(reach.clone())).bind(&until).bind(&since).bind(size).fetch_one(pool).await?);
            ids.extend(self.ids(&fitting, &until, &since, size).await?);
            looked_at += count as usize;
            let Some(last) = last.filter(|_| count == size) else {
                return Ok((ids, None));
            };
            if ids.len() > wanted {
                return Ok((ids, None));
            }
            if looked_at >= candidates {
                return Ok((ids, Some(last)));
            }
            until = last;
        }
    }

    async fn ids(
        &self,
        sql: &str,
        until: &str,
        since: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let sql = sql.to_owned();
        Ok(
            reading!(&self.db, pool => sqlx::query_scalar(AssertSqlSafe(sql)).bind(until).bind(since).bind(limit).fetch_all(pool).await?),
        )
    }

    /// The newest entry of each reason (a rule, a signal, a list's entry as `LIST=VALUE`), and how many there are, counted up to
    /// `most`; in the order asked.
    pub async fn last_hits(
        &self,
        reasons: &[&str],
        most: u32,
    ) -> Result<Vec<(u64, Option<RecordId>)>, StoreError> {
        if reasons.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<String> = reasons
            .iter()
            .enumerate()
            .map(|(place, reason)| format!("({place}, CAST({} AS BIGINT))", reason_term(reason)))
            .collect();
        let sql = format!(
            "WITH wanted (place, term) AS (VALUES {}) SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM terms WHERE term = wanted.term LIMIT $1) AS e), (SELECT MAX(record_id) FROM terms WHERE term = wanted.term) FROM wanted ORDER BY place",
            wanted.join(", ")
        );
        let rows: Vec<(i64, Option<String>)> = reading!(&self.db, pool => sqlx::query_as(AssertSqlSafe(sql)).bind(i64::from(most)).fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|(count, last)| (count as u64, last.as_deref().and_then(RecordId::parse)))
            .collect())
    }

    /// When the oldest record was made.
    pub async fn oldest_record(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MIN(id) FROM records";
        let id: Option<String> =
            reading!(&self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(id.as_deref().and_then(RecordId::parse).map(RecordId::at))
    }

    /// Whole records with their facts, newest first, for judging them again. With a scope, only mail from or to it.
    pub async fn recorded(
        &self,
        since: Timestamp,
        before: Option<RecordId>,
        scope: &[String],
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let query = Query {
            since: Some(since),
            before,
            scope: scope.to_vec(),
            limit,
            ..Query::default()
        };
        let mut records = self.find(&query).await?;
        let ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
        let mut facts = self.facts(&ids).await?;
        for record in &mut records {
            record.facts = facts.remove(&record.id);
        }
        Ok(records)
    }
}
