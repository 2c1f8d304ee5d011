//! A row of an aggregate report while it is read.

use std::net::IpAddr;

use super::values::{address, number, passes, some, word};
use super::{Disposition, DkimOutcome, DkimResult, Override, OverrideKind, Row, SpfOutcome};
use super::{SpfResult, SpfScope};
use crate::Notes;

/// Signatures and reasons kept of one row; RFC 9990 §3.1.4 asks for at most 100.
const PER_ROW_MAX: usize = 100;

/// A row while it is read.
#[derive(Default)]
pub(super) struct Draft {
    source_ip: Option<IpAddr>,
    messages: Option<u64>,
    disposition: Option<Disposition>,
    dkim_aligned: Option<bool>,
    spf_aligned: Option<bool>,
    overrides: Vec<DraftReason>,
    header_from: String,
    envelope_from: Option<String>,
    envelope_to: Option<String>,
    dkim: Vec<DkimResult>,
    spf: Vec<SpfResult>,
    /// The result that is being read is one too many.
    passes_over: bool,
}

/// A reason while it is read.
#[derive(Default)]
struct DraftReason {
    kind: Option<OverrideKind>,
    comment: Option<String>,
}

impl Draft {
    /// An element below the row opens.
    pub(super) fn open(&mut self, path: &[&str], notes: &mut Notes) {
        let begun = match path {
            ["auth_results", "dkim"] => begin(&mut self.dkim),
            ["auth_results", "spf"] => begin(&mut self.spf),
            ["row", "policy_evaluated", "reason"] => begin(&mut self.overrides),
            _ => return,
        };
        self.passes_over = !begun;
        if !begun {
            notes.add("a row has more results than are kept");
        }
    }

    /// An element below the row closes.
    pub(super) fn close(&mut self, path: &[&str], value: &str, notes: &mut Notes) {
        match path {
            ["row", "source_ip"] => self.source_ip = address(value, notes),
            ["row", "count"] => self.messages = number(value, notes),
            ["row", "policy_evaluated", "disposition"] => {
                self.disposition = word(value, "disposition", notes, Disposition::read);
            }
            ["row", "policy_evaluated", "dkim"] => {
                self.dkim_aligned = word(value, "result", notes, passes);
            }
            ["row", "policy_evaluated", "spf"] => {
                self.spf_aligned = word(value, "result", notes, passes);
            }
            ["row", "policy_evaluated", "reason", _] | ["auth_results", _, _]
                if self.passes_over => {}
            ["row", "policy_evaluated", "reason", what] => {
                let Some(reason) = self.overrides.last_mut() else {
                    return;
                };
                match *what {
                    "type" => {
                        let kind = word(value, "reason", notes, OverrideKind::read);
                        reason.kind = kind.or_else(|| some(value).map(|_| OverrideKind::Other));
                    }
                    "comment" => reason.comment = some(value),
                    _ => {}
                }
            }
            // "identities" is what a draft called them.
            ["identifiers" | "identities", "header_from"] => self.header_from = value.to_owned(),
            ["identifiers" | "identities", "envelope_from"] => {
                self.envelope_from = Some(value.to_owned());
            }
            ["identifiers" | "identities", "envelope_to"] => self.envelope_to = some(value),
            ["auth_results", "dkim", what] => {
                let Some(result) = self.dkim.last_mut() else {
                    return;
                };
                match *what {
                    "domain" => result.domain = value.to_owned(),
                    "selector" => result.selector = some(value),
                    "result" => {
                        let outcome = word(value, "DKIM result", notes, DkimOutcome::read);
                        result.outcome = outcome.unwrap_or(DkimOutcome::Neutral);
                    }
                    "human_result" => result.explanation = some(value),
                    _ => {}
                }
            }
            ["auth_results", "spf", what] => {
                let Some(result) = self.spf.last_mut() else {
                    return;
                };
                match *what {
                    "domain" => result.domain = value.to_owned(),
                    "scope" => result.scope = word(value, "SPF scope", notes, SpfScope::read),
                    "result" => {
                        let outcome = word(value, "SPF result", notes, SpfOutcome::read);
                        result.outcome = outcome.unwrap_or(SpfOutcome::Neutral);
                    }
                    "human_result" => result.explanation = some(value),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The row, when it has what a row must have.
    pub(super) fn finish(self, notes: &mut Notes) -> Option<Row> {
        let (Some(source_ip), Some(messages)) = (self.source_ip, self.messages) else {
            notes.add("a row without an address or a number is left out");
            return None;
        };
        if self.dkim_aligned.is_none() || self.spf_aligned.is_none() {
            notes.add("a row does not say whether DKIM and SPF were aligned; taken as not");
        }
        let overrides = self.overrides.into_iter();
        Some(Row {
            source_ip,
            messages,
            disposition: self.disposition.unwrap_or_default(),
            dkim_aligned: self.dkim_aligned.unwrap_or(false),
            spf_aligned: self.spf_aligned.unwrap_or(false),
            overrides: overrides
                .filter_map(|reason| {
                    let said = reason.comment.is_some();
                    Some(Override {
                        kind: reason.kind.or(said.then_some(OverrideKind::Other))?,
                        comment: reason.comment,
                    })
                })
                .collect(),
            header_from: self.header_from,
            envelope_from: self.envelope_from,
            envelope_to: self.envelope_to,
            dkim: self.dkim,
            spf: self.spf,
        })
    }
}

/// Begins another of several; false when there are enough.
fn begin<T: Default>(results: &mut Vec<T>) -> bool {
    let fits = results.len() < PER_ROW_MAX;
    if fits {
        results.push(T::default());
    }
    fits
}
