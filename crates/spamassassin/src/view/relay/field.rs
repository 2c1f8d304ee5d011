//! One `Received` field: who handed over, as its many writers put it.

use super::{Relay, first_ip, ip_in};

pub(super) enum Read {
    Relay(Box<Relay>),
    /// A field that tells of no handing over between machines.
    Nothing,
    /// A program fetched it from a mailbox.
    Fetched,
    Unreadable,
}

pub(super) fn read(field: &str) -> Read {
    let field = field.split_whitespace().collect::<Vec<_>>().join(" ");
    let field = field.trim_end_matches(';').trim_end();
    let lower = field.to_ascii_lowercase();
    if !lower.starts_with("from ") && !lower.starts_with("(from ") {
        return Read::Nothing;
    }
    if lower.contains("with local for") {
        return Read::Nothing;
    }
    let field = without_date(field).replace(")by ", ") by ");
    let words: Vec<&str> = field.split(' ').collect();
    // `from name by name;` alone names no machine.
    let names_only = words.len() >= 4
        && words[2].eq_ignore_ascii_case("by")
        && (words.len() == 4 || words[4].starts_with(';'))
        && !words[1].starts_with('[');
    if names_only {
        return Read::Nothing;
    }
    let body = field.trim_start_matches('(');
    let body = &body[5.min(body.len())..];
    Sentence::new(body).relay()
}

/// The date at the end of a field says when, not who. Behind other words it stays, and they with it.
fn without_date(field: &str) -> &str {
    let date = crate::eval::pattern!(
        r"[\s;]+(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d+ \d+:\d+(?::\d+)? \S+$"
    );
    date.find(field)
        .map_or(field, |date| &field[..date.start()])
}

/// A field without `from` and date.
struct Sentence<'f> {
    text: &'f str,
    /// What stands before `by`: who handed over.
    from: &'f str,
    /// What stands from `by` on.
    rest: &'f str,
}

impl<'f> Sentence<'f> {
    fn new(text: &'f str) -> Self {
        let by = top_level(text, " by ").or_else(|| text.starts_with("by ").then_some(0));
        let (from, rest) = by.map_or((text, ""), |place| text.split_at(place));
        Self { text, from, rest }
    }

    fn relay(&self) -> Read {
        let mut relay = Relay {
            by: self
                .word_behind(" by ")
                .unwrap_or_default()
                .trim_end_matches(';')
                .to_owned(),
            id: self.id(),
            auth: self.auth(),
            envfrom: self.envelope_from(),
            ..Relay::default()
        };
        if !relay.by.is_empty()
            && self.rest.to_ascii_lowercase().contains("with local")
            && first_bracketed(self.from).is_none()
        {
            return Read::Nothing;
        }
        if self.text.contains("mail pickup service by ") || self.text.contains("with BSMTP") {
            return Read::Nothing;
        }
        let fetched = self.rest.contains("with POP3") || self.rest.contains("with IMAP");
        if fetched {
            return Read::Fetched;
        }
        if let Some(ip) = self
            .text
            .strip_prefix("X-Originating-IP: ")
            .and_then(|rest| ip_in(rest.trim()))
        {
            relay.ip = ip;
            relay.by.clear();
            return self.done(relay);
        }
        if self.who(&mut relay) && (!relay.by.is_empty()) {
            return self.done(relay);
        }
        // A name without any address: handed over within one machine or one house.
        let first = self.from.split(' ').next().unwrap_or_default();
        let plain = !self.from.contains('[') && first_ip(self.from).is_none();
        let known = !relay.by.is_empty()
            && plain
            && ["with", "via", "for", "("]
                .iter()
                .any(|word| self.behind_by().starts_with(word));
        let house = first.contains('@')
            || self.text.contains("localhost")
            || self.from.ends_with(" (unknown)") && self.rest.contains("(SG)");
        if known || house && !relay.by.is_empty() {
            return Read::Nothing;
        }
        Read::Unreadable
    }

    fn done(&self, mut relay: Relay) -> Read {
        relay.rdns = relay.rdns.trim_end_matches('.').to_owned();
        if relay.rdns.eq_ignore_ascii_case("unknown") || relay.rdns.starts_with('[') {
            relay.rdns.clear();
        }
        for text in [
            &mut relay.ip,
            &mut relay.rdns,
            &mut relay.helo,
            &mut relay.by,
            &mut relay.ident,
        ] {
            *text = text.replace([' ', '\0', '#', '[', ']', '(', ')', '<', '>', '|'], "!");
        }
        let looked_up = self.looked_up();
        relay.no_reverse_dns = relay.rdns.is_empty() && looked_up;
        Read::Relay(Box::new(relay))
    }

    /// Servers of which one knows that they look names up.
    fn looked_up(&self) -> bool {
        let exim = self.rest.contains("Exim");
        let smtpsvc = self.rest.contains("SMTPSVC") || self.rest.contains("Microsoft SMTP Server");
        !exim && !smtpsvc && self.from.contains('(') && !self.from.starts_with('[')
    }

    /// Fills in who handed over; false when there is no address.
    fn who(&self, relay: &mut Relay) -> bool {
        let from = self.from.trim();
        let (first, comments) = from.split_once(' ').unwrap_or((from, ""));
        let comments = comments.trim();
        let inside = comments.strip_prefix('(').unwrap_or(comments);
        let helo_word = inside
            .strip_prefix("HELO ")
            .or_else(|| inside.strip_prefix("EHLO "))
            .or_else(|| inside.strip_prefix("LHLO "));
        let equals = |name: &str| {
            let place = from.find(name)? + name.len();
            let rest = &from[place..];
            let end = rest.find([' ', ')', '(']).unwrap_or(rest.len());
            let end = match rest[..end].find(']') {
                Some(close) if rest.starts_with('[') => close + 1,
                Some(close) => close,
                None => end,
            };
            Some(rest[..end].to_owned())
        };
        let is_exim = self.rest.contains("Exim") || from.contains("helo=");
        // `[ip] ([ip])`, `[ip] (name [ip])`: the first is what the machine calls itself, the second who it is.
        let behind_literal = (first.starts_with('[') && !is_exim && helo_word.is_none())
            .then(|| first_bracketed(comments).or_else(|| bare_ip("", comments)))
            .flatten();
        let is_literal = behind_literal.is_some();
        let ip = behind_literal
            .or_else(|| first_bracketed(from))
            .or_else(|| bare_ip(first, comments));
        let Some(ip) = ip else {
            return false;
        };
        relay.ip = ip;
        if is_exim {
            // Exim: `name ([ip] helo=name ident=who)`, or `[ip] (helo=name)`. The name is the reverse one.
            if !first.starts_with('[') {
                first.clone_into(&mut relay.rdns);
                first.clone_into(&mut relay.helo);
            }
            if let Some(helo) = equals("helo=") {
                relay.helo = helo;
            }
            relay.ident = equals("ident=").unwrap_or_default();
            return true;
        }
        if let Some(helo) = helo_word {
            // qmail and kin: `name (HELO name) (who@ip)`; the name is the reverse one.
            let end = helo.find([')', ' ']).unwrap_or(helo.len());
            helo[..end].clone_into(&mut relay.helo);
            let told = first_ip(comments).is_some();
            if told && !first.starts_with('[') {
                first.clone_into(&mut relay.rdns);
            }
            if let Some(ident) = from
                .rfind('@')
                .and_then(|at| from[..at].rsplit(['(', ' ']).next())
                && from.rfind('@') > from.find(") (")
            {
                ident.clone_into(&mut relay.ident);
            }
            return true;
        }
        let first = match first.strip_prefix('(') {
            Some(inner) if comments.starts_with('[') => inner,
            Some(_) => return true,
            None => first,
        };
        let only_ip = comments.is_empty() || self.rest.contains("with HTTP");
        if first.starts_with('[') && !is_literal || only_ip && ip_in(first).is_some() {
            return true;
        }
        // Postfix, Sendmail and kin: `helo (name [ip])`; qmail and others without HELO: `name (ip)`.
        first.clone_into(&mut relay.helo);
        let in_parens = inside.split(')').next().unwrap_or_default();
        let (ident, machine) = in_parens.rsplit_once('@').unwrap_or(("", in_parens));
        let is_ip = ip_in(machine.trim_matches(['[', ']'])).is_some();
        if is_ip && !self.is_microsoft() && (self.is_qmail() || !machine.starts_with('[')) {
            first.clone_into(&mut relay.rdns);
            ident.clone_into(&mut relay.ident);
            return true;
        }
        let named = in_parens
            .split_once('[')
            .filter(|_| comments.starts_with('('));
        let (name, behind) = named.unwrap_or_default();
        if !behind.ends_with(']') && !self.behind_by().starts_with('(') {
            // `(name [ip] (may be forged))`: only Sendmail's own way of saying so is known.
            return true;
        }
        let name = name.split(' ').next().unwrap_or_default();
        let (ident, name) = name.rsplit_once('@').unwrap_or(("", name));
        let ident = ident.trim_start_matches("IDENT:");
        ident.clone_into(&mut relay.ident);
        let no_name = ["unverified", "softdnserr", "unknown", "misconfigured"];
        if !no_name.contains(&name) {
            name.clone_into(&mut relay.rdns);
        }
        true
    }

    /// Says how like qmail does: `with SMTP` without an id behind it.
    fn is_qmail(&self) -> bool {
        let Some(with) = self.rest.find(" with ") else {
            return false;
        };
        let how = &self.rest[with + 5..];
        let said = [" SMTP", " QMQP"];
        let mut places = said.iter().flat_map(|word| how.match_indices(word));
        !how.contains("SMTPSVC") && places.any(|(place, _)| !how[place + 5..].starts_with(" id "))
    }

    /// These write what the other side calls itself, and no name.
    fn is_microsoft(&self) -> bool {
        let known = ["SMTPSVC", " mapi id ", "(Scalix "];
        let server = "Microsoft SMTP Server ";
        let numbered = self.rest.find(server).is_some_and(|place| {
            let rest = &self.rest[place + server.len()..];
            let said = rest
                .strip_prefix('(')
                .and_then(|rest| rest.split_once(") "));
            let rest = said.map_or(rest, |(_, rest)| rest);
            rest.starts_with(|c: char| c.is_ascii_digit())
        });
        numbered || known.iter().any(|word| self.rest.contains(word))
    }

    fn behind_by(&self) -> &'f str {
        let rest = self.rest.trim_start();
        let rest = rest.strip_prefix("by ").unwrap_or(rest);
        rest.split_once(' ').map_or("", |(_, behind)| behind)
    }

    fn word_behind(&self, mark: &str) -> Option<&'f str> {
        let rest = if self.rest.is_empty() {
            self.text
        } else {
            self.rest
        };
        let place = rest
            .find(mark)
            .map(|place| place + mark.len())
            .or_else(|| {
                rest.starts_with(mark.trim_start())
                    .then(|| mark.trim_start().len())
            })?;
        rest[place..].split(' ').next()
    }

    fn id(&self) -> String {
        let Some(place) = self.text.find(" id ") else {
            return String::new();
        };
        let rest = &self.text[place + 4..];
        let rest = rest.strip_prefix('<').unwrap_or(rest);
        let end = rest.find([' ', '<', '>', ';']).unwrap_or(rest.len());
        if end >= 3 {
            rest[..end].to_owned()
        } else {
            String::new()
        }
    }

    fn envelope_from(&self) -> Option<String> {
        let lower = self.text.to_ascii_lowercase();
        let marks = [
            "envelope-from ",
            "envelope-from=",
            "envelope-sender ",
            "envelope-sender=",
            "return-path: ",
            "return-path ",
        ];
        let (place, mark) = marks
            .iter()
            .filter_map(|mark| Some((lower.find(mark)?, mark)))
            .min()?;
        let rest = &self.text[place + mark.len()..];
        let end = rest.find([' ', ')']).unwrap_or(rest.len());
        let text = rest[..end]
            .trim_start_matches(['<', ' '])
            .trim_end_matches(['>', ';', ' ']);
        Some(text.replace([' ', '\0', '#', '[', ']', '(', ')', '<', '>', '|'], "!"))
    }

    /// How the sending side proved who it is.
    fn auth(&self) -> String {
        let rest = self.rest;
        if let Some(place) = rest.find(" with ") {
            let word = rest[place + 6..]
                .split([' ', ';'])
                .next()
                .unwrap_or_default();
            let upper = word.to_ascii_uppercase();
            let proven = [
                "ESMTPA",
                "ESMTPSA",
                "LMTPA",
                "LMTPSA",
                "UTF8SMTPA",
                "UTF8SMTPSA",
                "UTF8LMTPA",
                "UTF8LMTPSA",
                "ASMTP",
                "HTTP",
                "HTTPS",
                "HTTPU",
            ];
            if proven.contains(&upper.as_str()) {
                return word.to_owned();
            }
            if word == "Microsoft" && rest.contains("with Microsoft Exchange Server HTTP-DAV") {
                return "HTTP-DAV".into();
            }
        }
        if self.from.contains("(Authenticated sender: ") {
            return "Postfix".into();
        }
        if self.from.contains("authenticated") && self.from.contains(']') {
            return "Sendmail".into();
        }
        for method in ["LOGIN", "PLAIN", "DIGEST-MD5", "CRAM-MD5"] {
            if self.from.contains(&format!("(AUTH: {method} ")) {
                return method.into();
            }
        }
        for method in ["HTTP", "SMTP", "XIMSS", "IMAP"] {
            if self.text.contains(&format!("CommuniGate Pro {method}"))
                && self.text.contains(" (account ")
            {
                return "Communigate".into();
            }
        }
        String::new()
    }
}

/// An address in brackets.
fn first_bracketed(text: &str) -> Option<String> {
    text.match_indices('[').find_map(|(place, _)| {
        let rest = &text[place + 1..];
        let end = rest.find(']')?;
        let inner = &rest[..end];
        ip_in(inner).or_else(|| {
            inner.rsplit_once([':', '.']).and_then(|(ip, port)| {
                port.bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then(|| ip_in(ip))
                    .flatten()
            })
        })
    })
}

/// An address in parentheses, or instead of a name.
fn bare_ip(first: &str, comments: &str) -> Option<String> {
    let told = [first, comments].into_iter().find_map(|text| {
        let inside = text.split('(').skip(1);
        let mut words = inside.flat_map(|inside| inside.split([' ', ')', '@', ',', '/']));
        words.find_map(ip_in)
    });
    let instead = comments.is_empty() || comments.starts_with('(');
    told.or_else(|| instead.then(|| ip_in(first)).flatten())
}

/// Where the mark stands outside of parentheses.
fn top_level(text: &str, mark: &str) -> Option<usize> {
    text.match_indices(mark)
        .map(|(place, _)| place)
        .find(|place| {
            let before = &text[..*place];
            before.matches('(').count() <= before.matches(')').count()
        })
        .or_else(|| text.find(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(field: &str) -> (String, String, String, String) {
        match read(field) {
            Read::Relay(relay) => (relay.ip, relay.rdns, relay.helo, relay.by),
            Read::Nothing => panic!("nothing in {field}"),
            Read::Fetched => panic!("fetched: {field}"),
            Read::Unreadable => panic!("unreadable: {field}"),
        }
    }

    #[test]
    fn what_servers_write_is_read() {
        for (field, ip, rdns, helo, by) in [
            (
                "from mail.a.example (mx.a.example [192.0.2.1]) by b.example (Postfix) with ESMTP id ABC123 for <x@b.example>; Mon, 2 Sep 2002 10:00:00 +0100 (IST)",
                "192.0.2.1",
                "mx.a.example",
                "mail.a.example",
                "b.example",
            ),
            (
                "from mail.a.example (unknown [192.0.2.1]) by b.example (Postfix) with ESMTP id ABC123",
                "192.0.2.1",
                "",
                "mail.a.example",
                "b.example",
            ),
            (
                "from a.example ([192.0.2.1] helo=helo.example ident=joe) by b.example with esmtp (Exim 3.35) id 17xyz; Mon, 2 Sep 2002 10:00:00 +0100",
                "192.0.2.1",
                "a.example",
                "helo.example",
                "b.example",
            ),
            (
                "from [192.0.2.1] (helo=helo.example) by b.example with esmtp (Exim 4.9) id 1x-000-1",
                "192.0.2.1",
                "",
                "helo.example",
                "b.example",
            ),
            (
                "from unknown (HELO helo.example) (192.0.2.1) by b.example with SMTP; 2 Sep 2002 10:00:00 -0000",
                "192.0.2.1",
                "",
                "helo.example",
                "b.example",
            ),
            (
                "from a.example (HELO helo.example) (joe@192.0.2.1) by b.example with SMTP",
                "192.0.2.1",
                "a.example",
                "helo.example",
                "b.example",
            ),
            (
                "from helo.example ([192.0.2.1]) by b.example (8.11.6/8.11.6) with ESMTP id g8; Mon, 2 Sep 2002 10:00:00 +0100",
                "192.0.2.1",
                "",
                "helo.example",
                "b.example",
            ),
            (
                "from helo.example (IDENT:joe@a.example [192.0.2.1]) by b.example (8.11.6/8.11.6) with ESMTP id g8",
                "192.0.2.1",
                "a.example",
                "helo.example",
                "b.example",
            ),
            (
                "from [192.0.2.1] by web.b.example via HTTP; Mon, 2 Sep 2002 10:00:00 PDT",
                "192.0.2.1",
                "",
                "",
                "web.b.example",
            ),
            (
                "from helo ([192.0.2.1]) by b.example with Microsoft SMTPSVC(5.0.2195.4905)",
                "192.0.2.1",
                "",
                "helo",
                "b.example",
            ),
            (
                "from [192.0.2.1] ([192.0.2.1]) by b.example  with ESMTP id n5; Mon, 2 Sep 2002 10:00:00 +0100",
                "192.0.2.1",
                "",
                "!192.0.2.1!",
                "b.example",
            ),
            (
                "from [10.1.1.1] (unknown [192.0.2.1]) by b.example (Postfix) with ESMTP id 12",
                "192.0.2.1",
                "",
                "!10.1.1.1!",
                "b.example",
            ),
            (
                "from [10.1.1.1] (a.example [192.0.2.1]) by b.example (8.11.6/8.11.6) with ESMTP id g8",
                "192.0.2.1",
                "a.example",
                "!10.1.1.1!",
                "b.example",
            ),
            (
                "from [10.1.1.1] (192.0.2.1) by b.example with SMTP; 2 Sep 2002 10:00:00 -0000",
                "192.0.2.1",
                "",
                "!10.1.1.1!",
                "b.example",
            ),
            (
                "from [192.0.2.1] (helo=[10.0.0.1]) by b.example with esmtp (Exim 4.9) id 1x-000-1",
                "192.0.2.1",
                "",
                "!10.0.0.1!",
                "b.example",
            ),
            (
                "from [192.0.2.1] (port=1234 helo=helo.example) by b.example with esmtp (Exim 4.9) id 1x-000-1",
                "192.0.2.1",
                "",
                "helo.example",
                "b.example",
            ),
            (
                "from x.example (2001:db8::1) by y.example (2001:db8::2) with Microsoft SMTP Server id 15.1.1.1",
                "2001:db8::1",
                "x.example",
                "x.example",
                "y.example",
            ),
        ] {
            let found = relay(field);
            assert_eq!(
                (
                    found.0.as_str(),
                    found.1.as_str(),
                    found.2.as_str(),
                    found.3.as_str()
                ),
                (ip, rdns, helo, by),
                "{field}"
            );
        }
    }

    #[test]
    fn what_names_no_machine_is_passed_over() {
        for field in [
            "(qmail 123 invoked by uid 0); 2 Sep 2002",
            "by b.example (Postfix, from userid 1000) id 1",
            "from a by b; Mon, 2 Sep 2002 10:00:00 +0100",
            "from mail pickup service by hotmail.com with Microsoft SMTPSVC",
        ] {
            assert!(matches!(read(field), Read::Nothing), "{field}");
        }
    }
}
