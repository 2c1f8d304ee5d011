//! What a reader of documents makes of one part. It crosses a process border, so it holds plain values only.

use serde::{Deserialize, Serialize};

use super::Finding;

/// A part, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What was found out about the part itself.
    pub findings: Vec<Finding>,
    /// Its text.
    pub text: Option<String>,
    /// Links that do not stand in the text.
    pub links: Vec<String>,
    /// What is inside, depth first.
    pub inner: Vec<Inside>,
}

/// One file inside another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Its place in the outer file (`1`, `1/2`); its number in the list when nothing is said.
    pub path: Option<String>,
    /// Its name as the container says.
    pub file_name: Option<String>,
    /// Its bytes, unpacked.
    pub size_bytes: u64,
    /// What its bytes are.
    pub real_type: Option<String>,
    /// What was found out.
    pub findings: Vec<Finding>,
    /// Its text.
    pub text: Option<String>,
}

impl Reading {
    /// Nothing but a finding.
    pub fn only(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }

    /// Notes a finding once.
    pub fn found(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}
