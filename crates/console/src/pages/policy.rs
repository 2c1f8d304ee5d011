//! The policy: in forms, as text, tried out, its history.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{Desk, DeskError, HITS_COUNTED, PolicyVersion, Replay};
use judge::describe::{Description, Rule, Set, Term};
use judge::edit::{Actions, Edit, ListEntry};
use mail::{RecordId, Timestamp, Verdict};

use super::{FIELDS, TESTS, done, percent};
use crate::Shared;
use crate::error::{Fault, Problem, Wrong, show, wrongs};
use crate::fields::Fields;
use crate::html::visible;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Entries of one list shown on a page.
const ENTRIES_MAX: usize = 500;
/// Rules and entries whose hits are looked up for a page, at most.
const LOOKED_UP_MAX: usize = 200;
/// Terms of a set on one page.
const TERMS_PER_PAGE: usize = 200;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/policy", get(forms))
        .route("/policy/edit", post(edit))
        .route("/policy/set/{name}", get(set))
        .route("/policy/text", get(text).post(send_text))
        .route("/policy/try", get(ask_try).post(try_it))
        .route("/policy/history", get(history))
        .route("/policy/version/{version}", get(version))
        .route("/policy/rollback", post(roll_back))
        .route("/policy/allow", get(ask_allow).post(allow))
}

/// An entry, how often it held, how to search for it, whether it is over.
type Entry = (ListEntry, String, String, bool);

#[derive(Template)]
#[template(path = "policy.html")]
struct FormsPage<'p> {
    p: &'p Page,
    version: i64,
    d: &'p Description,
    actions: &'p [(String, String)],
    exceptions: Vec<(usize, String)>,
    rules: Vec<(&'p Rule, String)>,
    lists: Vec<(&'p judge::describe::List, Vec<Entry>)>,
    sets: &'p [Set],
    problem: String,
    problems: Vec<Wrong>,
}

async fn forms(visitor: Visitor) -> Response {
    forms_page(&visitor, None).await
}

async fn forms_page(visitor: &Visitor, error: Option<DeskError>) -> Response {
    let p = &visitor.page;
    let described = async {
        let (version, description) = visitor.desk.described_policy().await?;
        let reasons = reasons(&description);
        let looked_up: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let hits = visitor.desk.last_hits(&looked_up).await?;
        let hits: HashMap<String, String> = reasons
            .into_iter()
            .zip(hits.iter().map(|hit| hit_in_words(p, hit)))
            .collect();
        Ok((version, description, hits))
    };
    let (version, description, hits) = match described.await {
        Ok(described) => described,
        Err(error) => return Fault::new(p, error).into_response(),
    };
    let hit = |reason: &str| hits.get(reason).cloned().unwrap_or_else(|| "…".to_owned());
    let entry = |list: &str, entry: &ListEntry| {
        let reason = format!("{list}={}", entry.value);
        let end = entry.expires.as_deref().and_then(Timestamp::parse);
        let link = serde_urlencoded::to_string([("", reason.as_str())]).unwrap_or_default();
        let link = link.trim_start_matches('=').to_owned();
        (
            entry.clone(),
            hit(&reason),
            link,
            end.is_some_and(|end| end <= p.now),
        )
    };
    let status = error.as_ref().map_or(StatusCode::OK, |error| {
        StatusCode::from_u16(Problem::of(error).status).unwrap_or(StatusCode::CONFLICT)
    });
    let page = show(&FormsPage {
        p,
        version,
        d: &description,
        actions: &description.actions,
        exceptions: description
            .exceptions
            .iter()
            .map(|exception| exception_in_words(p, exception))
            .enumerate()
            .collect(),
        rules: description
            .rules
            .iter()
            .map(|rule| (rule, hit(&rule.name)))
            .collect(),
        lists: description
            .lists
            .iter()
            .map(|list| {
                let shown = list.entries.iter().take(ENTRIES_MAX);
                (list, shown.map(|one| entry(&list.name, one)).collect())
            })
            .collect(),
        sets: &description.sets,
        problem: error
            .as_ref()
            .map(|error| p.safe(&error.to_string()))
            .unwrap_or_default(),
        problems: error.as_ref().map(wrongs).unwrap_or_default(),
    });
    (status, page).into_response()
}

/// Whose mail, and what is done with it: `outbound · suspicious → quarantine`.
fn exception_in_words(p: &Page, exception: &[(String, String)]) -> String {
    let words = exception.iter().map(|(key, value)| match key.as_str() {
        "ordinary" | "suspicious" | "dangerous" => {
            format!("{} → {}", p.level_text(key), p.action_text(value))
        }
        "direction" => p.family("direction", value),
        "group" => format!("{} {}", p.t("policy.for_group"), p.safe(value)),
        _ => p.safe(value),
    });
    words.collect::<Vec<_>>().join(" · ")
}

/// What is looked up: each rule and each shown entry of a list, as many as may be.
fn reasons(description: &Description) -> Vec<String> {
    let rules = description.rules.iter().map(|rule| rule.name.clone());
    let entries = description.lists.iter().flat_map(|list| {
        let shown = list.entries.iter().take(ENTRIES_MAX);
        shown.map(|entry| format!("{}={}", list.name, entry.value))
    });
    rules.chain(entries).take(LOOKED_UP_MAX).collect()
}

/// How often something held and when last, in words.
fn hit_in_words(p: &Page, (count, last): &(u64, Option<RecordId>)) -> String {
    match last {
        None => p.t("policy.never").to_owned(),
        Some(last) => {
            let more = if *count >= u64::from(HITS_COUNTED) {
                "+"
            } else {
                ""
            };
            format!("{}{more} · {}", p.number(*count), p.ago(&last.at()))
        }
    }
}

#[derive(Template)]
#[template(path = "policy_set.html")]
struct SetPage<'p> {
    p: &'p Page,
    version: i64,
    set: &'p Set,
    path: String,
    q: &'p str,
    terms: Vec<&'p Term>,
    found: usize,
    next: Option<String>,
}

/// One set with its terms: searched, and a page at a time, for a set may hold ten thousand.
async fn set(visitor: Visitor, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let p = &visitor.page;
    let (version, description) = match visitor.desk.described_policy().await {
        Ok(described) => described,
        Err(error) => return Fault::new(p, error).into_response(),
    };
    let Some(set) = description.sets.iter().find(|set| set.name == name) else {
        let unknown = DeskError::NotFound(format!("the policy has no set {name:?}"));
        return Fault::new(p, unknown).into_response();
    };
    let fields = Fields::read(&query.unwrap_or_default());
    let q = fields.get("q").trim();
    let skipped: usize = fields.number("after").unwrap_or(0);
    let wanted = q.to_lowercase();
    let fitting = || {
        set.terms
            .iter()
            .filter(|term| wanted.is_empty() || term.term.to_lowercase().contains(&wanted))
    };
    let found = fitting().count();
    let shown_to = skipped.saturating_add(TERMS_PER_PAGE);
    let next = (found > shown_to).then(|| {
        serde_urlencoded::to_string([("q", q), ("after", &shown_to.to_string())])
            .unwrap_or_default()
    });
    show(&SetPage {
        p,
        version,
        set,
        path: set_path(&set.name),
        q,
        terms: fitting().skip(skipped).take(TERMS_PER_PAGE).collect(),
        found,
        next,
    })
}

/// Where a set's page is.
fn set_path(name: &str) -> String {
    let name = percent(name);
    format!("/policy/set/{name}")
}

async fn edit(sent: Sent) -> Response {
    let fields = &sent.fields;
    let edited = async {
        let edit = read_edit(fields, sent.visitor.page.who())?;
        let base = fields.number("base").unwrap_or(-1);
        sent.visitor
            .desk
            .edit_policy(&edit, base, fields.get("reason").trim())
            .await
    };
    match edited.await {
        Ok(version) => {
            let back = match fields.get("back") {
                "set" => set_path(fields.get("set")),
                _ => "/policy".to_owned(),
            };
            done(&back, "done.policy", &version.to_string())
        }
        Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
            Fault::new(&sent.visitor.page, error).into_response()
        }
        Err(error) => forms_page(&sent.visitor, Some(error)).await,
    }
}

/// The change a form asks for.
fn read_edit(fields: &Fields, who: &str) -> Result<Edit, DeskError> {
    let unfit = |what: &str| DeskError::Unfit(what.to_owned());
    let number = |name: &str| {
        fields
            .number::<f64>(name)
            .filter(|number| number.is_finite())
            .ok_or_else(|| unfit(&format!("{name}: {:?} is no number", fields.get(name))))
    };
    let actions = || Actions {
        ordinary: fields.some("ordinary"),
        suspicious: fields.some("suspicious"),
        dangerous: fields.some("dangerous"),
    };
    Ok(match fields.get("edit") {
        "boundaries" => Edit::Boundaries {
            suspicious: number("suspicious")?,
            dangerous: number("dangerous")?,
        },
        "actions" => Edit::Actions(actions()),
        "add-exception" => Edit::AddException {
            direction: fields.some("direction"),
            recipients: fields
                .get("recipients")
                .split([',', ' '])
                .filter(|one| !one.is_empty())
                // A whole domain is written as in addresses.
                .map(|one| {
                    if one.starts_with('@') {
                        format!("*{one}")
                    } else {
                        one.to_owned()
                    }
                })
                .collect(),
            group: fields.some("group"),
            actions: actions(),
        },
        "remove-exception" => Edit::RemoveException {
            index: fields
                .number("index")
                .ok_or_else(|| unfit("which exception?"))?,
        },
        "signal" => Edit::SignalWeight {
            signal: fields.get("signal").to_owned(),
            weight: number("weight")?,
        },
        "rule-enabled" => Edit::RuleEnabled {
            rule: fields.get("rule").to_owned(),
            enabled: fields.get("enabled") == "yes",
        },
        "add-rule" => Edit::AddRule {
            toml: read_rule(fields)?,
        },
        "add-entry" => Edit::AddEntry {
            list: fields.get("list").to_owned(),
            entry: ListEntry {
                value: fields
                    .some("value")
                    .ok_or_else(|| unfit("what shall be listed?"))?,
                from: fields.some("from"),
                account: fields.some("account"),
                for_: fields.some("for"),
                reason: fields.some("reason"),
                author: Some(who.to_owned()),
                expires: fields.some("expires"),
                unguarded: fields.has("unguarded"),
            },
        },
        "remove-entry" => Edit::RemoveEntry {
            list: fields.get("list").to_owned(),
            value: fields.get("value").to_owned(),
            from: fields.some("from"),
        },
        "add-term" => Edit::AddTerm {
            set: fields.get("set").to_owned(),
            term: fields.some("term").ok_or_else(|| unfit("which term?"))?,
            weight: fields.number("weight"),
        },
        "remove-term" => Edit::RemoveTerm {
            set: fields.get("set").to_owned(),
            term: fields.get("term").to_owned(),
        },
        other => return Err(unfit(&format!("{other:?} is no change"))),
    })
}

/// A rule from the fields of the form, as the text it would have by hand.
fn read_rule(fields: &Fields) -> Result<String, DeskError> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut conditions = Vec::new();
    for number in 1..=3 {
        let (field, test) = (
            fields.get(&format!("field{number}")),
            fields.get(&format!("test{number}")),
        );
        let value = fields.get(&format!("value{number}")).trim();
        if field.is_empty() {
            continue;
        }
        if !FIELDS.contains(&field) || !TESTS.contains(&test) {
            return Err(DeskError::Unfit(format!("{field} {test} cannot be asked")));
        }
        let values = || {
            let all: Vec<String> = value.split(',').map(|one| quoted(one.trim())).collect();
            format!("[{}]", all.join(", "))
        };
        conditions.push(match (field, test) {
            ("body", _) => format!("{{ contains = {}, in = [\"body\"] }}", quoted(value)),
            (_, "contains") => format!(
                "{{ field = \"{field}\", wildcard = {} }}",
                quoted(&format!("*{value}*"))
            ),
            (_, "is" | "wildcard" | "in_network") => {
                format!("{{ field = \"{field}\", {test} = {} }}", values())
            }
            _ => format!("{{ field = \"{field}\", {test} = {} }}", quoted(value)),
        });
    }
    if conditions.is_empty() {
        return Err(DeskError::Unfit(
            "the rule asks nothing: choose a field".to_owned(),
        ));
    }
    let join = if fields.get("join") == "any" {
        "any"
    } else {
        "all"
    };
    let amount = fields.get("amount").trim();
    let effect = match fields.get("effect") {
        "score" => {
            let score: f64 = amount
                .parse()
                .map_err(|_| DeskError::Unfit(format!("{amount:?} is no score")))?;
            format!("score = {score:?}")
        }
        "level" => format!("level = {}", quoted(amount)),
        _ => format!("action = {}", quoted(amount)),
    };
    Ok(format!(
        "[[rules]]\nname = {}\nreason = {}\nwhen = {{ {join} = [{}] }}\n{effect}\n",
        quoted(fields.get("name").trim()),
        quoted(fields.get("means").trim()),
        conditions.join(", ")
    ))
}

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

async fn text(visitor: Visitor) -> Response {
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
        Err(error) => Fault::new(p, error).into_response(),
    }
}

/// Checks, tries on recorded mail, or puts in force, as the button says.
async fn send_text(sent: Sent) -> Response {
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
        Err(error) => return Fault::new(p, error).into_response(),
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
            return Fault::new(p, error).into_response();
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
#[template(path = "policy_try.html")]
struct TryPage<'p> {
    p: &'p Page,
    message: String,
    record: String,
    ip: String,
    judged: Option<Verdict>,
    problem: String,
}

async fn ask_try(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    show(&TryPage {
        p: &visitor.page,
        message: String::new(),
        record: fields.get("record").to_owned(),
        ip: String::new(),
        judged: None,
        problem: String::new(),
    })
}

async fn try_it(sent: Sent) -> Response {
    let (visitor, fields) = (&sent.visitor, &sent.fields);
    let p = &visitor.page;
    let judged = async {
        let ip = match fields.some("ip") {
            None => None,
            Some(ip) => Some(
                ip.parse()
                    .map_err(|_| DeskError::Unfit(format!("{ip:?} is no address of a machine")))?,
            ),
        };
        if let Some(record) = fields.some("record") {
            return visitor.desk.try_record(&record).await;
        }
        // Line ends as they come over the wire.
        let raw = fields
            .get("message")
            .replace("\r\n", "\n")
            .replace('\n', "\r\n");
        let (_, verdict) = visitor.desk.try_message(None, raw.into_bytes(), ip).await?;
        Ok(verdict)
    };
    let (judged, problem, status) = match judged.await {
        Ok(verdict) => (Some(verdict), String::new(), StatusCode::OK),
        Err(error @ (DeskError::Unfit(_) | DeskError::NotFound(_) | DeskError::Refused(_))) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            (None, p.safe(&error.to_string()), status)
        }
        Err(error) => return Fault::new(p, error).into_response(),
    };
    let page = show(&TryPage {
        p,
        message: fields.get("message").to_owned(),
        record: fields.get("record").to_owned(),
        ip: fields.get("ip").to_owned(),
        judged,
        problem,
    });
    (status, page).into_response()
}

#[derive(Template)]
#[template(path = "policy_history.html")]
struct HistoryPage<'p> {
    p: &'p Page,
    versions: Vec<PolicyVersion>,
}

async fn history(visitor: Visitor) -> Response {
    match visitor.desk.policy_history(500).await {
        Ok(versions) => show(&HistoryPage {
            p: &visitor.page,
            versions,
        }),
        Err(error) => Fault::new(&visitor.page, error).into_response(),
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

async fn version(visitor: Visitor, Path(version): Path<String>) -> Response {
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
        Err(error) => Fault::new(p, error).into_response(),
    }
}

async fn roll_back(sent: Sent) -> Response {
    let p = &sent.visitor.page;
    let version: i64 = sent.fields.number("version").unwrap_or(-1);
    let reason = format!("back to version {version}");
    match sent.visitor.desk.roll_back(version, &reason).await {
        Ok(new) => done("/policy/history", "done.policy", &new.to_string()),
        Err(error) => Fault::new(p, error).into_response(),
    }
}

#[derive(Template)]
#[template(path = "policy_allow.html")]
struct AllowPage<'p> {
    p: &'p Page,
    sender: String,
    from: String,
    whom: String,
    problem: String,
}

async fn ask_allow(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let fields = Fields::read(&query.unwrap_or_default());
    let record = match RecordId::parse(fields.get("from_record")) {
        Some(id) => visitor.desk.find_one(&id.to_string()).await.ok(),
        None => None,
    };
    let ip = record.as_ref().and_then(|record| record.envelope.peer.ip);
    show(&AllowPage {
        p: &visitor.page,
        sender: record
            .and_then(|record| record.header_from)
            .unwrap_or_default(),
        from: ip.map(super::quarantine::network_of).unwrap_or_default(),
        whom: String::new(),
        problem: String::new(),
    })
}

async fn allow(sent: Sent) -> Response {
    let fields = &sent.fields;
    let entry = ListEntry {
        value: fields.get("value").trim().to_owned(),
        from: fields.some("from"),
        for_: fields.some("for"),
        expires: fields.some("expires"),
        ..ListEntry::default()
    };
    let reason = fields.get("reason").trim();
    match sent.visitor.desk.allow_sender(&entry, reason).await {
        Ok(version) => done("/policy", "done.policy", &version.to_string()),
        Err(error @ (DeskError::Policy(_) | DeskError::Unfit(_) | DeskError::Conflict(_))) => {
            let problem = wrongs(&error).first().map_or_else(
                || error.to_string(),
                |wrong| format!("{} {}", wrong.wrong, wrong.right),
            );
            let page = show(&AllowPage {
                p: &sent.visitor.page,
                sender: entry.value,
                from: entry.from.unwrap_or_default(),
                whom: entry.for_.unwrap_or_default(),
                problem,
            });
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
        Err(error) => Fault::new(&sent.visitor.page, error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_made_by_a_form_is_a_rule() {
        let fields = Fields::read(
            "name=x&means=say+%22why%22&join=any&field1=header-from&test1=is&value1=a%40b.example,+c%40d.example&field2=body&test2=contains&value2=buy+%22now%22&field3=&effect=score&amount=2.5",
        );
        let rule = read_rule(&fields).expect("a rule");
        let policy = judge::Policy::parse(&rule, &mail::Limits::default());
        assert!(policy.is_ok(), "{rule}\n{:?}", policy.err());
        for wrong in [
            "name=x&field1=shadow&test1=is",
            "name=x",
            "name=x&field1=subject&test1=is&value1=a&effect=score&amount=much",
        ] {
            assert!(read_rule(&Fields::read(wrong)).is_err(), "{wrong}");
        }
    }

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
