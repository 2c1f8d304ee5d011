//! Sessions: a login tells from where and with what, what follows in the session does not.

use std::collections::HashMap;

use mail::Account;
use mail::operation::{Act, LoginOutcome, Source};

/// Where sessions come from, by account and the server's name for them.
pub(super) struct Sessions {
    most: usize,
    /// Two generations: a session is remembered for one to two times `most` logins.
    now: HashMap<(Account, String), Source>,
    before: HashMap<(Account, String), Source>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            now: HashMap::new(),
            before: HashMap::new(),
        }
    }

    /// Remembers the source of a login; fills in that of what follows.
    pub(super) fn join(
        &mut self,
        session: &str,
        source: &mut Source,
        account: Option<&Account>,
        act: &Act,
    ) {
        // A master user logs in by its own name, and what follows goes by the name of whose mailbox it opened.
        let opened = match act {
            Act::Login(login) => login.into.as_ref(),
            _ => None,
        };
        let Some(account) = opened.or(account) else {
            return;
        };
        let key = (account.clone(), session.to_owned());
        let succeeded =
            matches!(act, Act::Login(login) if login.outcome == LoginOutcome::Succeeded);
        if succeeded && source.ip.is_some() {
            if self.now.len() >= self.most {
                self.before = std::mem::take(&mut self.now);
            }
            self.now.insert(key, source.clone());
            return;
        }
        if source.ip.is_some() && source.device.is_some() {
            return;
        }
        if let Some(known) = self.now.get(&key).or_else(|| self.before.get(&key)) {
            source.ip = source.ip.or(known.ip);
            source.device = source.device.or(known.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Known;
    use mail::operation::{DeviceTag, Login};

    use super::*;

    fn source(ip: Option<&str>) -> Source {
        Source {
            ip: ip.and_then(|ip| ip.parse().ok()),
            device: ip.map(|_| DeviceTag(7)),
            place: Known::NotAsked,
        }
    }

    const LOGIN: Act = Act::Login(Login::new(LoginOutcome::Succeeded));

    #[test]
    fn what_follows_a_login_comes_from_where_it_came() {
        let mut sessions = Sessions::new(2);
        let ann = Account::new("ann", 10);
        let bob = Account::new("bob", 10);
        sessions.join("s1", &mut source(Some("192.0.2.7")), ann.as_ref(), &LOGIN);
        let follows = |sessions: &mut Sessions, session: &str, account: &Option<Account>| {
            let mut read = source(None);
            sessions.join(session, &mut read, account.as_ref(), &Act::Control);
            read
        };
        assert_eq!(
            follows(&mut sessions, "s1", &ann),
            source(Some("192.0.2.7"))
        );
        assert_eq!(follows(&mut sessions, "s2", &ann), source(None));
        assert_eq!(follows(&mut sessions, "s1", &bob), source(None));
        for number in 0..2 {
            let session = format!("t{number}");
            sessions.join(
                &session,
                &mut source(Some("192.0.2.8")),
                bob.as_ref(),
                &LOGIN,
            );
        }
        assert_eq!(
            follows(&mut sessions, "s1", &ann),
            source(Some("192.0.2.7"))
        );
        for number in 2..6 {
            let session = format!("t{number}");
            sessions.join(
                &session,
                &mut source(Some("192.0.2.8")),
                bob.as_ref(),
                &LOGIN,
            );
        }
        assert_eq!(
            follows(&mut sessions, "s1", &ann),
            source(None),
            "forgotten"
        );
        assert!(sessions.now.len() <= 2 && sessions.before.len() <= 2);
    }

    #[test]
    fn what_follows_a_master_user_s_login_comes_from_where_it_came() {
        let mut sessions = Sessions::new(2);
        let (master, bob) = (Account::new("backup", 10), Account::new("bob", 10));
        let opens = Act::Login(Login {
            into: bob.clone(),
            ..Login::new(LoginOutcome::Succeeded)
        });
        sessions.join(
            "s1",
            &mut source(Some("192.0.2.7")),
            master.as_ref(),
            &opens,
        );
        let mut read = source(None);
        sessions.join("s1", &mut read, bob.as_ref(), &Act::Control);
        assert_eq!(read, source(Some("192.0.2.7")));
    }
}
