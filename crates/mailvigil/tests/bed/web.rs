//! A visitor of the console without a browser: plain requests, so that what a browser would never send can be sent.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::bed::Vigil;

pub const PASSWORD: &str = "maroon otter waltz 42";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Somebody with a cookie or a token, or nobody.
#[derive(Clone, Default)]
pub struct Web {
    pub port: u16,
    pub cookie: String,
    pub csrf: String,
    pub token: String,
}

impl Web {
    /// Nobody.
    pub fn of(vigil: &Vigil) -> Self {
        Self {
            port: vigil.console_port,
            ..Self::default()
        }
    }

    /// A first administrator named `ann`.
    pub fn first(vigil: &Vigil) -> Self {
        let link = vigil.say(&["console", "link"]);
        Self::of(vigil).accept(link.trim(), "ann")
    }

    /// Takes an invitation.
    pub fn accept(mut self, link: &str, name: &str) -> Self {
        let code = link.split("code=").nth(1).unwrap().to_owned();
        let body = form(&[("code", &code), ("name", name), ("password", PASSWORD)]);
        let answer = self.send("POST", "/welcome", &[], &body);
        assert_eq!(answer.status, 303, "{}", answer.body);
        self.enter(&answer);
        self
    }

    /// Takes the cookie of an answer, and the token of its forms.
    pub fn enter(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie");
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = self.get("/me");
        self.csrf = between(&page.body, "name=\"csrf\" value=\"", "\"").to_owned();
    }

    /// Somebody else, entered by this one.
    pub fn person(&self, name: &str, role: &str, scope: &str) -> Self {
        let page = self.post(
            "/people/add",
            &[("name", name), ("role", role), ("scope", scope)],
        );
        assert_eq!(page.status, 200, "{}", page.body);
        let link = between(&page.body, "id=\"link\">", "<").to_owned();
        let nobody = Self {
            port: self.port,
            ..Self::default()
        };
        nobody.accept(&link, name)
    }

    /// The same person, by a token of theirs.
    pub fn program(&self, scope: &str) -> Self {
        let page = self.post(
            "/me/token",
            &[("label", "test"), ("scope", scope), ("days", "1")],
        );
        let token = between(&page.body, "id=\"token\">", "<").to_owned();
        Self {
            port: self.port,
            token,
            ..Self::default()
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// A form of ours.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        self.send("POST", path, &[], &form(&all))
    }

    /// A request of a program.
    pub fn call(&self, method: &str, path: &str, body: &serde_json::Value) -> Answer {
        let json = [("Content-Type", "application/json")];
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, &format!("/api/v1{path}"), &json, &text)
    }

    /// Anything. What is not among `headers` is as our own pages send it.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = self.begin(method, path, headers, body);
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        let answer = read(&bytes, &format!("{method} {path}"));
        // Who answers before a refused body is read may end by a reset, but behind a whole answer.
        let whole = match answer.header("content-length").parse::<usize>() {
            Ok(length) => {
                method == "HEAD" || {
                    bytes.windows(4).position(|end| end == b"\r\n\r\n")
                        == bytes.len().checked_sub(length + 4)
                }
            }
            Err(_) => ended.is_ok(),
        };
        assert!(
            whole,
            "{method} {path}: {ended:?} after {} octets: {answer:?}",
            bytes.len()
        );
        answer
    }

    /// Asks as [`Web::send`] does, and leaves the answer to be read.
    pub fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        let given = |name: &str| {
            headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let host = format!("127.0.0.1:{}", self.port);
        let origin = format!("http://{host}");
        let bearer = format!("Bearer {}", self.token);
        let mut all: Vec<(&str, &str)> = headers
            .iter()
            .copied()
            .filter(|(_, value)| *value != "-")
            .collect();
        for (name, value, wanted) in [
            ("Host", host.as_str(), true),
            (
                "Origin",
                origin.as_str(),
                method != "GET" && self.token.is_empty(),
            ),
            ("Cookie", self.cookie.as_str(), !self.cookie.is_empty()),
            ("Authorization", bearer.as_str(), !self.token.is_empty()),
            (
                "Content-Type",
                "application/x-www-form-urlencoded",
                !body.is_empty(),
            ),
        ] {
            if wanted && !given(name) {
                all.push((name, value));
            }
        }
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in all {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // A refused body may be answered before it is read.
        let _ = stream.write_all(body.as_bytes());
        stream
    }
}

fn read(bytes: &[u8], of: &str) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{of}: no answer but {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked");
    let body = if chunked {
        unchunked(body)
    } else {
        body.to_owned()
    };
    Answer {
        status,
        headers,
        body,
    }
}

fn unchunked(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        out.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    out
}

/// As browsers send forms.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    (byte as char).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let all: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    all.join("&")
}

/// What stands between two marks.
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let start = text
        .find(before)
        .unwrap_or_else(|| panic!("{before:?} is not in {text}"))
        + before.len();
    let end = text[start..].find(after).unwrap() + start;
    &text[start..end]
}
