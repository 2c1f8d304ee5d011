//! Searching records.

use std::net::IpAddr;

use mail::{Fate, Level, RecordId, Timestamp};

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
    /// Part of the subject, case ignored.
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
    /// A reason by name.
    pub reason: Option<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only records older than this one: the next page.
    pub before: Option<RecordId>,
    /// How many at most; 0 is none.
    pub limit: u32,
}

/// A value to bind.
pub(crate) enum Bind {
    Text(String),
    Number(i64),
}

/// The condition of a query, and its values in order.
pub(crate) struct Clause {
    pub sql: String,
    pub binds: Vec<Bind>,
}

impl Clause {
    fn new() -> Self {
        Self {
            sql: String::from("1 = 1"),
            binds: Vec::new(),
        }
    }

    /// Adds a condition; each `?` stands for the value.
    fn and(&mut self, condition: &str, value: Bind) {
        let number = format!("${}", self.binds.len() + 1);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace('?', &number));
        self.binds.push(value);
    }

    fn text(&mut self, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(condition, Bind::Text(value.to_owned()));
        }
    }

    /// An address, or everything at a domain.
    fn address(&mut self, exact: &str, at_domain: &str, value: Option<&str>) {
        let Some(value) = value.map(|value| value.trim().to_lowercase()) else {
            return;
        };
        if value.starts_with('@') {
            self.and(at_domain, Bind::Text(format!("%{}", escape_like(&value))));
        } else {
            self.and(exact, Bind::Text(value));
        }
    }
}

impl Query {
    /// As a condition on the table `records`.
    pub(crate) fn clause(&self) -> Clause {
        let mut clause = Clause::new();
        clause.address(
            "(envelope_from = ? OR header_from = ? OR id IN (SELECT record_id FROM recipients WHERE address = ?))",
            "(envelope_from LIKE ? ESCAPE '!' OR header_from LIKE ? ESCAPE '!' OR id IN (SELECT record_id FROM recipients WHERE address LIKE ? ESCAPE '!'))",
            self.address.as_deref(),
        );
        clause.address(
            "(envelope_from = ? OR header_from = ?)",
            "(envelope_from LIKE ? ESCAPE '!' OR header_from LIKE ? ESCAPE '!')",
            self.from.as_deref(),
        );
        clause.address(
            "id IN (SELECT record_id FROM recipients WHERE address = ?)",
            "id IN (SELECT record_id FROM recipients WHERE address LIKE ? ESCAPE '!')",
            self.to.as_deref(),
        );
        clause.text(
            "peer_ip = ?",
            self.ip.map(|ip| ip.to_canonical().to_string()).as_deref(),
        );
        let subject = self
            .subject
            .as_deref()
            .map(|subject| format!("%{}%", escape_like(&subject.to_lowercase())));
        clause.text("subject_key LIKE ? ESCAPE '!'", subject.as_deref());
        clause.text("message_id = ?", self.message_id.as_deref());
        clause.text("queue_id = ?", self.queue_id.as_deref());
        clause.text("account = ?", self.account.as_deref());
        clause.text("server = ?", self.server.as_deref());
        clause.text("fate = ?", self.fate.map(Fate::as_str));
        clause.text("level = ?", self.level.map(Level::as_str));
        clause.text(
            "id IN (SELECT record_id FROM reasons WHERE name = ?)",
            self.reason.as_deref(),
        );
        // Ids sort by time, so times are bounds on the primary key.
        clause.text(
            "id >= ?",
            self.since
                .map(|since| RecordId::first_at(since).to_string())
                .as_deref(),
        );
        clause.text(
            "id < ?",
            self.until
                .map(|until| RecordId::first_at(until).to_string())
                .as_deref(),
        );
        clause.text(
            "id < ?",
            self.before.map(|before| before.to_string()).as_deref(),
        );
        clause.sql.push_str(&format!(
            " ORDER BY id DESC LIMIT ${}",
            clause.binds.len() + 1
        ));
        clause.binds.push(Bind::Number(i64::from(self.limit)));
        clause
    }
}

/// Takes the meaning from the characters that LIKE gives one.
pub(crate) fn escape_like(text: &str) -> String {
    text.replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_")
}
