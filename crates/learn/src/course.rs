//! A course of lessons: the model of content, and everything else that follows from the labels given so far and from nothing else.
//!
//! Whoever takes the same lessons in the same order has the same course, to the bit: several machines learn into one model by reading one log, and a
//! label is taken back by taking all the others again. What one reporter can do is bounded, what wanted mail scores is kept for proofs, and an
//! alarm sounds when trusted labels begin to contradict what was learnt.

use std::collections::{HashMap, VecDeque};

use mail::learnt::{Moved, OTHERWISE, Personal, Progress};
use mail::{Learnt, Timestamp};
use serde::{Deserialize, Serialize};

use crate::classes::First;
use crate::content::sigmoid;
use crate::drift::PageHinkley;
use crate::personal::Shares;
use crate::snapshot::{Kind, Reader, length, open, seal};
use crate::view::{Named, Seen};
use crate::{
    Classes, Content, Key, Label, Lesson, Opinion, Refused, Standing, Threshold, Trust, threshold,
};

/// Shares of wanted mail for which it is proven which scores so few have, from the least on; see [`threshold`].
pub const SHARES: [f64; 3] = [0.0001, 0.001, 0.01];
/// That the proof is wrong.
const RISK: f64 = 0.05;
/// Scores of wanted mail kept for it: enough for the least share.
const HAM_KEPT: usize = 30_000;
/// So many more, and it is proven anew.
const PROVE_EVERY: u32 = 64;
/// Lessons of reporters looked back at, and what any of them may have among those: 1 %, or twice an equal share where there are few reporters.
const LOOKED_BACK: usize = 1000;
const REPORTER_SHARE: f64 = 0.01;
const EQUAL_SHARES: f64 = 2.0;
const REPORTER_MIN: usize = 20;
/// Words shown of one message.
const WORDS_SHOWN: usize = 12;
/// The longest word shown.
const WORD_CHARS: usize = 60;

/// One lesson: what somebody said of a message, and who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'s> {
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub lesson: Lesson,
    /// The class of message, where they said more than wanted or unwanted; else empty.
    pub class: &'s str,
    /// The number of who said it, where that is nobody who may teach what they like.
    pub reporter: Option<u64>,
    /// The number of whose own mail it was, where they spoke for themselves.
    pub owner: Option<u64>,
}

/// What came of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was learnt.
    Learnt,
    /// Its reporter has had too much influence lately.
    PassedOver,
}

/// Lessons taken, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    content: Content,
    personal: Shares,
    classes: Classes,
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// The place of the last lesson in the log.
    place: i64,
    /// What wanted mail scored before it was learnt, where trusted people said so without having been asked for its score.
    ham_scores: VecDeque<f64>,
    /// How many came since it was proven.
    since_proof: u32,
    proven: Vec<Threshold>,
    /// Who reported lately.
    reporters: VecDeque<u64>,
    passed_over: u64,
    alarm: PageHinkley,
    alarmed: Option<Timestamp>,
}

/// A course in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The place of the last lesson in the log.
    pub place: i64,
    /// Labels of trusted people: of wanted and of unwanted mail.
    pub trusted: [u32; 2],
    /// Labels reported by users.
    pub reported: [u32; 2],
    /// How far it has come.
    pub standing: Standing,
    /// Scores that few wanted messages reach, each proven.
    pub proven: Vec<Threshold>,
    /// Wanted messages the proofs rest on.
    pub ham_scores: usize,
    /// Lessons passed over because their reporter had too much influence.
    pub passed_over: u64,
    /// When trusted labels last began to contradict what was learnt.
    pub alarmed: Option<Timestamp>,
    /// Classes of messages by name, whether each is unwanted, and how many taught it.
    #[serde(default)]
    pub classes: Vec<(String, bool, u32)>,
}

impl Default for Course {
    fn default() -> Self {
        Self::new()
    }
}

impl Course {
    /// Before the first lesson.
    pub fn new() -> Self {
        Self {
            content: Content::new(),
            personal: Shares::default(),
            classes: Classes::default(),
            state: State::default(),
        }
    }

    /// The place of the last lesson taken.
    pub const fn place(&self) -> i64 {
        self.state.place
    }

    /// Goes on to a place of the log at which there is nothing to learn.
    pub const fn skip_to(&mut self, place: i64) {
        self.state.place = place;
    }

    /// Takes the lesson at a place of the log.
    pub fn take(&mut self, place: i64, seen: &Seen, said: &Said<'_>) -> Taken {
        self.state.place = place;
        let lesson = said.lesson;
        let opinion = self.content.judge(seen);
        let passed_over = said
            .reporter
            .is_some_and(|reporter| !self.state.may_report(reporter));
        // Whoever says too much for all has still said it for themselves, up to what is counted: a stolen account does not write without end.
        if let Some(owner) = said.owner
            && !(passed_over && self.personal.is_full(owner))
        {
            let odds = log_odds(opinion.probability.unwrap_or(0.5));
            self.personal.learn(owner, seen, odds, lesson.label);
        }
        if passed_over {
            self.state.passed_over += 1;
            return Taken::PassedOver;
        }
        if let Some(reporter) = said.reporter {
            if self.state.reporters.len() >= LOOKED_BACK {
                self.state.reporters.pop_front();
            }
            self.state.reporters.push_back(reporter);
        }
        if lesson.trust == Trust::Trusted && !lesson.chosen {
            self.state.examine(&opinion, lesson.label, said.at);
        }
        self.content.teach(seen, lesson);
        let unwanted = lesson.label == Label::Spam;
        self.classes.learn(seen, said.class, unwanted);
        Taken::Learnt
    }

    /// What it thinks of a message; `owner` is the number of the one person it is for.
    pub fn judge(&self, seen: &Seen, owner: Option<u64>) -> (Opinion, Learnt) {
        let opinion = self.content.judge(seen);
        let [header, body] = self.content.sides(&opinion);
        let probability = opinion.probability.unwrap_or(0.5);
        let share = owner.and_then(|owner| self.personal.share(owner, seen));
        let learnt = Learnt {
            probability,
            score: opinion.score,
            labels: self.content.trusted_labels(),
            ham_above: self.ham_above(opinion.score),
            header,
            body,
            personal: share.map(|share| Personal {
                labels: u32::from(share.labels),
                by: share.by,
                probability: sigmoid(log_odds(probability) + share.by),
                ham_above: self
                    .ham_above(opinion.score)
                    .filter(|_| share.by > -OTHERWISE),
            }),
            words: Vec::new(),
            phases: None,
        };
        (opinion, learnt)
    }

    /// What the first phase of the classifier in two phases hands on; `None` before both wanted and unwanted mail is known.
    pub fn first(&self, seen: &Seen) -> Option<First> {
        self.classes.find(seen)
    }

    /// The least share of wanted mail that is proven to score so high at most.
    fn ham_above(&self, score: f64) -> Option<f64> {
        let proven = self.state.proven.iter();
        let above = proven.filter(|threshold| score > threshold.score);
        above.map(|threshold| threshold.ham_share).reduce(f64::min)
    }

    /// The words that moved the opinion most.
    pub fn words(&self, seen: &Seen, named: &[Named]) -> Vec<Moved> {
        let moved = self.content.moved(seen, named, WORDS_SHOWN);
        let shown = |(named, by): (&Named, f64)| Moved {
            word: named.name.chars().take(WORD_CHARS).collect(),
            field: named.field.clone(),
            by,
        };
        moved.into_iter().map(shown).collect()
    }

    /// In figures.
    pub fn summary(&self) -> Summary {
        let [trusted, reported] = self.content.labels();
        Summary {
            place: self.state.place,
            trusted,
            reported,
            standing: Standing::of(trusted[0], trusted[1], self.state.proven.last().copied()),
            proven: self.state.proven.clone(),
            ham_scores: self.state.ham_scores.len(),
            passed_over: self.state.passed_over,
            alarmed: self.state.alarmed,
            classes: self.classes.list(),
        }
    }

    /// As a file, under the key it was learnt under.
    pub fn to_bytes(&self, key: &Key) -> Vec<u8> {
        // Plain numbers: cannot fail.
        let state = serde_json::to_vec(&self.state).unwrap_or_default();
        let content = self.content.to_bytes(key);
        let mut bytes = Vec::with_capacity(state.len() + content.len() + 4);
        bytes.extend_from_slice(&(state.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&state);
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(&self.personal.to_bytes());
        bytes.extend_from_slice(&self.classes.to_bytes());
        seal(Kind::Course, key, &bytes)
    }

    /// Reads [`Course::to_bytes`] under the same key.
    pub fn from_bytes(file: &[u8], key: &Key) -> Result<Self, Refused> {
        let mut reader = Reader(open(Kind::Course, key, file)?);
        let state = reader
            .u32()
            .and_then(|length| reader.take(length as usize))
            .ok_or(Refused::Senseless)?;
        let state: State = serde_json::from_slice(state).map_err(|_| Refused::Senseless)?;
        let content = length(reader.0)
            .and_then(|length| reader.take(length))
            .ok_or(Refused::Senseless)?;
        let content = Content::from_bytes(content, key)?;
        let personal = Shares::from_bytes(&mut reader).ok_or(Refused::Senseless)?;
        let classes = Classes::from_bytes(reader.0).ok_or(Refused::Senseless)?;
        let sound = state.ham_scores.len() <= HAM_KEPT
            && state.reporters.len() <= LOOKED_BACK
            && state.proven.len() <= SHARES.len();
        if sound {
            Ok(Self {
                content,
                personal,
                classes,
                state,
            })
        } else {
            Err(Refused::Senseless)
        }
    }
}

/// The inverse of the logistic function; no probability of a model is 0 or 1.
fn log_odds(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

impl State {
    /// Has this reporter had no more than a fair part of what was reported lately?
    fn may_report(&self, reporter: u64) -> bool {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for one in &self.reporters {
            *counts.entry(*one).or_default() += 1;
        }
        let theirs = counts.get(&reporter).copied().unwrap_or(0);
        counts.entry(reporter).or_default();
        let share = REPORTER_SHARE.max(EQUAL_SHARES / counts.len() as f64);
        let most = (share * LOOKED_BACK as f64) as usize;
        theirs < most.max(REPORTER_MIN)
    }

    /// Learns from what was thought of a message, now that it is known what it was.
    fn examine(&mut self, opinion: &Opinion, label: Label, at: Timestamp) {
        if opinion.settled
            && self
                .alarm
                .wrong(opinion.is_spam() != (label == Label::Spam))
        {
            self.alarmed = Some(at);
        }
        if label == Label::Spam {
            return;
        }
        if self.ham_scores.len() >= HAM_KEPT {
            self.ham_scores.pop_front();
        }
        self.ham_scores.push_back(opinion.score);
        self.since_proof += 1;
        if self.since_proof >= PROVE_EVERY {
            self.since_proof = 0;
            let scores = self.ham_scores.make_contiguous();
            let proven = SHARES.iter();
            self.proven = proven
                .filter_map(|share| threshold(scores, *share, RISK))
                .collect();
        }
    }
}

impl Standing {
    /// How far it has come, in a word.
    pub const fn progress(&self) -> Progress {
        match self {
            Self::Observing { .. } => Progress::Observing,
            Self::Tagging => Progress::Tagging,
            Self::Certified(_) => Progress::Certified,
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Limits;

    use super::*;
    use crate::{Letter, Needs, Scope, Viewer};

    fn viewer() -> Viewer {
        let needs = Needs {
            content: true,
            text: false,
        };
        Viewer::new(
            Key::new(b"test"),
            Scope::default(),
            needs,
            Limits::default(),
        )
    }

    fn mail(number: u32, spam: bool) -> Vec<u8> {
        let words = if spam {
            "casino bonus winner"
        } else {
            "meeting report lunch"
        };
        format!("From: a{number}@b.example\r\nSubject: {words} {number}\r\n\r\nabout the {words} of day {number}\r\n")
            .into_bytes()
    }

    const fn lesson(spam: bool, trust: Trust) -> Lesson {
        Lesson {
            label: if spam { Label::Spam } else { Label::Ham },
            trust,
            chosen: false,
        }
    }

    const fn by_desk(secs: i64, lesson: Lesson) -> Said<'static> {
        Said {
            at: Timestamp::from_secs(secs),
            lesson,
            class: "",
            reporter: None,
            owner: None,
        }
    }

    fn take(course: &mut Course, viewer: &mut Viewer, number: u32, reporter: Option<u64>) -> Taken {
        let spam = number.is_multiple_of(2);
        let trust = if reporter.is_some() {
            Trust::Reported
        } else {
            Trust::Trusted
        };
        let raw = mail(number, spam);
        let seen = viewer.see(&Letter::found(&raw)).seen;
        let place = i64::from(number);
        let said = Said {
            reporter,
            ..by_desk(place, lesson(spam, trust))
        };
        course.take(place, &seen, &said)
    }

    fn taught(labels: u32) -> Course {
        let (mut course, mut viewer) = (Course::new(), viewer());
        for number in 0..labels {
            take(&mut course, &mut viewer, number, None);
        }
        course
    }

    #[test]
    fn it_observes_then_tags_then_acts() {
        assert_eq!(
            taught(100).summary().standing.progress(),
            Progress::Observing
        );
        let course = taught(420);
        assert_eq!(course.summary().standing.progress(), Progress::Tagging);
        assert_eq!(course.summary().trusted, [210, 210]);
        // 299 wanted messages prove 1 %.
        let course = taught(700);
        let summary = course.summary();
        assert_eq!(summary.standing.progress(), Progress::Certified);
        assert_eq!(summary.proven.len(), 1);
        let mut viewer = viewer();
        let mut judged = |spam| {
            course
                .judge(&viewer.see(&Letter::found(&mail(9999, spam))).seen, None)
                .1
        };
        let (wanted, unwanted) = (judged(false), judged(true));
        assert_eq!((wanted.ham_above, unwanted.ham_above), (None, Some(0.01)));
        assert!(wanted.probability < 0.1 && unwanted.probability > 0.9);
        assert!(unwanted.header.is_some_and(|header| header > 0.8));
        assert!(unwanted.body.is_some_and(|body| body > 0.8));
    }

    #[test]
    fn the_words_that_moved_it_are_told() {
        let (course, mut viewer) = (taught(300), viewer());
        let raw = mail(9998, true);
        let letter = Letter::found(&raw);
        let (sight, named) = (viewer.see(&letter), viewer.named(&letter));
        let ids: Vec<u32> = named.iter().map(|named| named.id).collect();
        assert_eq!(
            ids, sight.seen.tokens.ids,
            "the names are those of what is judged"
        );
        let words = course.words(&sight.seen, &named);
        assert_eq!(words.len(), WORDS_SHOWN);
        assert!(
            words
                .iter()
                .all(|word| word.by > 0.0 || !word.word.contains("casino"))
        );
        let in_subject = words
            .iter()
            .find(|word| word.field.as_deref() == Some("subject"));
        assert!(
            in_subject.is_some_and(|word| word.word.contains("casino")
                || word.word.contains("bonus")
                || word.word.contains("winner")),
            "{words:?}"
        );
        assert!(words.iter().any(|word| word.field.is_none()));
    }

    #[test]
    fn one_reporter_has_no_more_than_a_fair_part() {
        let (mut course, mut viewer) = (Course::new(), viewer());
        for number in 0..400 {
            take(
                &mut course,
                &mut viewer,
                number,
                Some(u64::from(number % 200) + 10),
            );
        }
        let flood = |course: &mut Course, viewer: &mut Viewer| {
            let taken = (400..500).map(|number| take(course, viewer, number, Some(1)));
            taken.filter(|taken| *taken == Taken::Learnt).count()
        };
        assert_eq!(flood(&mut course, &mut viewer), REPORTER_MIN);
        assert_eq!(course.summary().passed_over, 80);
        assert_eq!(course.summary().reported, [210, 210]);
        // Where two people are all there are, both are heard.
        let mut small = Course::new();
        let heard = (0..300)
            .map(|number| take(&mut small, &mut viewer, number, Some(u64::from(number % 2))));
        assert_eq!(heard.filter(|taken| *taken == Taken::Learnt).count(), 300);
    }

    #[test]
    fn what_one_owner_says_of_their_mail_is_heard_for_them_alone() {
        let (mut course, mut viewer) = (taught(900), viewer());
        let ann = Key::new(b"test").of_name("ann@b.example");
        let spam = viewer.see(&Letter::found(&mail(9998, true))).seen;
        let (_, before) = course.judge(&spam, Some(ann));
        assert_eq!(before.personal, None, "nothing was said by her");
        assert!(before.ham_above.is_some());
        for number in 1000..1040 {
            let seen = viewer.see(&Letter::found(&mail(number, true))).seen;
            let said = Said {
                reporter: Some(ann),
                owner: Some(ann),
                ..by_desk(1, lesson(false, Trust::Reported))
            };
            course.take(i64::from(number), &seen, &said);
        }
        let (_, hers) = course.judge(&spam, Some(ann));
        let personal = hers.personal.expect("forty labels are heard");
        assert_eq!(personal.labels, 40);
        assert!(
            personal.by < -2.0 && personal.probability < 0.95 && before.probability > 0.95,
            "{personal:?}"
        );
        assert_eq!(personal.ham_above, None, "and no proof stands against her");
        for number in 2000..2400 {
            let other = Some(u64::from(number % 200) + 10);
            take(&mut course, &mut viewer, number, other);
        }
        // Far more than her part: for herself it counts until no more is counted.
        for number in 3000..3360 {
            let seen = viewer
                .see(&Letter::found(&mail(number, !number.is_multiple_of(4))))
                .seen;
            let said = Said {
                reporter: Some(ann),
                owner: Some(ann),
                ..by_desk(1, lesson(number.is_multiple_of(2), Trust::Reported))
            };
            let before = course.personal.clone();
            let full = before.is_full(ann);
            assert_eq!(
                course.take(i64::from(number), &seen, &said),
                Taken::PassedOver
            );
            assert_eq!(course.personal == before, full, "{number}");
        }
        assert!(course.personal.is_full(ann));
        let (_, others) = course.judge(&spam, None);
        assert!(others.probability > 0.9 && others.personal.is_none());
        assert!(others.ham_above.is_some());
        let key = Key::new(b"test");
        assert!(Course::from_bytes(&course.to_bytes(&key), &key) == Ok(course));
    }

    #[test]
    fn the_alarm_sounds_when_trusted_labels_contradict() {
        let (mut course, mut viewer) = (taught(400), viewer());
        assert_eq!(course.summary().alarmed, None);
        for number in 400..1500 {
            // What was spam is ham from now on, and is called otherwise each time.
            let raw = mail(number, number.is_multiple_of(2));
            let seen = viewer.see(&Letter::found(&raw)).seen;
            let spam = number % 3 == 0;
            let said = by_desk(1, lesson(spam, Trust::Trusted));
            course.take(i64::from(number), &seen, &said);
        }
        assert_eq!(course.summary().alarmed, Some(Timestamp::from_secs(1)));
    }

    #[test]
    fn a_file_goes_on_where_it_stopped() {
        let key = Key::new(b"test");
        // Enough for numbers that only come back exactly when JSON is read exactly.
        let course = taught(700);
        let file = course.to_bytes(&key);
        let mut read = Course::from_bytes(&file, &key).expect("its own file");
        assert!(read == course);
        assert_eq!(read.place(), 699);
        let mut viewer = viewer();
        for number in 700..750 {
            take(&mut read, &mut viewer, number, None);
        }
        assert!(read == taught(750), "as if it had never stopped");
        assert_eq!(
            Course::from_bytes(&file, &Key::new(b"other")).err(),
            Some(Refused::OtherInstallation)
        );
        let content = Content::new().to_bytes(&key);
        assert_eq!(
            Course::from_bytes(&content, &key).err(),
            Some(Refused::OtherKind)
        );
        let nonsense = seal(Kind::Course, &key, &[7; 9]);
        assert_eq!(
            Course::from_bytes(&nonsense, &key).err(),
            Some(Refused::Senseless)
        );
    }
}
