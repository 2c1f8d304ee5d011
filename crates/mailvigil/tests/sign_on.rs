//! Single sign-on against a provider of the test's own, on loopback.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;
#[path = "bed/web.rs"]
mod web;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bed::{Vigil, Wish};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use web::{Web, form};

/// Who comes next, and what was asked for each code that was given out.
#[derive(Default)]
struct Provider {
    who: (String, String),
    codes: HashMap<String, HashMap<String, String>>,
}

fn start() -> (u16, Arc<Mutex<Provider>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(Mutex::new(Provider::default()));
    let shared = provider.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), port, &shared);
        }
    });
    (port, provider)
}

fn fields(text: &str) -> HashMap<String, String> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if *byte == b'%' {
                bytes.push(
                    u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap(),
                );
                rest = &rest[2..];
            } else {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    text.split('&')
        .filter_map(|one| one.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn serve(mut stream: TcpStream, port: u16, provider: &Mutex<Provider>) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return;
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            })
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length || read == 0 {
            break;
        }
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let issuer = format!("http://127.0.0.1:{port}");
    let mut provider = provider.lock().unwrap();
    let answer = if path.starts_with("/.well-known/openid-configuration") {
        json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token")})
    } else {
        let asked = fields(body);
        let begun = provider
            .codes
            .remove(asked.get("code").map_or("", String::as_str));
        let verified = begun.as_ref().is_some_and(|begun| {
            let challenge =
                BASE64URL_NOPAD.encode(&Sha256::digest(asked["code_verifier"].as_bytes()));
            begun["code_challenge"] == challenge && begun["redirect_uri"] == asked["redirect_uri"]
        });
        match begun {
            Some(begun) if verified && asked["client_secret"] == "the secret" => {
                let (subject, email) = provider.who.clone();
                let claims = json!({"iss": issuer, "sub": subject, "aud": begun["client_id"], "exp": 4_000_000_000_i64, "nonce": begun["nonce"], "email": email, "email_verified": true});
                let part = |value: &serde_json::Value| {
                    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
                };
                json!({"id_token": format!("{}.{}.x", part(&json!({"alg": "RS256"})), part(&claims))})
            }
            _ => json!({"error": "invalid_grant"}),
        }
    };
    let body = answer.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// Goes to the provider and comes back, as a browser does.
fn sign_on(
    vigil: &Vigil,
    provider: &Mutex<Provider>,
    subject: &str,
    email: &str,
) -> (Web, web::Answer) {
    let mut web = Web::of(vigil);
    let sent = web.get("/login/oidc");
    assert_eq!(sent.status, 303, "{}", sent.body);
    let asked = fields(sent.header("location").split('?').nth(1).unwrap());
    assert_eq!(
        (
            asked["response_type"].as_str(),
            asked["code_challenge_method"].as_str()
        ),
        ("code", "S256")
    );
    let state = asked["state"].clone();
    let code = format!("code-{subject}-{}", &state[..8]);
    let mut locked = provider.lock().unwrap();
    locked.who = (subject.to_owned(), email.to_owned());
    locked.codes.insert(code.clone(), asked);
    drop(locked);
    web.cookie = sent
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let back = web.get(&format!(
        "/login/oidc/back?{}",
        form(&[("code", &code), ("state", &state)])
    ));
    (web, back)
}

#[test]
fn the_provider_says_who_is_there_and_the_administrator_what_they_may() {
    let (port, provider) = start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the secret\n").unwrap();
    let more = format!(
        "[console.oidc]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"mailvigil\"\nclient_secret_file = \"{}\"\n",
        secret.display()
    );
    let vigil = Vigil::start(&Wish {
        more: &more,
        ..Wish::default()
    });
    let admin = Web::first(&vigil);
    assert!(Web::of(&vigil).get("/login").body.contains("/login/oidc"));
    let entered = admin.post(
        "/people/add",
        &[
            ("name", "audrey@b.example"),
            ("role", "auditor"),
            ("scope", ""),
        ],
    );
    assert_eq!(entered.status, 200);

    // Found by name the first time, by subject ever after, whatever the provider calls her then.
    for email in ["Audrey@b.example", "renamed@b.example"] {
        let (mut web, back) = sign_on(&vigil, &provider, "42", email);
        assert_eq!(
            (back.status, back.header("location")),
            (303, "/"),
            "{}",
            back.body
        );
        web.enter(&back);
        assert_eq!(web.get("/audit").status, 200);
        assert_eq!(
            web.post("/people/add", &[("name", "x"), ("role", "administrator")])
                .status,
            403
        );
    }
    // Somebody else who is given her name is not her; nor is who nobody has entered.
    for (subject, email) in [
        ("43", "audrey@b.example"),
        ("44", "nobody@b.example"),
        ("45", ""),
    ] {
        let (web, back) = sign_on(&vigil, &provider, subject, email);
        assert_eq!(back.status, 401, "{subject}");
        assert_eq!(web.get("/").status, 303);
    }
    // A state of another browser, no errand at all, a code that is good for nothing, a code used twice.
    let (web, _) = sign_on(&vigil, &provider, "42", "audrey@b.example");
    for query in ["state=x&code=y", "code=y", "", "state=&code="] {
        assert_eq!(
            web.get(&format!("/login/oidc/back?{query}")).status,
            401,
            "{query}"
        );
    }
    assert_eq!(
        Web::of(&vigil)
            .get("/login/oidc/back?state=x&code=y")
            .status,
        401
    );
    let state = web
        .cookie
        .split('=')
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    assert_eq!(
        web.get(&format!(
            "/login/oidc/back?state={state}&code=used-or-invented"
        ))
        .status,
        401
    );
    // It is all written down; and a right that is taken away is gone.
    let log = admin.get("/audit").body;
    assert!(
        log.contains("single sign-on bound") && log.contains("single sign-on, nobody of that name"),
        "{log}"
    );
    let changed = admin.post(
        "/people/change",
        &[
            ("name", "audrey@b.example"),
            ("role", "auditor"),
            ("scope", ""),
            ("disabled", "yes"),
        ],
    );
    assert_eq!(changed.status, 303);
    assert_eq!(
        sign_on(&vigil, &provider, "42", "audrey@b.example")
            .1
            .status,
        401
    );
}
