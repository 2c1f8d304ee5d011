//! The gate: who is there? Logins, sessions, tokens, links that are good once.
//!
//! What comes out is an [`Author`], and with it a [`Desk`](crate::Desk). Nothing else makes one from outside the machine.

mod limiter;
pub mod password;

use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use mail::RecordId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{Act, Link, Login, Person, Session, Store, StoreError};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::clock::now;
use crate::desk::{Author, Role};
use limiter::Limiter;
use password::Rules;

/// A session without a click ends, seconds.
const IDLE_SECS: i64 = 2 * 3600;
/// A session ends whatever is clicked, seconds.
const SESSION_SECS: i64 = 16 * 3600;
/// A link of invitation is good for so long, seconds.
const INVITE_SECS: i64 = 48 * 3600;
/// Passwords hashed at once: each takes 19 MiB and a core for a while.
const HASHING: usize = 2;
/// Longest name, bytes.
const NAME_MAX: usize = 100;

/// Why somebody is not let in. What is told does not say whether a name exists.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Name, password or code is wrong.
    #[error("name, password or code is not right")]
    Wrong,
    /// The password is right; a code is needed as well.
    #[error("a one-time code is needed")]
    CodeNeeded,
    /// Too many failures.
    #[error("too many failed logins; try again in {0} s")]
    Wait(i64),
    /// What was given cannot be used.
    #[error("{0}")]
    Unfit(String),
    /// The link was used, ran out, or never was.
    #[error("this link was used before, or its time is over; ask for a new one")]
    NoLink,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody brings to log in.
pub struct Attempt<'a> {
    /// The name.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
    /// The one-time code; empty when there is none.
    pub code: &'a str,
    /// From where.
    pub place: IpAddr,
    /// With which program.
    pub agent: &'a str,
    /// The cookie they came with, which a new one replaces.
    pub cookie: Option<&'a str>,
}

/// What an invitation is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// For somebody who is entered already; `None` lets them choose a name.
    pub name: Option<String>,
    /// What they will be.
    pub role: Role,
    /// On whose mail.
    pub scope: Vec<String>,
}

/// Lets people in.
pub struct Gate {
    store: Store,
    limiter: Limiter,
    rules: Rules,
    hashing: Arc<Semaphore>,
    /// What a password is compared with when there is nobody of that name, so that both take as long.
    nobody: String,
}

impl Gate {
    /// A gate before a store.
    pub fn new(store: Store, rules: Rules) -> Result<Self, String> {
        Ok(Self {
            store,
            limiter: Limiter::default(),
            rules,
            hashing: Arc::new(Semaphore::new(HASHING)),
            nobody: password::hash(&secret())?,
        })
    }

    /// The store behind it.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Logs in with name, password and, where set up, a one-time code. Returns the new session's cookie.
    pub async fn log_in(&self, attempt: &Attempt<'_>) -> Result<String, GateError> {
        let name = attempt.name.trim().to_lowercase();
        if name.len() > NAME_MAX || attempt.password.len() > password::BYTES_MAX {
            return Err(GateError::Wrong);
        }
        if let Some(secs) = self.limiter.wait(&name, attempt.place, now()) {
            return Err(GateError::Wait(secs));
        }
        let person = self.store.person(&name).await?;
        let kept = person
            .as_ref()
            .and_then(|person| person.password.clone())
            .unwrap_or_else(|| self.nobody.clone());
        let right = self.is_right(attempt.password, kept).await;
        let person = person.filter(|person| right && !person.disabled && person.password.is_some());
        let Some(person) = person else {
            return Err(self
                .refuse(&name, attempt.place, "wrong name or password")
                .await);
        };
        if let Some(totp) = &person.totp {
            if attempt.code.trim().is_empty() {
                return Err(GateError::CodeNeeded);
            }
            let step = totp_step(totp, attempt.code.trim());
            let taken = match step {
                Some(step) => self.store.take_totp_step(&name, step).await?,
                None => false,
            };
            if !taken {
                return Err(self.refuse(&name, attempt.place, "wrong code").await);
            }
        }
        self.limiter.succeeded(&name, attempt.place, now());
        self.begin(
            &person,
            "password",
            attempt.place,
            attempt.agent,
            attempt.cookie,
        )
        .await
    }

    /// Begins a session for somebody whom another has vouched for (single sign-on, an invitation).
    pub async fn begin(
        &self,
        person: &Person,
        how: &str,
        place: IpAddr,
        agent: &str,
        replaces: Option<&str>,
    ) -> Result<String, GateError> {
        let cookie = secret();
        let at = now();
        let session = Session {
            hash: hash(&cookie),
            person: person.name.clone(),
            csrf: secret(),
            created: at,
            seen: at,
            expires: at.plus_secs(IDLE_SECS),
            place: place.to_string(),
            agent: agent.chars().take(200).collect(),
        };
        let replaces = replaces.map(hash);
        let act = self.act(&person.name, place, "login", how, "");
        self.store
            .add_session(&session, replaces.as_deref(), &act)
            .await?;
        Ok(cookie)
    }

    /// Begins a session for somebody whom a single sign-on provider vouches for. The first time they are found by the name they were
    /// entered under, and bound to who they are there; after that only this binding counts.
    pub async fn vouched(
        &self,
        subject: &str,
        name: Option<&str>,
        place: IpAddr,
        agent: &str,
        replaces: Option<&str>,
    ) -> Result<String, GateError> {
        let person = match self.store.person_by_subject(subject).await? {
            Some(person) => person,
            None => self.bind(subject, name, place).await?,
        };
        if person.disabled {
            return Err(GateError::Wrong);
        }
        self.begin(&person, "single sign-on", place, agent, replaces)
            .await
    }

    async fn bind(
        &self,
        subject: &str,
        name: Option<&str>,
        place: IpAddr,
    ) -> Result<Person, GateError> {
        let person = match name {
            Some(name) => self.store.person(name).await?,
            None => None,
        };
        // Somebody who is bound already is not bound again by a name that was given to another.
        let free = person.filter(|person| person.subject.is_none() && !person.disabled);
        let Some(mut person) = free else {
            return Err(self
                .refuse(
                    name.unwrap_or(subject),
                    place,
                    "single sign-on, nobody of that name",
                )
                .await);
        };
        person.subject = Some(subject.to_owned());
        let act = self.act(&person.name, place, "sso-bound", subject, &person.name);
        self.store.change_person(&person, false, &act).await?;
        Ok(person)
    }

    /// Who comes with this cookie? Prolongs the session.
    pub async fn who(&self, cookie: &str) -> Result<Option<Login>, StoreError> {
        let at = now();
        let Some(login) = self.whose(cookie).await? else {
            return Ok(None);
        };
        if at.micros_since(login.session.seen) > 60_000_000 {
            let last = login.session.created.plus_secs(SESSION_SECS);
            let expires = at.plus_secs(IDLE_SECS).min(last);
            self.store
                .touch_session(&login.session.hash, at, expires)
                .await?;
        }
        Ok(Some(login))
    }

    /// Whose session a cookie is; asking is no sign of life of theirs.
    pub async fn whose(&self, cookie: &str) -> Result<Option<Login>, StoreError> {
        self.store.login(&hash(cookie), now()).await
    }

    /// Who comes with this API token, and what it may do.
    pub async fn who_by_token(
        &self,
        token: &str,
    ) -> Result<Option<(store::Token, Person)>, StoreError> {
        self.store.token_login(&hash(token), now()).await
    }

    /// Ends the session of a cookie.
    pub async fn log_out(&self, login: &Login, place: IpAddr) -> Result<(), StoreError> {
        let session = &login.session;
        self.store
            .end_sessions(&session.person, Some(&session.hash), None)
            .await?;
        self.store
            .append_act(&self.act(&session.person, place, "logout", "", ""))
            .await
    }

    /// Makes a link that lets somebody choose a password once. The caller answers for its right to.
    pub async fn invite(&self, invitation: &Invitation) -> Result<String, StoreError> {
        let code = secret();
        let link = Link {
            kind: "invite".to_owned(),
            target: serde_json::to_string(invitation)?,
            expires: now().plus_secs(INVITE_SECS),
            used: None,
        };
        self.store.add_links(&[(hash(&code), link)]).await?;
        Ok(code)
    }

    /// What a link of invitation is for; nothing is used up.
    pub async fn invitation(&self, code: &str) -> Result<Invitation, GateError> {
        let link = self.store.link(&hash(code)).await?;
        let good = link
            .filter(|link| link.kind == "invite" && link.used.is_none() && link.expires > now());
        let link = good.ok_or(GateError::NoLink)?;
        serde_json::from_str(&link.target).map_err(|error| StoreError::from(error).into())
    }

    /// Takes an invitation: the person is entered, or gets the new password, and is logged in.
    pub async fn accept(
        &self,
        code: &str,
        name: &str,
        password: &str,
        place: IpAddr,
        agent: &str,
    ) -> Result<String, GateError> {
        let invitation = self.invitation(code).await?;
        let name = match &invitation.name {
            Some(name) => name.clone(),
            None => read_name(name).map_err(GateError::Unfit)?,
        };
        let kept = self.new_password(password, &name).await?;
        let known = self.store.person(&name).await?;
        if known.is_some() && invitation.name.is_none() {
            return Err(GateError::Unfit(format!("the name {name} is taken")));
        }
        if !self.store.use_link(&hash(code), now()).await? {
            return Err(GateError::NoLink);
        }
        let person = match known {
            Some(mut person) => {
                person.password = Some(kept);
                let act = self.act(&name, place, "password", "by invitation", "");
                self.store.change_person(&person, true, &act).await?;
                person
            }
            None => {
                let person = Person {
                    name: name.clone(),
                    role: invitation.role.as_str().to_owned(),
                    scope: invitation.scope.clone(),
                    password: Some(kept),
                    totp: None,
                    totp_step: 0,
                    subject: None,
                    created: now(),
                    disabled: false,
                };
                let mut act = self.act(&name, place, "person-added", "by invitation", &name);
                act.after = format!("{} {}", person.role, person.scope.join(" "));
                if !self.store.add_person(&person, &act).await? {
                    return Err(GateError::Unfit(format!("the name {name} is taken")));
                }
                person
            }
        };
        self.begin(&person, "invitation", place, agent, None).await
    }

    /// Hashes a new password, when it is good enough.
    pub async fn new_password(&self, password: &str, name: &str) -> Result<String, GateError> {
        let (rules, password, name) = (self.rules.clone(), password.to_owned(), name.to_owned());
        let hashed = self
            .hashing(move || {
                if let Some(why) = rules.complaint(&password, &[&name, "mailvigil"]) {
                    return Err(format!("the password {why}"));
                }
                password::hash(&password)
            })
            .await;
        hashed.map_err(GateError::Unfit)
    }

    /// Is it this person's password? For acts that ask for it again.
    pub async fn knows_password(&self, person: &Person, password: &str) -> bool {
        match person.password.clone() {
            Some(kept) => self.is_right(password, kept).await,
            None => false,
        }
    }

    async fn is_right(&self, password: &str, kept: String) -> bool {
        let password = password.to_owned();
        self.hashing(move || password::is_right(&password, &kept))
            .await
    }

    /// Runs work that takes memory and a core, a few at a time.
    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.hashing.clone().acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .expect("hashing does not panic")
    }

    async fn refuse(&self, name: &str, place: IpAddr, why: &str) -> GateError {
        let written = self.limiter.failed(name, place, now());
        tracing::warn!("a login failed from {place}: {why}");
        if written {
            let shown: String = name.chars().take(NAME_MAX).collect();
            let act = self.act(&shown, place, "login-failed", why, "");
            if let Err(error) = self.store.append_act(&act).await {
                return error.into();
            }
        }
        GateError::Wrong
    }

    fn act(&self, who: &str, place: IpAddr, act: &str, reason: &str, target: &str) -> Act {
        Act {
            at: now(),
            who: who.to_owned(),
            from: place.to_string(),
            act: act.to_owned(),
            target: target.to_owned(),
            reason: reason.to_owned(),
            before: String::new(),
            after: String::new(),
        }
    }
}

/// The author a person is. `None` for a role that this program does not know.
pub fn author(person: &Person, from: String) -> Option<Author> {
    Some(Author {
        who: person.name.clone(),
        from,
        role: Role::parse(&person.role)?,
        scope: person.scope.clone(),
    })
}

/// Compares secrets in a time that tells nothing.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// 256 bits of chance, to be shown once.
pub fn secret() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    BASE64URL_NOPAD.encode(&bytes)
}

/// How a secret is kept: it has 256 bits, so one round is enough.
pub fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

/// A name to log in by, in its kept form.
pub fn read_name(text: &str) -> Result<String, String> {
    let name = text.trim().to_lowercase();
    let good = (1..=NAME_MAX).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "@.-_+".contains(c));
    if good {
        Ok(name)
    } else {
        Err("a name has letters, digits and . - _ + @, at most 100".to_owned())
    }
}

/// A new secret for one-time codes, base 32.
pub fn new_totp() -> String {
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    data_encoding::BASE32_NOPAD.encode(&bytes)
}

/// The address that a one-time code program reads from a QR code.
pub fn totp_url(secret: &str, name: &str, site: &str) -> Option<String> {
    // A colon parts the two in the address.
    let site = site.replace(':', " ");
    let name = name.replace(':', " ");
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(secret).ok()?)
        .with_issuer(Some(site))
        .with_account_name(name)
        .build()
        .ok()?;
    totp.to_url().ok()
}

/// The time step a code is good for now, with one step of tolerance for clocks that differ; `None`: it is not.
pub fn totp_step(secret: &str, code: &str) -> Option<i64> {
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(secret).ok()?)
        .with_skew(1)
        .build()
        .ok()?;
    let step = totp.check(code, now().secs() as u64)?;
    Some(step as i64)
}

/// What identifies a new record-like thing.
pub(crate) fn fresh_id() -> RecordId {
    RecordId::random(now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_in_its_time_and_the_program_s_address_can_be_read() {
        let secret = new_totp();
        assert_eq!(secret.len(), 32);
        let totp = totp_rs::Builder::new()
            .with_secret(totp_rs::Secret::try_from_base32(&secret).expect("a secret"))
            .build()
            .expect("a generator");
        let at = now().secs() as u64;
        let code = |at: u64| totp.generate(at).to_string();
        assert_eq!(totp_step(&secret, &code(at)), Some(at as i64 / 30));
        assert!(
            totp_step(&secret, &code(at - 30)).is_some(),
            "clocks differ"
        );
        assert_eq!(totp_step(&secret, &code(at - 300)), None);
        for wrong in ["", "12345", "abcdef", "0000000"] {
            assert_eq!(totp_step(&secret, wrong), None, "{wrong}");
        }
        assert_eq!(totp_step("not base 32!", "123456"), None);
        let url = totp_url(&secret, "ann: of accounts", "Example: Ltd").expect("an address");
        assert!(
            url.starts_with("otpauth://totp/") && url.contains(&secret),
            "{url}"
        );
    }

    #[test]
    fn names_are_read_strictly() {
        assert_eq!(
            read_name(" Ann.Lee@b.example ").as_deref(),
            Ok("ann.lee@b.example")
        );
        for wrong in ["", "a b", "a/b", "<b>", "a\u{202e}b", &"x".repeat(101)] {
            assert!(read_name(wrong).is_err(), "{wrong:?}");
        }
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("", "a"));
        assert_ne!(secret(), secret());
    }
}
