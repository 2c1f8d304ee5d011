//! Dovecot's event export (JSON, by HTTP): what is done in mailboxes after a login.
//!
//! Events of commands name user and session, and in Dovecot 2.3 no address: where a session comes from is told by its login, so whoever takes
//! events in joins the two. Sets of messages (`1:50,60`) are counted from the command's own words; `*` counts as one, because nobody but
//! the mailbox knows how many that is.

use std::net::IpAddr;

use mail::address::floor_char_boundary;
use mail::operation::{
    Act, Administer, Append, CommandKinds, Delete, FailType, Fault, Kind, List, Login,
    LoginOutcome, Protocol, Retrieve, Topics,
};
use mail::{Address, Limits};
use serde_json::{Map, Value};

use crate::auth_policy::Unfit;

/// So much of what is searched for is looked at, bytes: a literal may be as long as a message.
const SEARCHED_BYTES: usize = 2048;

/// An event that tells of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The account's name.
    pub user: Option<String>,
    /// From where, when the event says so.
    pub ip: Option<IpAddr>,
    /// The session, by which a login's address is found.
    pub session: Option<String>,
    /// The master user who logged in as `user`.
    pub master: Option<String>,
    /// By what.
    pub protocol: Protocol,
    /// What was done. Whether a forward's target is ours is not known here.
    pub act: Act,
}

/// Reads one event; `None` when it tells of nothing a user did.
pub fn read(body: &[u8], kinds: &CommandKinds, limits: &Limits) -> Result<Option<Event>, Unfit> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Unfit::new(format!("the event is no JSON: {error}")))?;
    let Value::Object(event) = value else {
        return Err(Unfit::new("the event is no JSON object".to_owned()));
    };
    let Some(name) = event.get("event").and_then(Value::as_str) else {
        return Err(Unfit::new(
            "the event has no name: `event` is missing".to_owned(),
        ));
    };
    let nothing = Map::new();
    let fields = match event.get("fields") {
        Some(Value::Object(fields)) => fields,
        _ => &nothing,
    };
    let fields = Fields(fields);
    let Some((protocol, act)) = act(name, &fields, kinds, limits) else {
        return Ok(None);
    };
    let cut = |text: String, most: usize| text[..floor_char_boundary(&text, most)].to_owned();
    let ip = fields
        .text("remote_ip")
        .or_else(|| fields.text("real_remote_ip"));
    Ok(Some(Event {
        user: fields
            .text("user")
            .map(|user| cut(user, limits.address_bytes_max)),
        ip: ip
            .and_then(|ip| ip.parse().ok())
            .map(|ip: IpAddr| ip.to_canonical()),
        session: fields
            .text("session")
            .map(|session| cut(session, limits.session_bytes_max)),
        master: fields
            .text("master_user")
            .map(|master| cut(master, limits.address_bytes_max)),
        protocol,
        act,
    }))
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> u64 {
        match self.0.get(key) {
            Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
            Some(Value::String(text)) => text.parse().unwrap_or(0),
            _ => 0,
        }
    }

    fn says_yes(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(text)) => text == "yes" || text == "ok",
            _ => false,
        }
    }
}

fn act(
    name: &str,
    fields: &Fields<'_>,
    kinds: &CommandKinds,
    limits: &Limits,
) -> Option<(Protocol, Act)> {
    let by_service = || {
        let service = fields
            .text("service")
            .or_else(|| fields.text("protocol"))
            .unwrap_or_default();
        crate::auth_policy::protocol(&service)
    };
    Some(match name {
        "auth_request_finished" => (by_service(), Act::Login(login(fields))),
        "imap_command_finished" => (Protocol::Imap, command(Protocol::Imap, fields, kinds)?),
        "pop3_command_finished" => (Protocol::Pop3, command(Protocol::Pop3, fields, kinds)?),
        "managesieve_command_finished" => (
            Protocol::ManageSieve,
            command(Protocol::ManageSieve, fields, kinds)?,
        ),
        "sieve_script_activated" => (Protocol::ManageSieve, Act::Administer(Administer::Other)),
        "sieve_action_finished" => {
            let target = fields
                .text("redirect_target")
                .filter(|_| fields.text("action_name").as_deref() == Some("redirect"))?;
            let forward = Administer::Forward {
                target: Address::from_path(&target, limits.address_bytes_max)?,
                ours: false,
            };
            (Protocol::ManageSieve, Act::Administer(forward))
        }
        _ => return None,
    })
}

fn login(fields: &Fields<'_>) -> Login {
    let failed = || {
        let policy = fields
            .text("policy_result")
            .is_some_and(|result| result == "failed" || result == "delayed");
        match fields
            .text("error_code")
            .or_else(|| fields.text("fail_type"))
        {
            Some(code) if code.contains("temp") || code == "internal" => FailType::Internal,
            Some(code) if code.contains("user_disabled") || code == "disabled" => {
                FailType::Disabled
            }
            Some(code) if code.contains("pass_expired") || code == "expired" => FailType::Expired,
            Some(code) if code == "account" => FailType::Account,
            _ if policy => FailType::Policy,
            _ => FailType::Credentials,
        }
    };
    Login::new(if fields.says_yes("success") {
        LoginOutcome::Succeeded
    } else {
        LoginOutcome::Failed(failed())
    })
}

/// A command that was carried out.
fn command(protocol: Protocol, fields: &Fields<'_>, kinds: &CommandKinds) -> Option<Act> {
    let name = fields.text("cmd_name")?.to_ascii_uppercase();
    let done = fields
        .text("tagged_reply_state")
        .or_else(|| fields.text("reply"))
        .is_none_or(|state| state.starts_with("OK") || state.starts_with("+OK"));
    let kind = kinds.kind(protocol, &name)?;
    let args = fields
        .text("cmd_input_args")
        .or_else(|| fields.text("cmd_args"))
        .or_else(|| fields.text("cmd_human_args"))
        .unwrap_or_default();
    if !done {
        // What was refused changed nothing; but for want of a right it says something about whoever asked (RFC 5530, RFC 4314).
        let reply = fields.text("tagged_reply").unwrap_or_default();
        let denied = reply.to_ascii_uppercase().contains("[NOPERM]");
        return Some(if denied {
            Act::Fault(Fault::Denied)
        } else {
            Act::Control
        });
    }
    if name == "APPEND" {
        return Some(Act::Append(Append {
            messages: 1,
            bytes: fields.number("net_in_bytes").max(fields.number("bytes_in")),
        }));
    }
    Some(match kind {
        Kind::Retrieve => Act::Retrieve(Retrieve {
            messages: messages(&args),
            bytes: fields
                .number("net_out_bytes")
                .max(fields.number("bytes_out")),
            mailbox_messages: None,
        }),
        // Looking for a body is reading; flags and sizes are not, but they are few bytes.
        Kind::Delete => {
            let deletes = name != "STORE" && name != "UID STORE"
                || args.to_ascii_lowercase().contains("\\deleted");
            if !deletes {
                return Some(Act::Control);
            }
            // `EXPUNGE` only carries out what `STORE` has said.
            if name == "EXPUNGE" {
                return Some(Act::Control);
            }
            Act::Delete(Delete {
                messages: messages(&args),
                mailbox_messages: None,
            })
        }
        Kind::List => Act::List(looked(&name, &args)),
        Kind::Administer => Act::Administer(Administer::Other),
        // Logins have an event of their own.
        Kind::Login | Kind::Control | Kind::Send | Kind::Probe | Kind::Fault => Act::Control,
    })
}

/// A search looks into messages, everything else into a folder.
fn looked(name: &str, args: &str) -> List {
    let searches = ["SEARCH", "SORT", "THREAD"];
    let name = name.strip_prefix("UID ").unwrap_or(name);
    if searches.contains(&name) {
        List {
            folders: 0,
            topics: Topics::of(&args[..floor_char_boundary(args, SEARCHED_BYTES)]),
        }
    } else {
        List {
            folders: 1,
            topics: Topics::default(),
        }
    }
}

/// How many messages a sequence set names.
fn messages(args: &str) -> u32 {
    let set = args.split(' ').next().unwrap_or_default();
    let count = set
        .split(',')
        .map(|part| {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            match (from.parse::<u32>(), to.parse::<u32>()) {
                (Ok(from), Ok(to)) => u64::from(from.abs_diff(to)) + 1,
                _ => 1,
            }
        })
        .sum::<u64>();
    count.clamp(1, u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Option<Event> {
        read(
            text.as_bytes(),
            &CommandKinds::default(),
            &Limits::default(),
        )
        .expect("an event")
    }

    fn imap(name: &str, args: &str) -> Option<Act> {
        let text = serde_json::json!({ "event": "imap_command_finished", "fields": {
            "user": "ann", "session": "s1", "cmd_name": name, "cmd_input_args": args, "tagged_reply_state": "OK", "net_out_bytes": 311 } });
        event(&text.to_string()).map(|event| event.act)
    }

    #[test]
    fn commands_of_a_mailbox() {
        let read = Retrieve {
            messages: 61,
            bytes: 311,
            mailbox_messages: None,
        };
        assert_eq!(
            imap("UID FETCH", "1:50,60:70 (BODY.PEEK[])"),
            Some(Act::Retrieve(read))
        );
        let deleted = Act::Delete(Delete {
            messages: 4,
            mailbox_messages: None,
        });
        assert_eq!(
            imap("STORE", "7:10 +FLAGS (\\Deleted)"),
            Some(deleted.clone())
        );
        assert_eq!(imap("STORE", "7:10 +FLAGS (\\Seen)"), Some(Act::Control));
        assert_eq!(imap("MOVE", "1:4 Trash"), Some(deleted));
        assert_eq!(imap("EXPUNGE", ""), Some(Act::Control));
        let looked = |folders, topics| Some(Act::List(List { folders, topics }));
        assert_eq!(imap("SELECT", "INBOX"), looked(1, Topics::default()));
        let invoice = Topics::of("invoice");
        assert!(!invoice.is_empty());
        assert_eq!(imap("UID SEARCH", "TEXT \"invoice\""), looked(0, invoice));
        assert!(matches!(
            imap("APPEND", "INBOX"),
            Some(Act::Append(Append { messages: 1, .. }))
        ));
        let refused = r#"{"event":"imap_command_finished","fields":{"user":"ann","cmd_name":"SELECT","tagged_reply_state":"NO","tagged_reply":"NO [NOPERM] Permission denied"}}"#;
        assert_eq!(
            event(refused).map(|event| event.act),
            Some(Act::Fault(Fault::Denied))
        );
        assert_eq!(imap("XYZZY", ""), None);
        assert_eq!(messages("4294967295:1,1:4294967295,*"), u32::MAX);
    }

    #[test]
    fn logins_and_rules() {
        let told = event(r#"{"event":"auth_request_finished","fields":{"user":"ann","session":"s1","remote_ip":"::ffff:192.0.2.7","service":"imap","success":"yes"}}"#).expect("a login");
        assert_eq!(told.ip, "192.0.2.7".parse().ok());
        assert_eq!(told.protocol, Protocol::Imap);
        assert!(matches!(
            told.act,
            Act::Login(Login {
                outcome: LoginOutcome::Succeeded,
                ..
            })
        ));
        let master = event(r#"{"event":"auth_request_finished","fields":{"user":"ann","master_user":"backup","success":"yes"}}"#).expect("a login");
        assert_eq!(master.master.as_deref(), Some("backup"));
        let failed = event(r#"{"event":"auth_request_finished","fields":{"user":"ann","service":"pop3","error_code":"temp_fail"}}"#).expect("a login");
        assert!(matches!(
            failed.act,
            Act::Login(Login {
                outcome: LoginOutcome::Failed(FailType::Internal),
                ..
            })
        ));
        let forward = event(r#"{"event":"sieve_action_finished","fields":{"user":"ann","action_name":"redirect","redirect_target":"x@elsewhere.example"}}"#).expect("a rule");
        assert!(matches!(
            forward.act,
            Act::Administer(Administer::Forward { ours: false, .. })
        ));
        assert_eq!(event(r#"{"event":"mail_opened","fields":{}}"#), None);
    }

    #[test]
    fn what_is_no_event_says_so() {
        let read = |text: &str| {
            read(
                text.as_bytes(),
                &CommandKinds::default(),
                &Limits::default(),
            )
        };
        for text in ["", "[]", "{}", r#"{"event":1}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
