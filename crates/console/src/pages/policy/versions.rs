//! The policy as text, checked and tried before it is in force, and the versions there were.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::{Desk, DeskError, PolicyVersion, Replay};

use crate::error::{ErrorPage, Problem, Wrong, show, wrongs};
use crate::html::visible;
use crate::page::Page;
use crate::pages::done;
use crate::visitor::{Sent, Visitor};

#[derive(Template)]
#[template(path = "policy_text.html")]
struct TextPage<'p> {
    p: &'p Page,
    version: i64,
    text: String,
    reason: String,
    problem: String,
    problems: Vec<Wrong>,
    replay: Option<Replay>,
    diff: String,
}

pub(super) async fn text(visitor: Visitor) -> Response {
    let p = &visitor.page;
    match visitor.desk.active_policy().await {
        Ok((version, text)) => show(&TextPage {
            p,
            version,
            text,
            reason: String::new(),
            problem: String::new(),
            problems: Vec::new(),
            replay: None,
            diff: String::new(),
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

/// Checks, tries on recorded mail, or puts in force, as the button says.
pub(super) async fn send_text(sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let p = &visitor.page;
    // Browsers end lines in their own way.
    let text = fields.get("text").replace("\r\n", "\n");
    let base: i64 = fields.number("base").unwrap_or(-1);
    let reason = fields.get("reason").trim();
    let mut replay = None;
    let outcome = match fields.get("act") {
        "apply" => {
            let base = Some(base).filter(|base| *base > 0);
            match visitor.desk.apply_policy(&text, reason, base).await {
                Ok(version) => return done("/policy/text", "done.policy", &version.to_string()),
                Err(error) => Err(error),
            }
        }
        "what-if" => {
            let hours = fields.number("hours").unwrap_or(24_i64).clamp(1, 24 * 90);
            let since = p.now.plus_secs(-hours * 3600);
            let tried = visitor.desk.what_if(&text, since).await;
            tried.map(|tried| replay = Some(tried))
        }
        _ => checked(&visitor.desk, &text),
    };
    let old = match visitor.desk.policy_text(base.max(0)).await {
        Ok(old) => old,
        Err(error) => return ErrorPage::new(p, error).into_response(),
    };
    let diff = colour(&judge::diff::unified(
        &old,
        &text,
        &p.fill("policy.version", &[("n", &base.to_string())]),
        p.t("policy.edited"),
    ));
    let (status, problem, problems) = match outcome {
        Ok(()) => (StatusCode::OK, String::new(), Vec::new()),
        Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
            return ErrorPage::new(p, error).into_response();
        }
        Err(error) => {
            let status = Problem::of(&error).status;
            (
                StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT),
                p.safe(&error.to_string()),
                wrongs(&error),
            )
        }
    };
    let page = show(&TextPage {
        p,
        version: base,
        text,
        reason: reason.to_owned(),
        problem,
        problems,
        replay,
        diff,
    });
    (status, page).into_response()
}

fn checked(desk: &Desk, text: &str) -> Result<(), DeskError> {
    let policy = desk.check_policy(text)?;
    let failed = policy.failed_examples(desk.limits());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(DeskError::Examples(failed))
    }
}

/// A unified diff with its lines in colour; everything in it is escaped here.
fn colour(diff: &str) -> String {
    if diff.is_empty() {
        return String::new();
    }
    let mut out = String::from("<pre class=\"diff\">");
    for line in diff.lines() {
        let class = match line.as_bytes().first() {
            Some(b'+') => "come",
            Some(b'-') => "gone",
            Some(b'@') => "place",
            _ => "same",
        };
        let line = visible(line)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        out.push_str(&format!("<span class=\"{class}\">{line}</span>\n"));
    }
    out.push_str("</pre>");
    out
}

#[derive(Template)]
#[template(path = "policy_history.html")]
struct HistoryPage<'p> {
    p: &'p Page,
    versions: Vec<PolicyVersion>,
}

pub(super) async fn history(visitor: Visitor) -> Response {
    match visitor.desk.policy_history(500).await {
        Ok(versions) => show(&HistoryPage {
            p: &visitor.page,
            versions,
        }),
        Err(error) => ErrorPage::new(&visitor.page, error).into_response(),
    }
}

#[derive(Template)]
#[template(path = "policy_version.html")]
struct VersionPage<'p> {
    p: &'p Page,
    version: i64,
    base: i64,
    text: String,
    diff: String,
}

pub(super) async fn one(visitor: Visitor, Path(version): Path<String>) -> Response {
    let p = &visitor.page;
    let found = async {
        let unknown = || DeskError::NotFound(format!("policy version {version}"));
        let version: i64 = version.parse().map_err(|_| unknown())?;
        let text = visitor.desk.policy_text(version).await?;
        let base = visitor
            .desk
            .policy_history(10_000)
            .await?
            .into_iter()
            .find(|known| known.version == version)
            .and_then(|known| known.base);
        let diff = match base {
            Some(base) => match visitor.desk.policy_text(base).await {
                Ok(old) => {
                    judge::diff::unified(&old, &text, &base.to_string(), &version.to_string())
                }
                Err(_) => String::new(),
            },
            None => String::new(),
        };
        Ok((version, base.unwrap_or(0), text, diff))
    };
    match found.await {
        Ok((version, base, text, diff)) => show(&VersionPage {
            p,
            version,
            base,
            text,
            diff: colour(&diff),
        }),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

pub(super) async fn roll_back(sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let version: i64 = sent.fields.number("version").unwrap_or(-1);
    let reason = format!("back to version {version}");
    match sent.visitor.desk.roll_back(version, &reason).await {
        Ok(new) => done("/policy/history", "done.policy", &new.to_string()),
        Err(error) => ErrorPage::new(p, error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_escaped() {
        let html = colour("+<script>&\n-x\u{202e}");
        assert!(
            html.contains("<span class=\"come\">+&lt;script&gt;&amp;</span>"),
            "{html}"
        );
        assert!(html.contains("\\u{202e}"));
    }
}
