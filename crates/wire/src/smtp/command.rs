//! Commands of SMTP and LMTP as a server reads them (RFC 5321 §4.1, RFC 2033), with Postfix' XFORWARD and XCLIENT.

use std::net::IpAddr;

use mail::Address;

/// A command line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO`, `EHLO` or `LHLO`, and the name given.
    Hello {
        /// Its verb in capitals.
        verb: &'static str,
        /// The client's name for itself.
        name: String,
    },
    /// `MAIL FROM`
    Mail {
        /// `None` is the null sender.
        from: Option<Address>,
        /// `SIZE`, when it is given.
        size: Option<u64>,
    },
    /// `RCPT TO`
    Rcpt(Address),
    /// `DATA`
    Data,
    /// `RSET`
    Rset,
    /// `NOOP`
    Noop,
    /// `QUIT`
    Quit,
    /// `VRFY` and `EXPN`
    Vrfy,
    /// Whom the client stands for, for the record (Postfix' `XFORWARD_README`). Of an attribute that is not available the value is `None`.
    Xforward(Vec<(String, Option<String>)>),
    /// Whom the client stands for, as if it were that (Postfix' `XCLIENT_README`).
    Xclient(Vec<(String, Option<String>)>),
}

/// Why a line is no command, in the words of an SMTP reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// Not a verb we know.
    #[error("502 5.5.2 Command not recognised")]
    Unknown,
    /// One that is not offered.
    #[error("502 5.5.1 Command not offered")]
    NotOffered,
    /// A known verb with something else behind it than should be.
    #[error("501 5.5.4 {0}")]
    Syntax(&'static str),
}

/// Attributes of XFORWARD and XCLIENT that we take.
pub const ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO IDENT SOURCE LOGIN";

impl Command {
    /// Reads a line without its end.
    pub fn read(line: &[u8]) -> Result<Self, BadCommand> {
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(BadCommand::Syntax("A command is written in UTF-8"));
        };
        if line.chars().any(char::is_control) {
            return Err(BadCommand::Syntax("A command has no control characters"));
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => hello("HELO", rest),
            "EHLO" => hello("EHLO", rest),
            "LHLO" => hello("LHLO", rest),
            "MAIL" => mail(rest),
            "RCPT" => {
                let (path, _) = path(rest, "TO:").ok_or(BadCommand::Syntax("RCPT TO:<address>"))?;
                let to = Address::new(path).ok_or(BadCommand::Syntax("RCPT TO:<address>"))?;
                Ok(Self::Rcpt(to))
            }
            "DATA" => bare(rest, Self::Data),
            "RSET" => bare(rest, Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => bare(rest, Self::Quit),
            "VRFY" | "EXPN" => Ok(Self::Vrfy),
            "XFORWARD" => attributes(rest).map(Self::Xforward),
            "XCLIENT" => attributes(rest).map(Self::Xclient),
            "BDAT" | "STARTTLS" | "AUTH" | "ETRN" | "TURN" | "HELP" => Err(BadCommand::NotOffered),
            _ => Err(BadCommand::Unknown),
        }
    }
}

fn bare(rest: &str, command: Command) -> Result<Command, BadCommand> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(BadCommand::Syntax("Nothing stands behind this command"))
    }
}

fn hello(verb: &'static str, name: &str) -> Result<Command, BadCommand> {
    if name.is_empty() || name.contains(' ') {
        return Err(BadCommand::Syntax("A name or an address in brackets"));
    }
    let name = name.to_owned();
    Ok(Command::Hello { verb, name })
}

fn mail(rest: &str) -> Result<Command, BadCommand> {
    const RIGHT: BadCommand = BadCommand::Syntax("MAIL FROM:<address>");
    let (path, parameters) = path(rest, "FROM:").ok_or(RIGHT)?;
    let from = match path {
        "" => None,
        path => Some(Address::new(path).ok_or(RIGHT)?),
    };
    let size = parameters.split(' ').find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.eq_ignore_ascii_case("SIZE")
            .then(|| value.parse().ok())
    });
    match size {
        Some(None) => Err(BadCommand::Syntax("SIZE is a number of bytes")),
        Some(size) => Ok(Command::Mail { from, size }),
        None => Ok(Command::Mail { from, size: None }),
    }
}

/// `FROM:<path> parameters`; a blank before the bracket is common and harmless. A source route is left out (RFC 5321 §4.1.1.3).
fn path<'l>(rest: &'l str, word: &str) -> Option<(&'l str, &'l str)> {
    let start = rest.get(..word.len())?;
    if !start.eq_ignore_ascii_case(word) {
        return None;
    }
    let rest = rest[word.len()..].trim_start().strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, after) = (&rest[..at], &rest[at + 1..]);
                if !after.is_empty() && !after.starts_with(' ') {
                    return None;
                }
                let path = match path
                    .strip_prefix('@')
                    .and_then(|route| route.split_once(':'))
                {
                    Some((_, path)) => path,
                    None => path,
                };
                return Some((path, after.trim()));
            }
            _ => {}
        }
    }
    None
}

fn attributes(rest: &str) -> Result<Vec<(String, Option<String>)>, BadCommand> {
    const RIGHT: BadCommand = BadCommand::Syntax("attribute=value, in xtext");
    let mut all = Vec::new();
    for one in rest.split_ascii_whitespace() {
        let (name, value) = one.split_once('=').ok_or(RIGHT)?;
        let name = name.to_ascii_uppercase();
        if !ATTRIBUTES.split(' ').any(|known| known == name) {
            return Err(BadCommand::Syntax("An attribute that is not offered"));
        }
        let value = match value {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" | "" => None,
            value => Some(xtext(value).ok_or(RIGHT)?),
        };
        all.push((name, value));
    }
    if all.is_empty() { Err(RIGHT) } else { Ok(all) }
}

/// RFC 3461 §4: `+41` is `A`.
fn xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'+' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// The value of ADDR: `192.0.2.1` or `IPV6:2001:db8::1`.
pub fn attribute_ip(value: &str) -> Option<IpAddr> {
    let bare = match value.get(..5) {
        Some(start) if start.eq_ignore_ascii_case("IPV6:") => &value[5..],
        _ => value,
    };
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(from: Option<&str>, size: Option<u64>) -> Command {
        Command::Mail {
            from: from.map(|from| Address::new(from).expect("good")),
            size,
        }
    }

    #[test]
    fn commands() {
        let read = |line: &str| Command::read(line.as_bytes());
        assert_eq!(read("mail from:<>"), Ok(mail(None, None)));
        assert_eq!(
            read("MAIL FROM: <a@b.example> BODY=8BITMIME SIZE=12 SMTPUTF8"),
            Ok(mail(Some("a@b.example"), Some(12)))
        );
        assert_eq!(
            read("MAIL FROM:<\"a>b\"@b.example>"),
            Ok(mail(Some("\"a>b\"@b.example"), None))
        );
        assert_eq!(
            read("RCPT TO:<@relay.example:bob@b.example> NOTIFY=NEVER"),
            Ok(Command::Rcpt(Address::new("bob@b.example").expect("good")))
        );
        assert_eq!(
            read("EHLO mx.example"),
            Ok(Command::Hello {
                verb: "EHLO",
                name: "mx.example".into()
            })
        );
        let told = read("XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 HELO=a+2Bb");
        assert_eq!(
            told,
            Ok(Command::Xforward(vec![
                ("NAME".into(), None),
                ("ADDR".into(), Some("192.0.2.1".into())),
                ("HELO".into(), Some("a+b".into())),
            ]))
        );
        assert_eq!(attribute_ip("IPV6:::1"), "::1".parse().ok());
    }

    #[test]
    fn what_is_none() {
        for line in [
            "MAIL FROM:a@b.example",
            "MAIL FROM:<a@b.example>x",
            "MAIL FROM:<a@b.example> SIZE=x",
            "RCPT TO:<>",
            "RCPT TO:<\"a@b.example>",
            "EHLO",
            "DATA now",
            "XFORWARD",
            "XFORWARD NAME",
            "XFORWARD SHOE=9",
            "XFORWARD HELO=+4",
            "XFORWARD HELO=+0A",
            "EHLO a\tb",
        ] {
            let read = Command::read(line.as_bytes());
            assert!(
                matches!(read, Err(BadCommand::Syntax(_))),
                "{line}: {read:?}"
            );
        }
        assert_eq!(Command::read(b"BDAT 1 LAST"), Err(BadCommand::NotOffered));
        assert_eq!(Command::read(b"GET / HTTP/1.1"), Err(BadCommand::Unknown));
        assert!(Command::read(b"EHLO \xff").is_err());
    }
}
