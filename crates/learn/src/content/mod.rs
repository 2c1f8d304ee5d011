//! What mail says: several voices over two views, each learning from every label, their calibrated mean the opinion.
//!
//! Header and body are judged apart in each view, by online logistic regression (Goodman, Yih 2006; partitioned as by Chang, Yih, Meek 2008): words
//! pasted into a body cannot outvote a header. Each has two heads. One believes labels, and is taught only by people who are
//! trusted; one takes every label for wrong now and then, and survives that. Naive Bayes over the tokens is the fifth voice. Trusted lessons are kept for a while
//! to be learnt from again.

mod calibration;
mod counts;
mod keep;
mod rehearsal;
mod table;
#[cfg(test)]
mod tests;

use crate::view::{Features, Named, Seen, Sight};
use crate::{Classifier, Label, Lesson, Opinion, Trust};
pub(crate) use calibration::{Calibration, sigmoid};
use counts::Counts;
use rehearsal::Kept;
use serde::{Deserialize, Serialize};
use table::{HEADS, SIDES, Table};

const VIEWS: usize = 2;
/// The head for trusted labels, and the head for all.
const FAITHFUL: usize = 0;
const WARY: usize = 1;
/// Rates of the heads, while few labels were seen and later.
const RATES_EARLY: [f64; HEADS] = [20.0, 8.0];
const RATES: [f64; HEADS] = [10.0, 4.0];
const EARLY_LABELS: u32 = 5000;
/// How much at least of its usual step the wary head moves by a label that contradicts it; enough to notice when it is the head that is wrong.
const CONTRADICTED: f64 = 0.1;
/// Labels of each class before calibration begins.
const CALIBRATION_LABELS: u32 = 100;
/// The slope of naive Bayes before it is calibrated.
const COUNTS_SLOPE: f64 = 0.2;
/// How far the most suspicious voice is heard above the mean: a header that is like spam cannot be argued away by a body. Less where labels are
/// reported ones: a voice that stands alone is then more often one that was taught something wrong.
const SUSPICION: f64 = 0.35;
const SUSPICION_REPORTED: f64 = 0.15;
/// While so few trusted labels are known, so many of those before are taught again beside each new one.
const REHEARSED_LABELS: u32 = 1000;
const REHEARSED: u64 = 2;
/// From so many trusted labels of each class on, spam is taught with wanted words pasted behind it, too, by such a part of a step, where they would
/// make the model as wrong as this. Sooner it costs more than it brings.
const PASTED_LABELS: u32 = 1000;
const PASTED_STEP: f64 = 0.5;
const PASTED_ERROR: f64 = 0.3;
/// What moves the opinion less is not worth showing.
const MOVED_MIN: f64 = 0.005;
/// Labels of each class before anything should be done on the model's word.
const SETTLED_LABELS: u32 = 100;

/// The model of what mail says.
#[derive(Clone)]
pub struct Content {
    tables: [Table; VIEWS],
    counts: Counts,
    kept: Kept,
    /// Everything small.
    state: State,
    /// The scores of what was judged last, while nothing was learnt since: most messages are learnt right after they were judged.
    last: Option<(u64, Scores)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    heads: [[[Head; HEADS]; SIDES]; VIEWS],
    counts: Head,
    combined: Calibration,
    /// Trusted and reported labels, of ham and of spam.
    labels: [[u32; 2]; 2],
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    calibration: Calibration,
    /// Labels it may calibrate by, of ham and of spam.
    labels: [u32; 2],
}

/// Each voice's log-odds; `None` where it saw nothing.
pub type Voices = [Option<f64>; VIEWS * SIDES + 1];

/// Scores before calibration.
#[derive(Clone, Copy)]
struct Scores {
    heads: [[[f64; HEADS]; SIDES]; VIEWS],
    counts: f64,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A million weights tell nobody anything.
        f.debug_struct("Content")
            .field("labels", &self.state.labels)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.tables == other.tables
            && self.counts == other.counts
            && self.kept == other.kept
            && self.state == other.state
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    /// Knows nothing.
    pub fn new() -> Self {
        let head = |slope| Head {
            calibration: Calibration::new(slope),
            labels: [0; 2],
        };
        let side = || [head(1.0), head(1.0)];
        Self {
            tables: [Table::new(), Table::new()],
            counts: Counts::new(),
            kept: Kept::default(),
            state: State {
                heads: [[side(), side()], [side(), side()]],
                counts: head(COUNTS_SLOPE),
                combined: Calibration::new(1.0),
                labels: [[0; 2]; 2],
            },
            last: None,
        }
    }

    /// Judges what was seen.
    pub fn judge(&self, seen: &Seen) -> Opinion {
        self.opinion(seen, &self.scores(seen))
    }

    fn opinion(&self, seen: &Seen, scores: &Scores) -> Opinion {
        let voices = self.voices(seen, scores);
        let score = self.together(&voices);
        let probability = sigmoid(self.state.combined.log_odds(score));
        // No surer than the number of labels allows.
        let labels = f64::from(self.state.labels.iter().flatten().sum::<u32>());
        let sure = (labels + 1.0) / (labels + 2.0);
        Opinion {
            score,
            probability: Some(probability.clamp(1.0 - sure, sure)),
            settled: (0..2).all(|class| {
                self.state.labels[0][class] + self.state.labels[1][class] >= SETTLED_LABELS
            }),
            voices: voices.to_vec(),
        }
    }

    /// How likely a message is unwanted by its header alone, and by its body alone.
    pub fn sides(&self, opinion: &Opinion) -> [Option<f64>; SIDES] {
        let side = |side: usize| {
            let voices = (0..VIEWS).filter_map(|view| *opinion.voices.get(view * SIDES + side)?);
            let count = voices.clone().count();
            (count > 0).then(|| sigmoid(voices.sum::<f64>() / count as f64))
        };
        [side(0), side(1)]
    }

    /// The features that moved the opinion of a message most, and by how much of its voice's log-odds; the strongest first, at most `most`.
    pub fn moved<'n>(&self, seen: &Seen, named: &'n [Named], most: usize) -> Vec<(&'n Named, f64)> {
        let tokens = 1;
        let (header, body) = (seen.tokens.side(0), seen.tokens.side(1));
        let wary = self.reported_share();
        let by = |named: &Named, side: usize, features: usize| {
            let weights = self.tables[tokens].weights(named.id, features);
            let slope = |head: usize| self.state.heads[tokens][side][head].calibration.slope();
            (1.0 - wary) * slope(FAITHFUL) * weights[FAITHFUL] + wary * slope(WARY) * weights[WARY]
        };
        let mut moved: Vec<(&Named, f64)> = named
            .iter()
            .enumerate()
            .map(|(at, named)| {
                let by = if at < header.len() {
                    by(named, 0, header.len())
                } else {
                    by(named, 1, body.len())
                };
                (named, by)
            })
            .filter(|(_, by)| by.abs() >= MOVED_MIN)
            .collect();
        moved.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        moved.truncate(most);
        moved
    }

    /// The share of labels that were reported by users, and so of the head that hears them.
    fn reported_share(&self) -> f64 {
        let [trusted, reported] = self.state.labels.map(|of| f64::from(of[0] + of[1]));
        if trusted > 0.0 {
            reported / (trusted + reported)
        } else {
            1.0
        }
    }

    /// Learns a label.
    pub fn teach(&mut self, seen: &Seen, lesson: Lesson) {
        let scores = match self.last.take() {
            Some((identity, scores)) if identity == seen.identity() => scores,
            _ => self.scores(seen),
        };
        let spam = lesson.label == Label::Spam;
        let trusted = lesson.trust == Trust::Trusted;
        self.calibrate(seen, &scores, lesson);
        self.step(seen, &scores, spam, trusted);
        self.counts.learn(&seen.tokens.ids, spam);
        if trusted {
            self.rehearse();
            if spam {
                self.teach_pasted(seen);
            }
            self.kept.keep(seen, spam);
        }
        self.state.labels[usize::from(!trusted)][usize::from(spam)] += 1;
    }

    /// Moves the linear heads.
    fn step(&mut self, seen: &Seen, scores: &Scores, spam: bool, trusted: bool) {
        let rates = self.rates();
        for (view, features) in views(seen).into_iter().enumerate() {
            for side in 0..SIDES {
                let scores = scores.heads[view][side];
                let mut gradients = [0.0; HEADS];
                let mut error = wary(scores[WARY], spam);
                gradients[WARY] = rates[WARY] * error;
                if trusted {
                    error = f64::from(spam) - sigmoid(scores[FAITHFUL]);
                    gradients[FAITHFUL] = rates[FAITHFUL] * error;
                }
                self.tables[view].learn(features.side(side), gradients, error.abs());
            }
        }
    }

    /// Teaches the linear heads some of the lessons before once more.
    fn rehearse(&mut self) {
        let labels: u32 = self.trusted_labels().iter().sum();
        if labels >= REHEARSED_LABELS {
            return;
        }
        for time in 0..REHEARSED {
            if let Some((seen, spam)) = self.kept.any(u64::from(labels) * REHEARSED + time) {
                let scores = self.scores(&seen);
                self.step(&seen, &scores, spam, true);
            }
        }
    }

    /// Teaches the head that believes labels that spam is spam with the body of wanted mail behind its own, too.
    fn teach_pasted(&mut self, seen: &Seen) {
        let labels = self.trusted_labels();
        if labels.iter().any(|count| *count < PASTED_LABELS) {
            return;
        }
        let Some(wanted) = self.kept.wanted(u64::from(labels[1])) else {
            return;
        };
        let rate = self.rates()[FAITHFUL];
        for (view, (features, wanted)) in views(seen).into_iter().zip(views(&wanted)).enumerate() {
            let pasted = [features.side(1), wanted.side(1)].concat();
            let error = 1.0 - sigmoid(self.tables[view].body_scores(&pasted)[FAITHFUL]);
            if features.side(1).is_empty() || error < PASTED_ERROR {
                continue;
            }
            let mut gradients = [0.0; HEADS];
            gradients[FAITHFUL] = rate * error * PASTED_STEP;
            self.tables[view].learn(&pasted, gradients, error * PASTED_STEP);
        }
    }

    /// Labels of trusted people and of users, each of ham and of spam.
    pub const fn labels(&self) -> [[u32; 2]; 2] {
        self.state.labels
    }

    /// Trusted labels of ham and of spam.
    pub const fn trusted_labels(&self) -> [u32; 2] {
        self.state.labels[0]
    }

    fn scores(&self, seen: &Seen) -> Scores {
        let sides = |view: usize, features: &Features| {
            let table = &self.tables[view];
            [
                table.scores(features.side(0)),
                table.body_scores(features.side(1)),
            ]
        };
        Scores {
            heads: [sides(0, &seen.grams), sides(1, &seen.tokens)],
            counts: self.counts.score(&seen.tokens),
        }
    }

    fn voices(&self, seen: &Seen, scores: &Scores) -> Voices {
        let state = &self.state;
        let mut voices = [None; VIEWS * SIDES + 1];
        // The wary head has seen every label, the faithful one the trusted: each counts by what only it can know.
        let wary = self.reported_share();
        for (view, features) in views(seen).into_iter().enumerate() {
            for side in 0..SIDES {
                if features.side(side).is_empty() {
                    continue;
                }
                let odds = |head: usize| {
                    let score = scores.heads[view][side][head];
                    state.heads[view][side][head].calibration.log_odds(score)
                };
                voices[view * SIDES + side] =
                    Some((1.0 - wary) * odds(FAITHFUL) + wary * odds(WARY));
            }
        }
        let heard =
            !seen.tokens.ids.is_empty() && self.counts.messages.iter().all(|count| *count > 0);
        voices[VIEWS * SIDES] = heard.then(|| state.counts.calibration.log_odds(scores.counts));
        voices
    }

    /// All voices as one.
    fn together(&self, voices: &Voices) -> f64 {
        let heard = voices.iter().flatten();
        let count = heard.clone().count().max(1) as f64;
        let mean = heard.clone().sum::<f64>() / count;
        let most = heard.copied().fold(mean, f64::max);
        let reported = self.reported_share();
        let suspicion = SUSPICION * (1.0 - reported) + SUSPICION_REPORTED * reported;
        mean + suspicion * (most - mean)
    }

    /// Lets each voice find out what its scores mean. Labels that were asked for because nobody was sure say nothing about how sure one may be; and
    /// once trusted people have said enough, nobody else does: twenty reports by one user, all contradicting, would make all mail look doubtful.
    fn calibrate(&mut self, seen: &Seen, scores: &Scores, lesson: Lesson) {
        let trusted = self.trusted_labels();
        let settled = trusted.iter().all(|count| *count >= CALIBRATION_LABELS);
        if lesson.chosen || (settled && lesson.trust == Trust::Reported) {
            return;
        }
        let together = self.together(&self.voices(seen, scores));
        let state = &mut self.state;
        for (view, features) in views(seen).into_iter().enumerate() {
            for side in 0..SIDES {
                for head in 0..HEADS {
                    let taught = head == WARY || lesson.trust == Trust::Trusted;
                    if taught && !features.side(side).is_empty() {
                        state.heads[view][side][head].learn(scores.heads[view][side][head], lesson);
                    }
                }
            }
        }
        state.counts.learn(scores.counts, lesson);
        if state.counts.is_calibrated() {
            state.combined.learn(together, |odds| error(odds, lesson));
        }
    }

    fn rates(&self) -> [f64; HEADS] {
        let [trusted, reported] = self.state.labels.map(|of| of[0] + of[1]);
        let rate = |head: usize, labels| {
            if labels < EARLY_LABELS {
                RATES_EARLY[head]
            } else {
                RATES[head]
            }
        };
        [rate(FAITHFUL, trusted), rate(WARY, trusted + reported)]
    }
}

impl Classifier for Content {
    fn classify(&mut self, sight: &Sight) -> Opinion {
        let scores = self.scores(&sight.seen);
        self.last = Some((sight.seen.identity(), scores));
        self.opinion(&sight.seen, &scores)
    }

    fn learn(&mut self, sight: &Sight, lesson: Lesson) {
        self.teach(&sight.seen, lesson);
    }
}

impl State {
    /// Can these numbers have been learnt?
    fn is_sound(&self) -> bool {
        let heads = self.heads.iter().flatten().flatten();
        let calibrations = heads.chain([&self.counts]).map(|head| &head.calibration);
        calibrations
            .chain([&self.combined])
            .all(Calibration::is_sound)
    }
}

impl Head {
    fn is_calibrated(&self) -> bool {
        self.labels.iter().all(|count| *count >= CALIBRATION_LABELS)
    }

    fn learn(&mut self, score: f64, lesson: Lesson) {
        self.labels[usize::from(lesson.label == Label::Spam)] += 1;
        if self.is_calibrated() {
            self.calibration.learn(score, |odds| error(odds, lesson));
        }
    }
}

const fn views(seen: &Seen) -> [&Features; VIEWS] {
    [&seen.grams, &seen.tokens]
}

/// How far log-odds were off, as far as the label is believed.
fn error(log_odds: f64, lesson: Lesson) -> f64 {
    let spam = lesson.label == Label::Spam;
    match lesson.trust {
        Trust::Trusted => f64::from(spam) - sigmoid(log_odds),
        Trust::Reported => wary(log_odds, spam),
    }
}

/// The gradient for labels of which some are wrong. One that agrees teaches like any other; the more surely one contradicts, the less it moves anything,
/// so that wrong ones do little harm and a model that is wrong still comes round. Measured against the forward correction of the loss (Patrini et
/// al. 2017) in `docs/accuracy.md`.
fn wary(score: f64, spam: bool) -> f64 {
    let error = f64::from(spam) - sigmoid(score);
    let off = error.abs();
    if off <= 0.5 {
        error
    } else {
        error * (4.0 * off * (1.0 - off)).max(CONTRADICTED)
    }
}
