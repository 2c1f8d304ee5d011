//! Single sign-on: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).
//!
//! The ID token comes from the provider's token endpoint straight to us, over TLS that is verified, so the channel says who
//! made it (OpenID Connect Core §3.1.3.7, point 6); issuer, audience, expiry and nonce are checked here. Who somebody is, is
//! their issuer and subject. The first time, they are found by a name the provider vouches for, among people whom an administrator
//! has entered: the provider says who is there, never what they may do.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use engine::gate::{hash, secret};
use mail::{Secret, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of a provider, bytes.
const ANSWER_MAX: u64 = 256 << 10;
/// How much clocks may differ, seconds.
const SKEW_SECS: i64 = 60;

/// The provider, and who we are to it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its issuer, as its discovery document names it.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our password there.
    pub client_secret: Secret<String>,
    /// The claim that holds the name people are entered under: `email` (verified), `preferred_username`, …
    pub name_claim: String,
}

/// Who somebody is, as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// `ISSUER SUBJECT`.
    pub subject: String,
    /// The name they may be entered under.
    pub name: Option<String>,
}

/// What a browser brings back from the provider, and must have taken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Errand {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

impl Errand {
    pub fn new() -> Self {
        Self {
            state: secret(),
            nonce: secret(),
            verifier: secret(),
        }
    }

    /// As the cookie holds it.
    pub fn cookie(&self) -> String {
        format!("{}.{}.{}", self.state, self.nonce, self.verifier)
    }

    /// From the cookie.
    pub fn read(cookie: &str) -> Option<Self> {
        let mut parts = cookie.split('.').map(str::to_owned);
        let errand = Self {
            state: parts.next()?,
            nonce: parts.next()?,
            verifier: parts.next()?,
        };
        (parts.next().is_none() && errand.state.len() > 20).then_some(errand)
    }
}

#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    nonce: Option<String>,
    email_verified: Option<bool>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into()
}

fn read<T: DeserializeOwned>(answer: &mut ureq::Body) -> Result<T, String> {
    let text = answer
        .with_config()
        .limit(ANSWER_MAX)
        .read_to_string()
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// TLS vouches for the provider; without it only this machine can be trusted.
fn is_safe(url: &str) -> bool {
    url.starts_with("https://")
        || ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
            .iter()
            .any(|own| url.starts_with(own))
}

fn discover(settings: &OidcSettings) -> Result<Discovery, String> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        settings.issuer.trim_end_matches('/')
    );
    let mut answer = agent()
        .get(&url)
        .call()
        .map_err(|error| error.to_string())?;
    let found: Discovery = read(answer.body_mut())?;
    if found.issuer != settings.issuer {
        return Err(format!("the provider calls itself {:?}", found.issuer));
    }
    if ![&found.authorization_endpoint, &found.token_endpoint]
        .into_iter()
        .all(|url| is_safe(url))
    {
        return Err("the provider has an endpoint without TLS".to_owned());
    }
    Ok(found)
}

/// Where the browser is sent to. Blocks.
pub(crate) fn begin(
    settings: &OidcSettings,
    redirect: &str,
    errand: &Errand,
) -> Result<String, String> {
    let provider = discover(settings)?;
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(errand.verifier.as_bytes()));
    let query = serde_urlencoded::to_string([
        ("response_type", "code"),
        ("client_id", &settings.client_id),
        ("redirect_uri", redirect),
        ("scope", "openid email profile"),
        ("state", &errand.state),
        // The token will hold the hash: what stands in the address bar is not what the cookie holds.
        ("nonce", &hash(&errand.nonce)),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ])
    .map_err(|error| error.to_string())?;
    let mark = if provider.authorization_endpoint.contains('?') {
        '&'
    } else {
        '?'
    };
    Ok(format!("{}{mark}{query}", provider.authorization_endpoint))
}

/// Asks the provider who came back with this code. Blocks.
pub(crate) fn end(
    settings: &OidcSettings,
    redirect: &str,
    errand: &Errand,
    code: &str,
    now: Timestamp,
) -> Result<Known, String> {
    let provider = discover(settings)?;
    let mut answer = agent()
        .post(&provider.token_endpoint)
        .send_form([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("client_id", &settings.client_id),
            ("client_secret", settings.client_secret.reveal()),
            ("code_verifier", &errand.verifier),
        ])
        .map_err(|error| error.to_string())?;
    let tokens: Tokens = read(answer.body_mut())?;
    check(settings, errand, &tokens.id_token, now)
}

/// Reads an ID token and checks what it claims.
fn check(
    settings: &OidcSettings,
    errand: &Errand,
    token: &str,
    now: Timestamp,
) -> Result<Known, String> {
    let payload = token.split('.').nth(1).ok_or("the token is none")?;
    let payload = BASE64URL_NOPAD
        .decode(payload.trim_end_matches('=').as_bytes())
        .map_err(|_| "the token cannot be read")?;
    let claims: Claims =
        serde_json::from_slice(&payload).map_err(|error| format!("the token: {error}"))?;
    if claims.iss != settings.issuer {
        return Err(format!("the token is of {:?}", claims.iss));
    }
    let ours = match &claims.aud {
        Audience::One(one) => *one == settings.client_id,
        Audience::Several(several) => {
            several.contains(&settings.client_id)
                && (several.len() == 1 || claims.azp.as_ref() == Some(&settings.client_id))
        }
    };
    if !ours {
        return Err("the token is for somebody else".to_owned());
    }
    if claims.exp + SKEW_SECS < now.secs() {
        return Err("the token has expired".to_owned());
    }
    if claims.nonce.as_deref() != Some(hash(&errand.nonce).as_str()) {
        return Err("the token belongs to another login".to_owned());
    }
    if claims.sub.is_empty() {
        return Err("the token names nobody".to_owned());
    }
    let name = claims
        .others
        .get(&settings.name_claim)
        .and_then(|name| name.as_str())
        // An address that was only typed in is nobody's yet.
        .filter(|_| settings.name_claim != "email" || claims.email_verified == Some(true))
        .map(str::to_lowercase);
    Ok(Known {
        subject: format!("{} {}", claims.iss, claims.sub),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn settings() -> OidcSettings {
        OidcSettings {
            issuer: "https://idp.example".into(),
            client_id: "mailvigil".into(),
            client_secret: Secret::new("s".into()),
            name_claim: "email".into(),
        }
    }

    fn token(claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        format!("{}.{}.x", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[test]
    fn a_token_counts_only_for_us_now_and_for_this_login() {
        let errand = Errand::new();
        let now = Timestamp::from_secs(1_790_000_000);
        let good = json!({"iss": "https://idp.example", "sub": "42", "aud": "mailvigil", "exp": 1_790_000_300, "nonce": hash(&errand.nonce), "email": "Ann@B.example", "email_verified": true});
        let known = check(&settings(), &errand, &token(&good), now).expect("a good token");
        assert_eq!(
            known,
            Known {
                subject: "https://idp.example 42".into(),
                name: Some("ann@b.example".into())
            }
        );
        for (claim, value, told) in [
            ("iss", json!("https://evil.example"), "is of"),
            ("aud", json!("another"), "somebody else"),
            ("aud", json!(["mailvigil", "another"]), "somebody else"),
            ("exp", json!(1_789_999_000), "expired"),
            ("nonce", json!("x"), "another login"),
            ("nonce", Value::Null, "another login"),
            ("sub", json!(""), "nobody"),
            ("exp", json!("soon"), "token"),
        ] {
            let mut bad = good.clone();
            bad[claim] = value;
            let refused = check(&settings(), &errand, &token(&bad), now);
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(told)),
                "{claim}: {refused:?}"
            );
        }
        let mut unverified = good.clone();
        unverified["email_verified"] = json!(false);
        assert_eq!(
            check(&settings(), &errand, &token(&unverified), now)
                .expect("good")
                .name,
            None
        );
        for torn in ["", ".", "a.b.c", "a.!!.c"] {
            assert!(check(&settings(), &errand, torn, now).is_err(), "{torn}");
        }
        assert_eq!(Errand::read(&errand.cookie()), Some(errand));
        assert_eq!(Errand::read("a.b.c"), None);
    }

    #[test]
    fn a_provider_without_tls_is_on_this_machine_or_nowhere() {
        assert!(is_safe("https://idp.example/token") && is_safe("http://127.0.0.1:80/x"));
        assert!(
            !is_safe("http://idp.example/token") && !is_safe("http://127.0.0.1.evil.example:80/")
        );
    }
}
