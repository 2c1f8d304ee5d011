//! The tables, and how a database of an older version comes up to this one.

use sqlx::AssertSqlSafe;

use crate::StoreError;
use crate::db::{Db, writing};

/// Statements of each version, in order; a version is never changed once released, only followed.
const VERSIONS: [&[&str]; 6] = [&[
    // Summaries of messages. `envelope`, `verdict`, `facts` are JSON; the rest is what is searched by.
    "CREATE TABLE records (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, fate TEXT NOT NULL, level TEXT, action TEXT, score DOUBLE PRECISION, direction TEXT NOT NULL, server TEXT NOT NULL,
        queue_id TEXT, peer_ip TEXT, account TEXT, envelope_from TEXT, header_from TEXT, subject TEXT NOT NULL, subject_key TEXT NOT NULL, message_id TEXT,
        digest TEXT NOT NULL, size_bytes BIGINT NOT NULL, policy_version BIGINT, took_us BIGINT NOT NULL, note TEXT, envelope TEXT NOT NULL, verdict TEXT, facts TEXT)",
    "CREATE INDEX records_fate ON records (fate, id)",
    // What records are found by: see `terms.rs`.
    "CREATE TABLE terms (term BIGINT NOT NULL, record_id TEXT NOT NULL, PRIMARY KEY (term, record_id)){clustered}",
    // How much of what there was in each hour: see `tallies.rs`.
    "CREATE TABLE tallies (span BIGINT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (kind, span, name)){clustered}",
    // Held messages. `identity` tells a message that came again from another one.
    "CREATE TABLE quarantine (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, state TEXT NOT NULL, changed_at BIGINT NOT NULL, identity TEXT NOT NULL, digest TEXT NOT NULL, size_bytes BIGINT NOT NULL,
        server TEXT NOT NULL, envelope_from TEXT, recipients TEXT NOT NULL, header_from TEXT, subject TEXT NOT NULL, level TEXT, score DOUBLE PRECISION,
        copies BIGINT NOT NULL, last_seen BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX quarantine_identity ON quarantine (identity) WHERE state IN ('held', 'releasing')",
    "CREATE INDEX quarantine_state ON quarantine (state, id)",
    "CREATE TABLE held_for (item_id TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (address, item_id))",
    "CREATE INDEX held_for_item ON held_for (item_id)",
    "CREATE TABLE marks (id TEXT PRIMARY KEY, item_id TEXT NOT NULL, recipients TEXT NOT NULL, expires BIGINT NOT NULL, used_at BIGINT)",
    "CREATE INDEX marks_item ON marks (item_id)",
    "CREATE TABLE policies (version BIGINT PRIMARY KEY, base BIGINT, at BIGINT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL)",
    // A chain: each entry's hash covers the entry before it. See `acts.rs`.
    "CREATE TABLE acts (
        seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, place TEXT NOT NULL, act TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL,
        state_before TEXT NOT NULL, state_after TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE INDEX acts_at ON acts (at)",
    // People, and what shows that it is they. Only hashes of secrets, but for `totp`, which both sides must know.
    "CREATE TABLE people (
        name TEXT PRIMARY KEY, role TEXT NOT NULL, scope TEXT NOT NULL, password TEXT, totp TEXT, totp_step BIGINT NOT NULL, subject TEXT UNIQUE, created BIGINT NOT NULL,
        disabled BIGINT NOT NULL)",
    "CREATE TABLE sessions (
        hash TEXT PRIMARY KEY, person TEXT NOT NULL, csrf TEXT NOT NULL, created BIGINT NOT NULL, seen BIGINT NOT NULL, expires BIGINT NOT NULL, place TEXT NOT NULL,
        agent TEXT NOT NULL)",
    "CREATE INDEX sessions_person ON sessions (person)",
    "CREATE TABLE tokens (
        id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, person TEXT NOT NULL, label TEXT NOT NULL, scope TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, used BIGINT)",
    "CREATE INDEX tokens_person ON tokens (person)",
    // Links that are good once: the first login, invitations, the buttons of a digest.
    "CREATE TABLE links (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL, expires BIGINT NOT NULL, used_at BIGINT)",
    // What one person asks another to allow.
    "CREATE TABLE requests (
        id TEXT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL, decided_by TEXT,
        decided_at BIGINT, until BIGINT)",
    "CREATE INDEX requests_state ON requests (state, id)",
    // What people say a message was: the learner's raw material, never changed.
    "CREATE TABLE labels (id TEXT PRIMARY KEY, at BIGINT NOT NULL, record_id TEXT NOT NULL, who TEXT NOT NULL, label TEXT NOT NULL)",
    "CREATE INDEX labels_record ON labels (record_id)",
    // Answers of the JSON API to acts with an idempotency key.
    "CREATE TABLE answers (key TEXT PRIMARY KEY, at BIGINT NOT NULL, digest TEXT NOT NULL, status BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX answers_at ON answers (at)",
    "CREATE TABLE states (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
], &[
    // What nodes tell each other about domains: see `standing.rs`.
    "CREATE TABLE standing (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, node TEXT NOT NULL, whole BIGINT NOT NULL, body TEXT NOT NULL)",
    // What others report about our domains: see `reports.rs`. The same report twice has the same `name`.
    "CREATE TABLE reports (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, domain TEXT NOT NULL, reporter TEXT NOT NULL, begins BIGINT NOT NULL, ends BIGINT NOT NULL,
        trusted BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX reports_domain ON reports (domain, id)",
], &[
    // Every day there is has yet to be added up: see `tallies.rs`.
    "INSERT INTO tallies (span, kind, name, count) SELECT DISTINCT span - span % 86400, 'changed-day', '', CAST(1 AS BIGINT) FROM tallies WHERE kind = 'fate'",
    // What users do, what was seen in it, what was decided: see `watched.rs`. `body` is JSON; the rest is what is searched by.
    "CREATE TABLE operations (id TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT, ip TEXT, body TEXT NOT NULL){clustered}",
    "CREATE INDEX operations_account ON operations (account, id)",
    "CREATE INDEX operations_ip ON operations (ip, id)",
    "CREATE TABLE detections (id TEXT PRIMARY KEY, detector TEXT NOT NULL, account TEXT, ip TEXT, mailbox TEXT, acts BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX detections_account ON detections (account, id)",
    "CREATE INDEX detections_ip ON detections (ip, id)",
    "CREATE TABLE decisions (
        id TEXT PRIMARY KEY, step TEXT NOT NULL, account TEXT, ip TEXT, mailbox TEXT, simulated BIGINT NOT NULL, expires BIGINT NOT NULL, ended BIGINT, ended_by TEXT,
        body TEXT NOT NULL)",
    "CREATE INDEX decisions_account ON decisions (account, id)",
    "CREATE INDEX decisions_ip ON decisions (ip, id)",
    "CREATE INDEX decisions_expires ON decisions (expires)",
    // What people want of the watch, in one order for all nodes.
    "CREATE TABLE wishes (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, body TEXT NOT NULL)",
], &[
    // The training log, what came before it, what may still be labelled, and what is asked: see `lessons.rs`.
    "CREATE TABLE lessons (
        seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, record_id TEXT, label TEXT NOT NULL, trust TEXT NOT NULL, chosen BIGINT NOT NULL, source TEXT NOT NULL,
        who TEXT NOT NULL, sender TEXT, seen BYTEA, takes_back BIGINT)",
    "CREATE INDEX lessons_record ON lessons (record_id)",
    "CREATE INDEX lessons_takes_back ON lessons (takes_back) WHERE takes_back IS NOT NULL",
    "CREATE INDEX lessons_at ON lessons (at)",
    "CREATE TABLE lesson_bases (seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, body BYTEA NOT NULL)",
    "CREATE TABLE sights (record_id TEXT PRIMARY KEY, seen BYTEA NOT NULL, print BYTEA, source BIGINT)",
    // Messages with about the same text.
    "CREATE TABLE campaigns (name TEXT PRIMARY KEY, last TEXT NOT NULL, messages BIGINT NOT NULL, sources BIGINT NOT NULL)",
    "CREATE INDEX campaigns_last ON campaigns (last)",
    "CREATE TABLE campaign_members (name TEXT NOT NULL, record_id TEXT NOT NULL, PRIMARY KEY (name, record_id)){clustered}",
    "CREATE INDEX campaign_members_record ON campaign_members (record_id)",
    "CREATE TABLE questions (record_id TEXT PRIMARY KEY, why TEXT NOT NULL, probability DOUBLE PRECISION NOT NULL, answered BIGINT)",
    "CREATE INDEX questions_open ON questions (record_id) WHERE answered IS NULL",
    // Labels of before: what the learner saw of those messages is not known any more.
    "INSERT INTO lessons (seq, at, record_id, label, trust, chosen, source, who)
        SELECT ROW_NUMBER() OVER (ORDER BY id), at, record_id, label, 'trusted', 0, 'quarantine', who FROM labels",
    "DROP TABLE labels",
], &[
    // Delivered copies that are called back.
    "CREATE TABLE recalls (
        record_id TEXT NOT NULL, mailbox TEXT NOT NULL, state TEXT NOT NULL, asked BIGINT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL, changed BIGINT NOT NULL, said TEXT NOT NULL,
        PRIMARY KEY (record_id, mailbox))",
    "CREATE INDEX recalls_to_do ON recalls (asked) WHERE state IN ('wanted', 'back-wanted')",
], &[
    // Classes of messages that people name.
    "ALTER TABLE lessons ADD COLUMN class TEXT NOT NULL DEFAULT ''",
]];

/// Makes or completes the tables. A database that a newer program has changed is left alone.
pub(crate) async fn bring_up(db: &Db) -> Result<(), StoreError> {
    writing!(db, tx => {
        if matches!(db, Db::Pg(_)) {
            // Two nodes may start at the same moment.
            sqlx::query("SELECT pg_advisory_xact_lock(7725)").execute(&mut *tx).await?;
        }
        sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)").execute(&mut *tx).await?;
        let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&mut *tx).await?;
        let version = usize::try_from(version.unwrap_or(0)).unwrap_or(0);
        if version > VERSIONS.len() {
            let (known, program) = (VERSIONS.len(), env!("CARGO_PKG_VERSION"));
            return Err(StoreError::Conflict(format!(
                "the database has tables of version {version}, and this program ({program}) knows {known}: it was used by a newer Mailvigil"
            )));
        }
        for (number, statements) in VERSIONS.iter().enumerate().skip(version) {
            for statement in *statements {
                // Rows of a clustered table lie in their key and nowhere else; PostgreSQL has no such tables.
                let clustered = if matches!(db, Db::Pg(_)) { "" } else { " WITHOUT ROWID" };
                sqlx::query(AssertSqlSafe(statement.replace("{clustered}", clustered))).execute(&mut *tx).await?;
            }
            sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(number as i64 + 1).execute(&mut *tx).await?;
        }
    });
    Ok(())
}
