//! Which messages get a label, when, and how far it is to be believed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use learn::{Asker, Label, Lesson, Opinion, Trust, Why};

use super::figures::Dice;
use super::index::{Entry, read_partial};

/// As asked for on the command line.
#[derive(Clone, Debug, PartialEq)]
pub enum Feedback {
    /// Every message is labelled as soon as it is scored.
    Full,
    /// Only the first so many messages are labelled (the *delay* task of TREC 2007).
    Delay(usize),
    /// Only the messages listed in this file are labelled (the *partial* task of TREC 2007: one recipient's).
    Partial(PathBuf),
    /// Every message is labelled, this share of the labels is wrong, and nobody knows which: labels count as reported.
    Noise(f64),
    /// At most so many messages are asked about: those the filter is least sure of.
    Active(usize),
    /// Only what is delivered gets a label, and this share of the rest. Delivered is what the filter is not sure about; while it has seen too
    /// little of either class, all is.
    OneSided(f64),
    /// No labels at all.
    None,
}

impl FromStr for Feedback {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value)));
        let number = || {
            let value = value.with_context(|| format!("{name} needs a number: {name}=500"))?;
            value
                .parse()
                .with_context(|| format!("{value:?} is no number of messages"))
        };
        Ok(match (name, value) {
            ("full", None) => Self::Full,
            ("none", None) => Self::None,
            ("delay", _) => Self::Delay(number()?),
            ("active", _) => Self::Active(number()?),
            ("noise", Some(share)) => Self::Noise(self::share(share)?),
            ("onesided", Some(share)) => Self::OneSided(self::share(share)?),
            ("partial", Some(file)) if !file.is_empty() => Self::Partial(file.into()),
            _ => bail!(
                "full, none, delay=MESSAGES, partial=FILE, noise=SHARE, active=LABELS or onesided=SHARE"
            ),
        })
    }
}

/// `0.02` or `2%`.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, of) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |number| (number, 100.0));
    let share = number.parse::<f64>().ok().map(|number| number / of);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .with_context(|| format!("{text:?} is no share: 0.02 or 2%"))
}

/// Gives labels as one replay goes on.
pub struct Teacher {
    feedback: Feedback,
    listed: HashSet<PathBuf>,
    asker: Asker,
    dice: Dice,
    seen: usize,
    messages: usize,
    /// Labels given so far.
    pub labels: usize,
}

impl Teacher {
    /// For a replay of so many messages.
    pub fn new(feedback: Feedback, messages: usize) -> anyhow::Result<Self> {
        let listed = match &feedback {
            Feedback::Partial(file) => read_partial(Path::new(file))?,
            _ => HashSet::new(),
        };
        let budget = match feedback {
            Feedback::Active(budget) => budget,
            _ => 0,
        };
        Ok(Self {
            asker: Asker::new(budget as u32),
            feedback,
            listed,
            dice: Dice(0x2545_f491_4f6c_dd1d),
            seen: 0,
            messages,
            labels: 0,
        })
    }

    /// The label the filter is told after it gave its opinion, if any.
    pub fn label(&mut self, entry: &Entry, opinion: &Opinion) -> Option<Lesson> {
        self.seen += 1;
        let truth = if entry.spam { Label::Spam } else { Label::Ham };
        let trusted = |label| Lesson {
            label,
            trust: Trust::Trusted,
            chosen: false,
        };
        let lesson = match self.feedback {
            Feedback::Full => Some(trusted(truth)),
            Feedback::Delay(most) => (self.seen <= most).then(|| trusted(truth)),
            Feedback::Partial(_) => self.listed.contains(&entry.path).then(|| trusted(truth)),
            Feedback::Noise(share) => Some(Lesson {
                label: if self.dice.share() < share {
                    truth.other()
                } else {
                    truth
                },
                trust: Trust::Reported,
                chosen: false,
            }),
            Feedback::Active(_) => {
                let left = (self.messages - self.seen + 1) as u32;
                self.asker.asks(opinion, left).map(|why| Lesson {
                    chosen: why == Why::Unsure,
                    ..trusted(truth)
                })
            }
            Feedback::OneSided(share) => {
                let reviewed = self.dice.share() < share;
                (!opinion.is_sure_spam() || reviewed).then(|| trusted(truth))
            }
            Feedback::None => None,
        };
        self.labels += usize::from(lesson.is_some());
        lesson
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        for (text, feedback) in [
            ("full", Some(Feedback::Full)),
            ("delay=10000", Some(Feedback::Delay(10_000))),
            ("noise=10%", Some(Feedback::Noise(0.1))),
            ("onesided=0.02", Some(Feedback::OneSided(0.02))),
            ("active=500", Some(Feedback::Active(500))),
            ("partial=a/b", Some(Feedback::Partial("a/b".into()))),
            ("none", Some(Feedback::None)),
            ("noise", None),
            ("noise=11", None),
            ("delay", None),
            ("full=1", None),
            ("delay=-1", None),
        ] {
            assert_eq!(text.parse().ok(), feedback, "{text}");
        }
    }

    fn labels(feedback: Feedback, score: impl Fn(usize) -> f64) -> Vec<Option<Lesson>> {
        let mut teacher = Teacher::new(feedback, 1000).expect("no file is read");
        let entry = Entry {
            name: String::new(),
            path: PathBuf::new(),
            label: "ham".to_owned(),
            spam: false,
        };
        (0..1000)
            .map(|at| teacher.label(&entry, &Opinion::of(score(at))))
            .collect()
    }

    #[test]
    fn each_kind_of_feedback_gives_the_labels_it_promises() {
        let given = |feedback, score: fn(usize) -> f64| {
            labels(feedback, score).into_iter().flatten().count()
        };
        assert_eq!(given(Feedback::Full, |_| 0.0), 1000);
        assert_eq!(given(Feedback::None, |_| 0.0), 0);
        let late = labels(Feedback::Delay(10), |_| 0.0);
        assert!(late[9].is_some() && late[10].is_none());
        // Everything junked: only what is reviewed is seen.
        let reviewed = given(Feedback::OneSided(0.05), |_| 5.0);
        assert!((20..100).contains(&reviewed), "{reviewed}");
        assert_eq!(given(Feedback::OneSided(0.0), |_| -5.0), 1000);
        let wrong = labels(Feedback::Noise(0.1), |_| 0.0);
        let wrong = wrong
            .iter()
            .flatten()
            .filter(|lesson| lesson.label == Label::Spam);
        assert!((50..170).contains(&wrong.count()));
        let asked = given(Feedback::Active(100), |at| (at % 20) as f64 - 10.0);
        assert!((50..=100).contains(&asked), "{asked}");
    }
}
