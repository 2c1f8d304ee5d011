//! People, and what shows that it is they: sessions, tokens, links that are good once.
//!
//! What is kept of a session, a token or a link is a hash: whoever reads the database cannot act with it.

use mail::Timestamp;
use serde::Serialize;

use crate::acts::{Act, insert_act};
use crate::db::{reading, writing};
use crate::{Store, StoreError};

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The name they log in by, lower case.
    pub name: String,
    /// What they may do, as the desk names it.
    pub role: String,
    /// Where: domains (`@example.org`) or addresses; empty is everywhere.
    pub scope: Vec<String>,
    /// Argon2id in the PHC string form; `None` for those who log in elsewhere only.
    pub password: Option<String>,
    /// The shared secret of one-time codes, base 32.
    pub totp: Option<String>,
    /// The last time step a code was taken for: no code is good twice.
    pub totp_step: i64,
    /// Who they are at the single sign-on provider: `ISSUER SUBJECT`.
    pub subject: Option<String>,
    /// When they were entered.
    pub created: Timestamp,
    /// May not log in.
    pub disabled: bool,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Somebody logged in, in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie, hexadecimal.
    pub hash: String,
    /// Who.
    pub person: String,
    /// What every form of this session must bring along.
    pub csrf: String,
    /// When they logged in.
    pub created: Timestamp,
    /// When they were seen last, to the minute.
    pub seen: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// From where.
    pub place: String,
    /// With which program.
    pub agent: String,
}

/// A login that holds: the session and its person, as both are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The session.
    pub session: Session,
    /// The person.
    pub person: Person,
}

/// A program's right to act for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its name in lists.
    pub id: String,
    /// For whom it acts.
    pub person: String,
    /// What it is for, in the person's words.
    pub label: String,
    /// What it may do, as the desk names it.
    pub scope: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was used last, to the minute.
    pub used: Option<Timestamp>,
}

/// A link that is good once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub kind: String,
    /// On what, as JSON.
    pub target: String,
    /// When it runs out.
    pub expires: Timestamp,
    /// When it was used.
    pub used: Option<Timestamp>,
}

const PERSON: &str = "name, role, scope, password, totp, totp_step, subject, created, disabled";

type PersonRow = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    Option<String>,
    i64,
    i64,
);

fn person(row: PersonRow) -> Result<Person, StoreError> {
    let (name, role, scope, password, totp, totp_step, subject, created, disabled) = row;
    Ok(Person {
        name,
        role,
        scope: serde_json::from_str(&scope)?,
        password,
        totp,
        totp_step,
        subject,
        created: Timestamp(created),
        disabled: disabled != 0,
    })
}

type TokenRow = (String, String, String, String, i64, i64, Option<i64>);

fn token((id, person, label, scope, created, expires, used): TokenRow) -> Token {
    Token {
        id,
        person,
        label,
        scope,
        created: Timestamp(created),
        expires: Timestamp(expires),
        used: used.map(Timestamp),
    }
}

impl Store {
    /// Everybody, by name.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let sql = format!("SELECT {PERSON} FROM people ORDER BY name");
        let rows: Vec<PersonRow> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?);
        rows.into_iter().map(person).collect()
    }

    /// Somebody by name.
    pub async fn person(&self, name: &str) -> Result<Option<Person>, StoreError> {
        let sql = format!("SELECT {PERSON} FROM people WHERE name = $1");
        let row: Option<PersonRow> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(name).fetch_optional(pool).await?);
        row.map(person).transpose()
    }

    /// Somebody by who they are at the single sign-on provider.
    pub async fn person_by_subject(&self, subject: &str) -> Result<Option<Person>, StoreError> {
        let sql = format!("SELECT {PERSON} FROM people WHERE subject = $1");
        let row: Option<PersonRow> = reading!(&self.db, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(subject).fetch_optional(pool).await?);
        row.map(person).transpose()
    }

    /// Enters somebody; false when the name or the subject is taken.
    pub async fn add_person(&self, new: &Person, act: &Act) -> Result<bool, StoreError> {
        let scope = serde_json::to_string(&new.scope)?;
        let added = writing!(&self.db, tx => {
            let done = sqlx::query("INSERT INTO people (name, role, scope, password, totp, totp_step, subject, created, disabled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING")
                .bind(&new.name).bind(&new.role).bind(&scope).bind(&new.password).bind(&new.totp).bind(new.totp_step).bind(&new.subject).bind(new.created.0).bind(i64::from(new.disabled))
                .execute(&mut *tx).await?;
            let added = done.rows_affected() > 0;
            if added {
                insert_act!(self, tx, act);
            }
            added
        });
        Ok(added)
    }

    /// Changes somebody. All their sessions end when `log_out` is set: a changed right or password must hold at once. False
    /// when there is nobody of that name.
    pub async fn change_person(
        &self,
        changed: &Person,
        log_out: bool,
        act: &Act,
    ) -> Result<bool, StoreError> {
        let scope = serde_json::to_string(&changed.scope)?;
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("UPDATE people SET role = $2, scope = $3, password = $4, totp = $5, totp_step = $6, subject = $7, disabled = $8 WHERE name = $1")
                .bind(&changed.name).bind(&changed.role).bind(&scope).bind(&changed.password).bind(&changed.totp).bind(changed.totp_step).bind(&changed.subject).bind(i64::from(changed.disabled))
                .execute(&mut *tx).await?;
            let done = done.rows_affected() > 0;
            if done {
                if log_out {
                    sqlx::query("DELETE FROM sessions WHERE person = $1").bind(&changed.name).execute(&mut *tx).await?;
                }
                insert_act!(self, tx, act);
            }
            done
        });
        Ok(done)
    }

    /// Takes a time step for a one-time code: true once per step and person, so that a code that was looked at is not good again.
    pub async fn take_totp_step(&self, name: &str, step: i64) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => sqlx::query("UPDATE people SET totp_step = $2 WHERE name = $1 AND totp_step < $2").bind(name).bind(step).execute(&mut *tx).await?.rows_affected());
        Ok(done > 0)
    }

    /// Removes somebody, with sessions and tokens.
    pub async fn remove_person(&self, name: &str, act: &Act) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("DELETE FROM people WHERE name = $1").bind(name).execute(&mut *tx).await?.rows_affected() > 0;
            if done {
                sqlx::query("DELETE FROM sessions WHERE person = $1").bind(name).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM tokens WHERE person = $1").bind(name).execute(&mut *tx).await?;
                insert_act!(self, tx, act);
            }
            done
        });
        Ok(done)
    }

    /// Begins a session, and ends the one it replaces.
    pub async fn add_session(
        &self,
        new: &Session,
        replaces: Option<&str>,
        act: &Act,
    ) -> Result<(), StoreError> {
        writing!(&self.db, tx => {
            if let Some(old) = replaces {
                sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(old).execute(&mut *tx).await?;
            }
            sqlx::query("INSERT INTO sessions (hash, person, csrf, created, seen, expires, place, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(&new.hash).bind(&new.person).bind(&new.csrf).bind(new.created.0).bind(new.seen.0).bind(new.expires.0).bind(&new.place)
                .bind(crate::records::storable(new.agent.clone()))
                .execute(&mut *tx).await?;
            insert_act!(self, tx, act);
        });
        Ok(())
    }

    /// The login behind a cookie's hash, when the session has not ended and the person may log in.
    pub async fn login(&self, hash: &str, now: Timestamp) -> Result<Option<Login>, StoreError> {
        let sql = "SELECT hash, person, csrf, created, seen, expires, place, agent FROM sessions WHERE hash = $1 AND expires > $2";
        type Row = (String, String, String, i64, i64, i64, String, String);
        let row: Option<Row> = reading!(&self.db, pool => sqlx::query_as(sql).bind(hash).bind(now.0).fetch_optional(pool).await?);
        let Some((hash, person, csrf, created, seen, expires, place, agent)) = row else {
            return Ok(None);
        };
        let session = Session {
            hash,
            person,
            csrf,
            created: Timestamp(created),
            seen: Timestamp(seen),
            expires: Timestamp(expires),
            place,
            agent,
        };
        let person = self.person(&session.person).await?;
        Ok(person
            .filter(|person| !person.disabled)
            .map(|person| Login { session, person }))
    }

    /// Notes that a session is used, and until when it lasts now.
    pub async fn touch_session(
        &self,
        hash: &str,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        writing!(&self.db, tx => {
            sqlx::query("UPDATE sessions SET seen = $2, expires = $3 WHERE hash = $1").bind(hash).bind(now.0).bind(expires.0).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Sessions of a person, newest first.
    pub async fn sessions(&self, person: &str, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT hash, person, csrf, created, seen, expires, place, agent FROM sessions WHERE person = $1 AND expires > $2 ORDER BY created DESC LIMIT 100";
        type Row = (String, String, String, i64, i64, i64, String, String);
        let rows: Vec<Row> = reading!(&self.db, pool => sqlx::query_as(sql).bind(person).bind(now.0).fetch_all(pool).await?);
        let read = |(hash, person, csrf, created, seen, expires, place, agent): Row| Session {
            hash,
            person,
            csrf,
            created: Timestamp(created),
            seen: Timestamp(seen),
            expires: Timestamp(expires),
            place,
            agent,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Ends a session, or all of a person but one.
    pub async fn end_sessions(
        &self,
        person: &str,
        only: Option<&str>,
        but: Option<&str>,
    ) -> Result<u64, StoreError> {
        let sql =
            "DELETE FROM sessions WHERE person = $1 AND ($2 = '' OR hash = $2) AND hash <> $3";
        Ok(
            writing!(&self.db, tx => sqlx::query(sql).bind(person).bind(only.unwrap_or_default()).bind(but.unwrap_or_default()).execute(&mut *tx).await?.rows_affected()),
        )
    }

    /// Makes a token.
    pub async fn add_token(&self, new: &Token, hash: &str, act: &Act) -> Result<(), StoreError> {
        writing!(&self.db, tx => {
            sqlx::query("INSERT INTO tokens (id, hash, person, label, scope, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(&new.id).bind(hash).bind(&new.person).bind(crate::records::storable(new.label.clone())).bind(&new.scope).bind(new.created.0).bind(new.expires.0)
                .execute(&mut *tx).await?;
            insert_act!(self, tx, act);
        });
        Ok(())
    }

    /// The token behind a hash and its person, when both are good.
    pub async fn token_login(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Token, Person)>, StoreError> {
        let sql = "SELECT id, person, label, scope, created, expires, used FROM tokens WHERE hash = $1 AND expires > $2";
        let row: Option<TokenRow> = reading!(&self.db, pool => sqlx::query_as(sql).bind(hash).bind(now.0).fetch_optional(pool).await?);
        let Some(token) = row.map(token) else {
            return Ok(None);
        };
        // To the minute is enough, and one write a minute.
        if token
            .used
            .is_none_or(|used| now.micros_since(used) > 60_000_000)
        {
            writing!(&self.db, tx => {
                sqlx::query("UPDATE tokens SET used = $2 WHERE hash = $1").bind(hash).bind(now.0).execute(&mut *tx).await?;
            });
        }
        let person = self.person(&token.person).await?;
        Ok(person
            .filter(|person| !person.disabled)
            .map(|person| (token, person)))
    }

    /// Tokens, of one person or of all.
    pub async fn tokens(&self, person: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let sql = "SELECT id, person, label, scope, created, expires, used FROM tokens WHERE $1 = '' OR person = $1 ORDER BY id DESC LIMIT 1000";
        let rows: Vec<TokenRow> = reading!(&self.db, pool => sqlx::query_as(sql).bind(person.unwrap_or_default()).fetch_all(pool).await?);
        Ok(rows.into_iter().map(token).collect())
    }

    /// Ends a token; of one person only when one is named.
    pub async fn remove_token(
        &self,
        id: &str,
        person: Option<&str>,
        act: &Act,
    ) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => {
            let done = sqlx::query("DELETE FROM tokens WHERE id = $1 AND ($2 = '' OR person = $2)").bind(id).bind(person.unwrap_or_default()).execute(&mut *tx).await?.rows_affected() > 0;
            if done {
                insert_act!(self, tx, act);
            }
            done
        });
        Ok(done)
    }

    /// Makes links.
    pub async fn add_links(&self, links: &[(String, Link)]) -> Result<(), StoreError> {
        writing!(&self.db, tx => for (hash, link) in links {
            sqlx::query("INSERT INTO links (hash, kind, target, expires) VALUES ($1, $2, $3, $4)").bind(hash).bind(&link.kind).bind(&link.target).bind(link.expires.0).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// A link by its hash, used or not.
    pub async fn link(&self, hash: &str) -> Result<Option<Link>, StoreError> {
        let sql = "SELECT kind, target, expires, used_at FROM links WHERE hash = $1";
        let row: Option<(String, String, i64, Option<i64>)> =
            reading!(&self.db, pool => sqlx::query_as(sql).bind(hash).fetch_optional(pool).await?);
        Ok(row.map(|(kind, target, expires, used)| Link {
            kind,
            target,
            expires: Timestamp(expires),
            used: used.map(Timestamp),
        }))
    }

    /// Uses a link: true once, and never again, nor after its time.
    pub async fn use_link(&self, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        let done = writing!(&self.db, tx => sqlx::query("UPDATE links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires > $2").bind(hash).bind(now.0).execute(&mut *tx).await?.rows_affected());
        Ok(done > 0)
    }

    /// Removes sessions, tokens, links and answers whose time is over.
    pub(crate) async fn sweep_leftovers(&self, now: Timestamp) -> Result<u64, StoreError> {
        let removed = writing!(&self.db, tx => {
            let mut removed = 0;
            for sql in ["DELETE FROM sessions WHERE expires < $1", "DELETE FROM links WHERE expires < $1", "DELETE FROM tokens WHERE expires < $1"] {
                // A day longer than they are good, so that "this link was used" can still be said.
                removed += sqlx::query(sql).bind(now.plus_secs(-86_400).0).execute(&mut *tx).await?.rows_affected();
            }
            removed + sqlx::query("DELETE FROM answers WHERE at < $1").bind(now.plus_secs(-86_400).0).execute(&mut *tx).await?.rows_affected()
        });
        Ok(removed)
    }
}
