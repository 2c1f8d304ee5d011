//! The JSON intake: operations told by whatever no other door speaks with, one object a line, or an array.
//!
//! ```json
//! {"protocol":"http","ip":"192.0.2.7","account":"ann","device":"webmail 2","session":"s1","act":{"login":{"outcome":"succeeded"}}}
//! {"protocol":"imap","account":"ann","session":"s1","act":{"retrieve":{"messages":3,"bytes":4096}}}
//! ```

use std::net::IpAddr;

use mail::operation::{Act, Administer, DeviceTag, Protocol};
use mail::{Address, Limits, Timestamp};
use serde::Deserialize;

use crate::auth_policy::Unfit;

/// An operation as it is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// When, seconds since 1970; now where it is missing.
    #[serde(default)]
    pub at: Option<f64>,
    /// By what.
    pub protocol: Protocol,
    /// From where.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// Whose account.
    #[serde(default)]
    pub account: Option<String>,
    /// What the client program says of itself.
    #[serde(default)]
    pub device: Option<String>,
    /// The server's name of the session.
    #[serde(default)]
    pub session: Option<String>,
    /// What was done.
    pub act: Act,
}

impl Told {
    /// The tag of the client program.
    pub fn tag(&self) -> Option<DeviceTag> {
        self.device.as_deref().and_then(DeviceTag::of)
    }

    /// When it happened, unless that is more than a day from `now`: a clock that is so wrong says nothing.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        const DAY_SECS: f64 = 86_400.0;
        let now_secs = now.0 as f64 / 1e6;
        match self.at {
            Some(at) if at.is_finite() && (at - now_secs).abs() <= DAY_SECS => {
                Timestamp((at * 1e6) as i64)
            }
            _ => now,
        }
    }
}

/// Reads a body; the first operation that cannot be used is named, and none is taken.
pub fn read(body: &[u8], limits: &Limits) -> Result<Vec<Told>, Unfit> {
    let text =
        std::str::from_utf8(body).map_err(|_| Unfit::new("the body is not UTF-8".to_owned()))?;
    let told = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<Told>>(text)
            .map_err(|error| Unfit::new(format!("the array cannot be used: {error}")))?
    } else {
        let mut told = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let one = serde_json::from_str(line).map_err(|error| {
                Unfit::new(format!("line {} cannot be used: {error}", number + 1))
            })?;
            told.push(one);
        }
        told
    };
    for (number, one) in told.iter().enumerate() {
        let number = number + 1;
        if let Act::Send(sent) = &one.act
            && sent.recipients.len() > limits.recipients_max
        {
            return Err(Unfit::new(format!(
                "operation {number} has more recipients than limits.recipients_max"
            )));
        }
        let names = [one.account.as_deref(), into(&one.act)];
        if names
            .into_iter()
            .flatten()
            .any(|name| name.len() > limits.address_bytes_max)
        {
            return Err(Unfit::new(format!(
                "operation {number} has an account longer than limits.address_bytes_max"
            )));
        }
        if addresses(&one.act).any(|one| one.as_str().len() > limits.address_bytes_max) {
            return Err(Unfit::new(format!(
                "operation {number} has an address longer than limits.address_bytes_max"
            )));
        }
    }
    Ok(told)
}

/// The account that a master user opens.
fn into(act: &Act) -> Option<&str> {
    match act {
        Act::Login(login) => login.into.as_ref().map(mail::Account::as_str),
        _ => None,
    }
}

/// Addresses that an act names.
fn addresses(act: &Act) -> impl Iterator<Item = &Address> {
    let (one, many) = match act {
        Act::Send(sent) => (sent.envelope_from.as_ref(), sent.recipients.as_slice()),
        Act::Probe { recipient, .. } => (Some(recipient), &[] as &[Address]),
        Act::Administer(Administer::Forward { target, .. }) => (Some(target), &[] as &[Address]),
        Act::Login(_)
        | Act::Reply(_)
        | Act::Retrieve(_)
        | Act::List(_)
        | Act::Delete(_)
        | Act::Append(_)
        | Act::Administer(_)
        | Act::Fault(_)
        | Act::Control => (None, &[] as &[Address]),
    };
    one.into_iter().chain(many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_arrays() {
        let lines = concat!(
            r#"{"protocol":"http","ip":"192.0.2.7","account":"ann","device":"webmail 2","session":"s1","act":{"login":{"outcome":"succeeded"}}}"#,
            "\n\n",
            r#"{"protocol":"imap","account":"ann","act":{"retrieve":{"messages":3,"bytes":4096}}}"#,
        );
        let read = |text: &str| super::read(text.as_bytes(), &Limits::default());
        let told = read(lines).expect("two");
        assert_eq!(told.len(), 2);
        assert!(told[0].tag().is_some());
        let array = format!("[{}]", lines.lines().next().unwrap_or_default());
        assert_eq!(read(&array).expect("one"), told[..1]);
        let long = format!(
            r#"{{"protocol":"smtp","act":{{"probe":{{"recipient":"{}@a.example","said":"unknown"}}}}}}"#,
            "x".repeat(100_000)
        );
        let error = read(&long).expect_err("too long").to_string();
        assert!(error.contains("address_bytes_max"), "{error}");
        for (bad, why) in [
            (r#"{"protocol":"imap"}"#, "line 1"),
            (
                r#"{"protocol":"imap","act":"control","x":1}"#,
                "unknown field",
            ),
            (r#"[{"protocol":"smoke","act":"control"}]"#, "array"),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_clock_that_is_a_day_wrong_is_not_believed() {
        let now = Timestamp::from_secs(1_800_000_000);
        let at = |at: Option<f64>| {
            let told = Told {
                at,
                protocol: Protocol::Imap,
                ip: None,
                account: None,
                device: None,
                session: None,
                act: Act::Control,
            };
            told.time(now)
        };
        assert_eq!(at(None), now);
        assert_eq!(at(Some(1_800_000_000.5)).0, now.0 + 500_000);
        for wrong in [0.0, f64::NAN, f64::INFINITY, -1e300] {
            assert_eq!(at(Some(wrong)), now);
        }
    }
}
