//! What is kept, as rows of the store.

use mail::{Operation, RecordId};
use store::{Concerned, DecisionRow, DetectionRow, OperationRow};
use watch::{Decision, Detection, Scope};

use super::concerned;

/// What kind an operation is, as a word.
pub(crate) fn kind(operation: &Operation) -> String {
    word(&operation.kind())
}

/// A unit variant as it is written.
pub(crate) fn word(of: &impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn operation(operation: &Operation) -> Option<OperationRow> {
    Some(OperationRow {
        id: operation.id,
        kind: kind(operation),
        who: concerned(operation.source.ip, operation.account.as_ref()),
        body: body(operation)?,
    })
}

pub(super) fn detection(detection: &Detection) -> Option<DetectionRow> {
    let mailbox = detection.mailbox.as_ref();
    Some(DetectionRow {
        id: RecordId::random(detection.at),
        detector: detection.detector.to_owned(),
        who: Concerned {
            mailbox: mailbox.map(mail::Address::key),
            ..concerned(detection.ip, detection.account.as_ref())
        },
        acts: detection.acts,
        body: body(&serde_json::json!({ "detection": detection, "words": detection.in_words() }))?,
    })
}

pub(super) fn decision(decision: &Decision) -> Option<DecisionRow> {
    Some(DecisionRow {
        id: decision.id,
        step: decision.step.name().to_owned(),
        who: scope(&decision.scope),
        simulated: decision.simulated,
        expires: decision.expires,
        ended: None,
        body: body(decision)?,
    })
}

/// Whom a scope names.
pub(crate) fn scope(scope: &Scope) -> Concerned {
    match scope {
        Scope::Source(ip) => concerned(Some(*ip), None),
        Scope::Pair(ip, account) => concerned(Some(*ip), Some(account)),
        Scope::Account(account) => concerned(None, Some(account)),
        Scope::Mailbox(address) => Concerned {
            mailbox: Some(address.key()),
            ..Concerned::default()
        },
    }
}

/// JSON of plain data, which cannot fail but for a mistake of ours.
fn body(of: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_string(of) {
        Ok(body) => Some(body),
        Err(error) => {
            tracing::error!(
                "what was watched cannot be written: {error} (a bug; please report it)"
            );
            None
        }
    }
}
