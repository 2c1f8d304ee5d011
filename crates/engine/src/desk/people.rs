//! People who may log in: entered, changed, removed. Everybody looks after their own password, codes and tokens.

use mail::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Login, Person, Token};

use super::{Desk, DeskError, Right, Role, read_scope};
use crate::clock::now;
use crate::gate::{self, Gate, GateError, Invitation};

/// Days a token is good at most.
const TOKEN_DAYS_MAX: i64 = 366;

/// Somebody to enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPerson {
    /// The name they log in by.
    pub name: String,
    /// What they will be.
    pub role: Role,
    /// On whose mail: `@domain` or addresses; empty is everybody's.
    pub scope: Vec<String>,
}

impl From<GateError> for DeskError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Store(error) => error.into(),
            GateError::Unfit(why) => Self::Unfit(why),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl Desk {
    /// Everybody who may log in.
    pub async fn people(&self) -> Result<Vec<Person>, DeskError> {
        self.need(Right::SeePeople)?;
        Ok(self.store().people().await?)
    }

    /// Enters somebody and returns the code of a link by which they choose a password, once.
    pub async fn add_person(&self, gate: &Gate, new: &NewPerson) -> Result<String, DeskError> {
        self.need(Right::ChangePeople)?;
        let name = gate::read_name(&new.name).map_err(DeskError::Unfit)?;
        let scope = checked_scope(new.role, &new.scope)?;
        let person = Person {
            name: name.clone(),
            role: new.role.as_str().to_owned(),
            scope: scope.clone(),
            password: None,
            totp: None,
            totp_step: 0,
            subject: None,
            created: now(),
            disabled: false,
        };
        let act = self.act("person-added", &name, "", "", &in_words(&person));
        if !self.store().add_person(&person, &act).await? {
            return Err(DeskError::Conflict(format!("the name {name} is taken")));
        }
        self.link_for(gate, &person).await
    }

    /// A new link by which somebody chooses a password anew.
    pub async fn invite_again(&self, gate: &Gate, name: &str) -> Result<String, DeskError> {
        self.need(Right::ChangePeople)?;
        let person = self.somebody(name).await?;
        self.store()
            .append_act(&self.act("person-invited", name, "", "", ""))
            .await?;
        self.link_for(gate, &person).await
    }

    async fn link_for(&self, gate: &Gate, person: &Person) -> Result<String, DeskError> {
        let invitation = Invitation {
            name: Some(person.name.clone()),
            role: Role::parse(&person.role).unwrap_or(Role::Owner),
            scope: person.scope.clone(),
        };
        Ok(gate.invite(&invitation).await?)
    }

    /// A link for whoever comes first: they choose a name, and become an administrator.
    pub async fn first_link(&self, gate: &Gate) -> Result<String, DeskError> {
        self.need(Right::ChangePeople)?;
        self.store()
            .append_act(&self.act(
                "person-invited",
                "",
                "a link for a new administrator",
                "",
                "",
            ))
            .await?;
        let invitation = Invitation {
            name: None,
            role: Role::Administrator,
            scope: Vec::new(),
        };
        Ok(gate.invite(&invitation).await?)
    }

    /// Changes what somebody may do, and whether they may log in. All their sessions end.
    pub async fn change_person(
        &self,
        name: &str,
        role: Role,
        scope: &[String],
        disabled: bool,
    ) -> Result<(), DeskError> {
        self.need(Right::ChangePeople)?;
        let before = self.somebody(name).await?;
        let mut after = before.clone();
        after.role = role.as_str().to_owned();
        after.scope = checked_scope(role, scope)?;
        after.disabled = disabled;
        self.keep_one_administrator(&before, Some(&after)).await?;
        let act = self.act(
            "person-changed",
            name,
            "",
            &in_words(&before),
            &in_words(&after),
        );
        self.store().change_person(&after, true, &act).await?;
        Ok(())
    }

    /// Removes somebody.
    pub async fn remove_person(&self, name: &str) -> Result<(), DeskError> {
        self.need(Right::ChangePeople)?;
        let person = self.somebody(name).await?;
        self.keep_one_administrator(&person, None).await?;
        let act = self.act("person-removed", name, "", &in_words(&person), "");
        self.store().remove_person(name, &act).await?;
        Ok(())
    }

    /// Takes the one-time codes off somebody who has lost them.
    pub async fn remove_codes(&self, name: &str) -> Result<(), DeskError> {
        self.need(Right::ChangePeople)?;
        let mut person = self.somebody(name).await?;
        person.totp = None;
        let act = self.act("codes-removed", name, "", "", "");
        self.store().change_person(&person, true, &act).await?;
        Ok(())
    }

    async fn somebody(&self, name: &str) -> Result<Person, DeskError> {
        let person = self.store().person(name).await?;
        person.ok_or_else(|| DeskError::NotFound(format!("a person named {name:?}")))
    }

    /// Nobody may take the last administrator away, themselves least of all.
    async fn keep_one_administrator(
        &self,
        before: &Person,
        after: Option<&Person>,
    ) -> Result<(), DeskError> {
        let rules_all = |person: &Person| {
            person.role == Role::Administrator.as_str()
                && person.scope.is_empty()
                && !person.disabled
        };
        if !rules_all(before) || after.is_some_and(rules_all) {
            return Ok(());
        }
        let others = self.store().people().await?;
        if others
            .iter()
            .any(|person| person.name != before.name && rules_all(person))
        {
            return Ok(());
        }
        Err(DeskError::Refused(format!(
            "{} is the last administrator; make another one first",
            before.name
        )))
    }

    // One's own things.

    /// Changes one's own password; the old one must be known. All other sessions end.
    pub async fn change_password(
        &self,
        gate: &Gate,
        login: &Login,
        old: &str,
        new: &str,
    ) -> Result<(), DeskError> {
        let mut person = login.person.clone();
        if person.password.is_some() && !gate.knows_password(&person, old).await {
            return Err(DeskError::Unfit("the old password is not right".to_owned()));
        }
        person.password = Some(gate.new_password(new, &person.name).await?);
        let act = self.act("password", &person.name, "", "", "");
        self.store().change_person(&person, false, &act).await?;
        self.store()
            .end_sessions(&person.name, None, Some(&login.session.hash))
            .await?;
        Ok(())
    }

    /// Sets up one-time codes: the first code shows that it works.
    pub async fn set_codes(
        &self,
        gate: &Gate,
        login: &Login,
        password: &str,
        secret: &str,
        code: &str,
    ) -> Result<(), DeskError> {
        let mut person = login.person.clone();
        if person.password.is_some() && !gate.knows_password(&person, password).await {
            return Err(DeskError::Unfit("the password is not right".to_owned()));
        }
        let Some(step) = gate::totp_step(secret, code.trim()) else {
            return Err(DeskError::Unfit(
                "the code is not right; is the clock of your telephone?".to_owned(),
            ));
        };
        person.totp = Some(secret.to_owned());
        person.totp_step = step;
        let act = self.act("codes-set", &person.name, "", "", "");
        self.store().change_person(&person, false, &act).await?;
        Ok(())
    }

    /// Ends one-time codes.
    pub async fn end_codes(
        &self,
        gate: &Gate,
        login: &Login,
        password: &str,
    ) -> Result<(), DeskError> {
        let mut person = login.person.clone();
        if person.password.is_some() && !gate.knows_password(&person, password).await {
            return Err(DeskError::Unfit("the password is not right".to_owned()));
        }
        person.totp = None;
        let act = self.act("codes-removed", &person.name, "", "", "");
        self.store().change_person(&person, false, &act).await?;
        Ok(())
    }

    /// Makes a token for a program that acts in one's name; what is returned is shown once.
    pub async fn add_token(
        &self,
        label: &str,
        scope: &str,
        days: i64,
    ) -> Result<(Token, String), DeskError> {
        if label.trim().is_empty() || label.chars().count() > 100 {
            return Err(DeskError::Unfit(
                "say what the token is for, in at most 100 characters".to_owned(),
            ));
        }
        if !["read", "act"].contains(&scope) {
            return Err(DeskError::Unfit(format!(
                "{scope:?} is no scope of a token: \"read\" or \"act\""
            )));
        }
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            return Err(DeskError::Unfit(format!(
                "a token is good for 1 to {TOKEN_DAYS_MAX} days"
            )));
        }
        let secret = format!("mv_{}", gate::secret());
        let token = Token {
            id: gate::fresh_id().to_string(),
            person: self.author.who.clone(),
            label: label.trim().to_owned(),
            scope: scope.to_owned(),
            created: now(),
            expires: now().plus_secs(days * 86_400),
            used: None,
        };
        let act = self.act("token-made", &token.id, label, "", scope);
        self.store()
            .add_token(&token, &gate::hash(&secret), &act)
            .await?;
        Ok((token, secret))
    }

    /// One's own tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>, DeskError> {
        Ok(self.store().tokens(Some(&self.author.who)).await?)
    }

    /// Ends a token: one's own, or anybody's for who may change people.
    pub async fn remove_token(&self, id: &str) -> Result<(), DeskError> {
        let person = (!self.author.may(Right::ChangePeople)).then_some(self.author.who.as_str());
        let act = self.act("token-ended", id, "", "", "");
        if self.store().remove_token(id, person, &act).await? {
            Ok(())
        } else {
            Err(DeskError::NotFound(format!("token {id}")))
        }
    }

    /// One's own sessions.
    pub async fn sessions(&self) -> Result<Vec<store::Session>, DeskError> {
        Ok(self.store().sessions(&self.author.who, now()).await?)
    }

    /// Ends all of one's own sessions but this one.
    pub async fn end_other_sessions(&self, login: &Login) -> Result<u64, DeskError> {
        let ended = self
            .store()
            .end_sessions(&self.author.who, None, Some(&login.session.hash))
            .await?;
        self.store()
            .append_act(&self.act("sessions-ended", &self.author.who, "", "", ""))
            .await?;
        Ok(ended)
    }

    /// When the service's clock says it is; pages show times relative to it.
    pub fn now(&self) -> Timestamp {
        now()
    }
}

fn checked_scope(role: Role, scope: &[String]) -> Result<Vec<String>, DeskError> {
    let scope = read_scope(scope).map_err(DeskError::Unfit)?;
    if role == Role::Owner && scope.is_empty() {
        return Err(DeskError::Unfit(
            "an owner needs the addresses that are theirs".to_owned(),
        ));
    }
    if role == Role::Owner && scope.iter().any(|one| one.starts_with('@')) {
        return Err(DeskError::Unfit(
            "an owner has addresses, not whole domains; make them an operator of the domain"
                .to_owned(),
        ));
    }
    Ok(scope)
}

fn in_words(person: &Person) -> String {
    let scope = if person.scope.is_empty() {
        "everything".to_owned()
    } else {
        person.scope.join(" ")
    };
    let disabled = if person.disabled {
        ", may not log in"
    } else {
        ""
    };
    format!("{} of {scope}{disabled}", person.role)
}
