//! The policy in forms.

mod allowed;
mod sets;
mod trial;
mod versions;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::{DeskError, HITS_COUNTED};
use judge::describe::{Description, Rule, Set};
use judge::edit::{Actions, Edit, ListEntry};
use mail::{RecordId, Timestamp};

use super::{FIELDS, TESTS, done};
use crate::Shared;
use crate::error::{ErrorPage, Problem, Wrong, show, wrongs};
use crate::fields::Fields;
use crate::page::Page;
use crate::visitor::{Sent, Visitor};

/// Entries of one list shown on a page.
const ENTRIES_MAX: usize = 500;
/// Rules and entries whose hits are looked up for a page, at most.
const LOOKED_UP_MAX: usize = 200;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/policy", get(forms))
        .route("/policy/edit", post(edit))
        .route("/policy/set/{name}", get(sets::one))
        .route(
            "/policy/text",
            get(versions::text).post(versions::send_text),
        )
        .route("/policy/try", get(trial::ask).post(trial::judge))
        .route("/policy/history", get(versions::history))
        .route("/policy/version/{version}", get(versions::one))
        .route("/policy/rollback", post(versions::roll_back))
        .route("/policy/allow", get(allowed::ask).post(allowed::allow))
}

pub(crate) use sets::set_path;

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
        Err(error) => return ErrorPage::new(p, error).into_response(),
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
                "set" => sets::back_to(fields),
                _ => "/policy".to_owned(),
            };
            done(&back, "done.policy", &version.to_string())
        }
        Err(error @ (DeskError::Forbidden(_) | DeskError::Store(_))) => {
            ErrorPage::new(&sent.visitor.page, error).into_response()
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
}
