//! nginx' `auth_http` (ngx_mail_auth_http_module): header fields ask whether and to which server a login goes on.
//!
//! We stand between nginx and the site's own authentication server: what nginx asks is judged, passed on, and its answer told to the watch. The
//! password is hashed as Dovecot's auth policy does it and not kept.

use std::net::IpAddr;

use mail::operation::{FailType, LoginOutcome, Protocol};

/// What nginx asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The account's name, unescaped.
    pub user: String,
    /// The password, unescaped; none for APOP and CRAM-MD5, which show a digest.
    pub password: Option<String>,
    /// By what.
    pub protocol: Protocol,
    /// From where.
    pub client: Option<IpAddr>,
    /// How many tries there were in this session, this one included.
    pub attempt: u32,
}

impl Question {
    /// From the header fields; `field` finds one by its lower-case name. `None` when nobody logs in (`Auth-Method: none`).
    pub fn read(field: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let method = field("auth-method").unwrap_or_default();
        if method == "none" {
            return None;
        }
        let user = unescaped(&field("auth-user")?);
        let plain = method == "plain" || method.is_empty();
        let protocol = match field("auth-protocol").unwrap_or_default().as_str() {
            "imap" => Protocol::Imap,
            "pop3" => Protocol::Pop3,
            _ => Protocol::Submission,
        };
        // Behind a proxy of its own nginx tells the true client apart from the proxy.
        let client = field("proxy-protocol-addr").or_else(|| field("client-ip"));
        Some(Self {
            user,
            password: field("auth-pass")
                .filter(|_| plain)
                .map(|text| unescaped(&text)),
            protocol,
            client: client
                .and_then(|text| text.trim().parse().ok())
                .map(|ip: IpAddr| ip.to_canonical()),
            attempt: field("auth-login-attempt")
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(1),
        })
    }
}

/// What the authentication server's `Auth-Status` means.
pub fn outcome(status: &str) -> LoginOutcome {
    match status.trim() {
        "OK" => LoginOutcome::Succeeded,
        // It asks to wait and try again: nothing was decided.
        "WAIT" => LoginOutcome::Failed(FailType::Internal),
        _ => LoginOutcome::Failed(FailType::Credentials),
    }
}

/// nginx escapes blanks, line ends and percent signs.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let value = digits.and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 16).ok()
        });
        match value {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Option<Question> {
        Question::read(|name| {
            let field = fields.iter().find(|(of, _)| *of == name);
            field.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_nginx_asks() {
        let question = read(&[
            ("auth-method", "plain"),
            ("auth-user", "ann%40example.org"),
            ("auth-pass", "a%20b%25c%é"),
            ("auth-protocol", "imap"),
            ("auth-login-attempt", "2"),
            ("client-ip", "::ffff:192.0.2.7"),
        ])
        .expect("a login");
        assert_eq!(question.user, "ann@example.org");
        assert_eq!(question.password.as_deref(), Some("a b%c%é"));
        assert_eq!(question.client, "192.0.2.7".parse().ok());
        assert_eq!((question.protocol, question.attempt), (Protocol::Imap, 2));
        let digest = read(&[
            ("auth-method", "cram-md5"),
            ("auth-user", "ann"),
            ("auth-pass", "0011"),
        ]);
        assert_eq!(digest.expect("a login").password, None);
        assert_eq!(read(&[("auth-method", "none")]), None);
        assert_eq!(read(&[("auth-method", "plain")]), None);
    }

    #[test]
    fn what_the_server_behind_says() {
        assert_eq!(outcome("OK"), LoginOutcome::Succeeded);
        assert_eq!(outcome("WAIT"), LoginOutcome::Failed(FailType::Internal));
        assert_eq!(
            outcome("Invalid login or password"),
            LoginOutcome::Failed(FailType::Credentials)
        );
    }
}
