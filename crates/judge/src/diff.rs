//! What changed between two policy texts, line by line, in the unified form everybody reads.

use std::fmt::Write as _;

/// Unchanged lines shown around a change.
const AROUND: usize = 3;
/// Beyond this many lines (after what both share at the ends) the middle is shown as replaced.
const LINES_MAX: usize = 4000;

/// A unified diff; empty when nothing changed.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let changes = changes(&a, &b);
    if changes
        .iter()
        .all(|change| matches!(change, Change::Same(..)))
    {
        return String::new();
    }
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    for hunk in hunks(&changes) {
        let (mut olds, mut news, mut body) = ((usize::MAX, 0), (usize::MAX, 0), String::new());
        for change in hunk {
            let (sign, line) = match change {
                Change::Same(i, j) => {
                    olds = (olds.0.min(*i), olds.1 + 1);
                    news = (news.0.min(*j), news.1 + 1);
                    (' ', a[*i])
                }
                Change::Gone(i) => {
                    olds = (olds.0.min(*i), olds.1 + 1);
                    ('-', a[*i])
                }
                Change::Come(j) => {
                    news = (news.0.min(*j), news.1 + 1);
                    ('+', b[*j])
                }
            };
            let _ = writeln!(body, "{sign}{line}");
        }
        let start = |(first, count): (usize, usize)| if count == 0 { 0 } else { first + 1 };
        let _ = write!(
            out,
            "@@ -{},{} +{},{} @@\n{body}",
            start(olds),
            olds.1,
            start(news),
            news.1
        );
    }
    out
}

#[derive(Clone, Copy)]
enum Change {
    Same(usize, usize),
    Gone(usize),
    Come(usize),
}

/// The longest common subsequence by dynamic programming, after cutting what both texts share at their ends.
fn changes(a: &[&str], b: &[&str]) -> Vec<Change> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..]
        .iter()
        .rev()
        .zip(b[head..].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (middle_a, middle_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut changes: Vec<Change> = (0..head).map(|i| Change::Same(i, i)).collect();
    if middle_a.len().max(middle_b.len()) > LINES_MAX {
        changes.extend((0..middle_a.len()).map(|i| Change::Gone(head + i)));
        changes.extend((0..middle_b.len()).map(|j| Change::Come(head + j)));
    } else {
        common(middle_a, middle_b, head, &mut changes);
    }
    changes.extend((0..tail).map(|i| Change::Same(a.len() - tail + i, b.len() - tail + i)));
    changes
}

fn common(a: &[&str], b: &[&str], head: usize, changes: &mut Vec<Change>) {
    let width = b.len() + 1;
    let mut length = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i * width + j] = if a[i] == b[j] {
                length[(i + 1) * width + j + 1] + 1
            } else {
                length[(i + 1) * width + j].max(length[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            changes.push(Change::Same(head + i, head + j));
            i += 1;
            j += 1;
        } else if j == b.len()
            || (i < a.len() && length[(i + 1) * width + j] >= length[i * width + j + 1])
        {
            changes.push(Change::Gone(head + i));
            i += 1;
        } else {
            changes.push(Change::Come(head + j));
            j += 1;
        }
    }
}

/// Changes with a little around them; what lies far from any change is left out.
fn hunks(changes: &[Change]) -> Vec<&[Change]> {
    let changed: Vec<usize> = (0..changes.len())
        .filter(|at| !matches!(changes[*at], Change::Same(..)))
        .collect();
    let mut hunks = Vec::new();
    let mut start = 0;
    while start < changed.len() {
        let mut end = start;
        while end + 1 < changed.len() && changed[end + 1] - changed[end] <= 2 * AROUND {
            end += 1;
        }
        let from = changed[start].saturating_sub(AROUND);
        let until = (changed[end] + AROUND + 1).min(changes.len());
        hunks.push(&changes[from..until]);
        start = end + 1;
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changed_and_where() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\n";
        let diff = unified(old, new, "1", "2");
        assert_eq!(
            diff,
            "--- 1\n+++ 2\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n+i\n"
        );
        assert_eq!(unified(old, old, "1", "2"), "");
    }
}
