//! Groups: `(…)`, `(?:…)`, `(?i)`, `(?<name>…)`, and those that look around.

use super::{Flags, Group, Speaker};
use crate::limits::GROUP_DEPTH_MAX;

impl Speaker<'_> {
    pub(super) fn group(&mut self) -> Result<(), String> {
        if self.groups.len() >= GROUP_DEPTH_MAX {
            return Err(format!("groups nest deeper than {GROUP_DEPTH_MAX}"));
        }
        let before = self.flags;
        if !self.takes(b"?") {
            if self.peek() == Some(b'*') {
                return Err("verbs of backtracking, (*…), are not supported".into());
            }
            self.captures += 1;
            self.say("(");
            self.open(before, None);
            return Ok(());
        }
        if self.takes(b"#") {
            while self.next().is_some_and(|byte| byte != b')') {}
            return Ok(());
        }
        for around in ["=", "!", "<=", "<!"] {
            if self.takes(around.as_bytes()) {
                self.needs_backtracking = true;
                self.backtracking.push_str("(?");
                self.backtracking.push_str(around);
                let mark = self.linear.len();
                self.open(before, Some(mark));
                return Ok(());
            }
        }
        if self.takes(b">") {
            self.needs_backtracking = true;
            self.backtracking.push_str("(?>");
            self.linear.push_str("(?:");
            self.open(before, None);
            return Ok(());
        }
        if self.takes(b"P<") || self.takes(b"<") || self.takes(b"'") {
            let close = self
                .rest()
                .iter()
                .position(|byte| matches!(byte, b'>' | b'\''))
                .ok_or("the name of a group does not end")?;
            let name = String::from_utf8_lossy(&self.rest()[..close]).into_owned();
            if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
                return Err(format!("{name:?} names no group"));
            }
            self.at += close + 1;
            self.captures += 1;
            self.linear.push('(');
            self.backtracking.push_str(&format!("(?<{name}>"));
            self.open(before, None);
            return Ok(());
        }
        self.group_with_flags(before)
    }

    /// `(?i)`, `(?i:…)`, `(?^s-i:…)`.
    pub(super) fn group_with_flags(&mut self, before: Flags) -> Result<(), String> {
        let mut flags = before;
        if self.takes(b"^") {
            flags = Flags {
                any_case: false,
                lines: false,
                dot_all: false,
                spaced: false,
            };
        }
        let mut on = true;
        while let Some(byte) = self.next() {
            match byte {
                b'i' => flags.any_case = on,
                b'm' => flags.lines = on,
                b's' => flags.dot_all = on,
                b'x' => flags.spaced = on,
                b'a' | b'u' | b'l' | b'd' | b'n' | b'p' => {}
                b'-' => on = false,
                b':' => {
                    self.say("(?:");
                    self.open(before, None);
                    self.flags = flags;
                    return Ok(());
                }
                b')' => {
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(format!("(?{} is not supported", byte as char)),
            }
        }
        Err("a group is not closed".into())
    }

    pub(super) fn open(&mut self, flags: Flags, left_out: Option<usize>) {
        self.groups.push(Group { flags, left_out });
    }

    pub(super) fn end_of_group(&mut self) -> Result<(), String> {
        let group = self
            .groups
            .pop()
            .ok_or("a group is closed that is not open")?;
        self.flags = group.flags;
        self.backtracking.push(')');
        match group.left_out {
            Some(mark) => {
                self.linear.truncate(mark);
                self.linear.push_str("(?:)");
            }
            None => self.linear.push(')'),
        }
        Ok(())
    }
}
