//! What this site's mail is like, as people have said: asked about each message, taught through the store.
//!
//! The model is what follows from the training log (`store/lessons.rs`, `learn::Course`): every node reads the log and has the same one. While a message
//! is judged it is only asked ([`Learning::judge`]); what was seen of the message waits in the store for a label that may come ([`Learning::came`]).
//! Labels come from people ([`Desk::teach`](crate::Desk::teach)), from traps, and from replies.

mod campaigns;
mod gate;
mod keeping;
mod phases;
mod rounds;
mod sources;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use data_encoding::BASE64;
use judge::policy::{Chosen, PhaseSettings};
use learn::drift::{SHIFTED, Shift};
use learn::prints::Print;
use learn::{Arrival, Asker, Course, Key, Letter, Needs, Opinion, Scope, Sight, Viewer, Why};
use mail::learnt::Campaign;
use mail::{
    Address, Authentication, Direction, Envelope, Facts, Fate, Known, Learnt, Limits, RecordId,
    Secret, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};
use store::{CampaignRow, NewLesson, Question, SightRow};

use crate::clock::now;
use crate::metrics::Metrics;
use crate::nodes::{Outbox, Tiding};
use campaigns::Campaigns;
use gate::Gate;
pub(crate) use keeping::told;
use phases::Components;
pub(crate) use phases::Counted;
use sources::Replied;
use trail::Trail;

/// Viewers kept for the next messages; each has some working memory.
const VIEWERS_KEPT: usize = 16;
/// Messages a day that are expected before a day was seen.
const DAY_EXPECTED: u32 = 1_000;
/// Of messages kept from people, one in so many is asked about whatever is thought of it: a learner that only hears of what was delivered learns to
/// think everything wanted (`docs/accuracy.md`, `onesided`).
const EXPLORED_OF: u64 = 50;
/// The part of a day's questions that explored ones may take.
const EXPLORED_PART: u32 = 4;
const DAY_SECS: i64 = 86_400;

/// What the learner needs to know that is not policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnSetup {
    /// Addresses nobody has, published for those who collect addresses: what comes there is unwanted.
    pub traps: Vec<Address>,
    /// Does a reply of one of our people show that what was replied to was wanted?
    pub replies: bool,
    /// How many messages people are asked about each day.
    pub questions_per_day: u32,
    /// Where the model is kept between two starts; `None` learns the whole log anew.
    pub file: Option<PathBuf>,
}

/// The learner of this node.
pub struct Learning {
    key: Key,
    setup: LearnSetup,
    limits: Limits,
    course: RwLock<Course>,
    viewers: Mutex<Vec<Viewer>>,
    waiting: Mutex<Waiting>,
    gate: Mutex<Gate>,
    campaigns: Mutex<Campaigns>,
    drift: Mutex<Drift>,
    components: Mutex<Components>,
    /// The place of the model that is in the file.
    written: AtomicI64,
    trail: Arc<Mutex<Trail>>,
    metrics: Arc<Metrics>,
    outbox: Arc<Outbox>,
}

/// What the learner saw of a message, and thought of it.
pub(crate) struct Looked {
    sight: Sight,
    /// What its text is recognised by.
    print: Print,
    opinion: Opinion,
    /// What phase 2 counted of it.
    counted: Option<Counted>,
}

/// What waits to be written, and what is asked today.
struct Waiting {
    rows: Rows,
    day: Day,
}

/// What waits to be written.
#[derive(Default)]
struct Rows {
    sights: Vec<SightRow>,
    campaigns: Vec<CampaignRow>,
    members: Vec<(RecordId, RecordId)>,
    questions: Vec<Question>,
    lessons: Vec<NewLesson>,
    replies: Vec<Replied>,
}

/// One day of questions.
struct Day {
    /// Days since 1970.
    number: i64,
    asker: Asker,
    /// Messages so far.
    messages: u32,
    /// Messages of the day before.
    expected: u32,
    /// Explored ones that may still be asked about.
    explorable: u32,
    /// Senders that were asked about: a second letter of one teaches little more.
    senders: HashSet<String>,
}

/// Whether all mail scores otherwise than it did, labelled or not.
#[derive(Default)]
struct Drift {
    shift: Shift,
    /// The last time it did, and whether people were told.
    last: Option<Shifted>,
    told: bool,
}

/// Mail began to score otherwise than the mail before it: it has become other mail, or something else was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shifted {
    /// When.
    pub at: Timestamp,
    /// By how much: the population stability index of two spans of 2,000 messages; above 0.2 it is told.
    pub index: f64,
}

/// How the learner is, as nodes tell each other and people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningState {
    /// What was learnt.
    #[serde(flatten)]
    pub summary: learn::Summary,
    /// The last time all mail began to score otherwise.
    #[serde(default)]
    pub shifted: Option<Shifted>,
    /// When that was told.
    pub at: Timestamp,
}

/// The installation's key for what is seen of messages.
pub(crate) fn key(secret: &Secret<[u8; 32]>) -> Key {
    Key::new(secret.reveal())
}

/// A viewer as the service and the desk use it; the service recognises texts, too.
pub(crate) fn viewer(key: Key, limits: &Limits, text: bool) -> Viewer {
    let needs = Needs {
        content: true,
        text,
    };
    Viewer::new(key, Scope::default(), needs, limits.clone())
}

/// What the learner may see of a message beside its bytes.
pub(crate) fn letter<'m>(raw: &'m [u8], found: &'m Known<Authentication>) -> Letter<'m> {
    Letter {
        authentication: match found {
            Known::Yes(found) => Some(found),
            Known::Absent | Known::NotAsked | Known::Unavailable(_) => None,
        },
        ..Letter::found(raw)
    }
}

impl Learning {
    /// Looks at a message: what is thought of it, `None` while nobody has said anything yet.
    pub(crate) fn look(
        &self,
        raw: &[u8],
        found: &Known<Authentication>,
        envelope: &Envelope,
        settings: &PhaseSettings,
    ) -> (Looked, Option<Learnt>) {
        let sight = self.with_viewer(|viewer| {
            let mut letter = letter(raw, found);
            letter.arrival = Some(Arrival {
                at: envelope.received_at,
                source: viewer.source(letter.authentication, envelope.peer.ip),
            });
            viewer.see(&letter)
        });
        // Our own people's newsletters are theirs.
        let print = if envelope.direction == Direction::Inbound {
            Print::of(&self.key, &sight.text)
        } else {
            Print::default()
        };
        let course = self.course();
        let (opinion, mut learnt) = course.judge(&sight.seen, self.owner(envelope));
        // Our own people's mail is no campaign of anybody's.
        let asks = settings.chosen != Chosen::Content && envelope.direction == Direction::Inbound;
        let first = asks.then(|| course.first(&sight.seen)).flatten();
        learnt.phases = first
            .as_ref()
            .map(|first| self.components().take(first, &sight.arrival, settings));
        let learnt = (course.place() > 0).then_some(learnt);
        let looked = Looked {
            sight,
            print,
            opinion,
            counted: first.as_ref().map(Counted::of),
        };
        (looked, learnt)
    }

    /// The number of the one person a message from outside is for. One verdict holds for all who get a message, so what one of several wants is not asked.
    fn owner(&self, envelope: &Envelope) -> Option<u64> {
        let mut recipients = envelope.recipients.iter().map(Address::key);
        let one = recipients.next()?;
        let alone = recipients.all(|other| other == one);
        (alone && envelope.direction == Direction::Inbound).then(|| self.key.of_name(&one))
    }

    /// Counts a message to those with about the same text; what was known of them before.
    pub(crate) fn meet(&self, id: RecordId, looked: &Looked) -> Option<Campaign> {
        let noted = self
            .campaigns()
            .meet(id, looked.print.clone(), &looked.sight);
        if looked.print.exact.is_some() {
            self.outbox.put(|| Tiding::Looked {
                id,
                print: BASE64.encode(&looked.print.to_bytes()),
                source: looked.sight.arrival.source,
            });
        }
        if let Some(counted) = &looked.counted {
            self.outbox.put(|| Tiding::Counted {
                id,
                class: counted.class.clone(),
                tokens: BASE64.encode(&counted.to_bytes()),
                source: looked.sight.arrival.source,
            });
        }
        let mut waiting = self.waiting();
        if waiting.rows.members.len() < self.limits.sights_queue_max {
            waiting.rows.campaigns.extend(noted.row);
            waiting.rows.members.extend(noted.members);
        }
        noted.campaign
    }

    /// Counts a message that another node took in to those with about the same text.
    pub(crate) fn met_elsewhere(&self, id: RecordId, print: &[u8], source: u64) {
        let mut campaigns = self.campaigns();
        if !campaigns.knows(id) {
            campaigns.met_before(id, print, source);
        }
    }

    fn with_viewer<T>(&self, work: impl FnOnce(&mut Viewer) -> T) -> T {
        let viewers = || self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = viewers().pop();
        let mut viewer = kept.unwrap_or_else(|| viewer(self.key.clone(), &self.limits, true));
        let done = work(&mut viewer);
        let mut viewers = viewers();
        if viewers.len() < VIEWERS_KEPT {
            viewers.push(viewer);
        }
        done
    }

    /// The words that moved the opinion of a message that is held.
    pub(crate) fn words(
        &self,
        raw: &[u8],
        found: &Known<Authentication>,
        looked: &Looked,
    ) -> Vec<mail::learnt::Moved> {
        let named = self.with_viewer(|viewer| viewer.named(&letter(raw, found)));
        self.course().words(&looked.sight.seen, &named)
    }

    /// Takes in that a message was answered: what was seen of it waits for a label, people may be asked, traps and replies teach.
    pub(crate) fn came(
        &self,
        id: RecordId,
        facts: &Facts,
        verdict: &Verdict,
        fate: Fate,
        looked: &Looked,
    ) {
        let Looked {
            sight,
            print,
            opinion,
            ..
        } = looked;
        if let (Direction::Inbound, Some(probability)) =
            (facts.envelope.direction, opinion.probability)
        {
            self.follow_drift(probability);
        }
        let mut waiting = self.waiting();
        if waiting.rows.sights.len() >= self.limits.sights_queue_max {
            self.metrics.sights_dropped.inc();
            return;
        }
        let bytes = sight.seen.to_bytes();
        let sender = sources::visible_sender(facts);
        let question = waiting.day.asks(&facts.envelope, sender, id, opinion, fate);
        if let Some(why) = question {
            waiting.rows.questions.push(Question {
                record: id,
                why: why.to_owned(),
                probability: opinion.probability.unwrap_or(0.5),
            });
        }
        if let Some(trap) = self.trap_of(&facts.envelope) {
            waiting
                .rows
                .lessons
                .extend(sources::of_trap(id, facts, trap, opinion, &bytes));
        }
        if self.setup.replies {
            waiting
                .rows
                .replies
                .extend(sources::replied(facts, verdict, fate));
        }
        waiting.rows.sights.push(SightRow {
            record: id,
            seen: bytes,
            print: print.to_bytes(),
            source: sight.arrival.source as i64,
        });
    }

    /// Compares what mail scores with what it scored, whatever anybody says of it.
    fn follow_drift(&self, probability: f64) {
        let mut drift = self.drift();
        let Some(index) = drift.shift.add(probability) else {
            return;
        };
        self.metrics.scores_shift.set(index);
        if index > SHIFTED {
            drift.last = Some(Shifted { at: now(), index });
            drift.told = false;
        }
    }

    fn drift(&self) -> MutexGuard<'_, Drift> {
        // A panic in here leaves at worst one message uncounted.
        self.drift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trap_of(&self, envelope: &Envelope) -> Option<&Address> {
        let key_of = |of: &Address| of.key();
        let recipients: Vec<String> = envelope.recipients.iter().map(key_of).collect();
        self.setup
            .traps
            .iter()
            .find(|trap| recipients.contains(&trap.key()))
    }

    /// Reads the course; nobody waits for long behind whoever learns.
    fn course(&self) -> std::sync::RwLockReadGuard<'_, Course> {
        self.course.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn components(&self) -> MutexGuard<'_, Components> {
        // A panic in here leaves at worst a message half counted.
        self.components
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn campaigns(&self) -> MutexGuard<'_, Campaigns> {
        // A panic in here leaves at worst one message uncounted.
        self.campaigns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A panic in here leaves at worst a message out of what is asked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Day {
    fn new(number: i64, questions: u32, expected: u32) -> Self {
        Self {
            number,
            asker: Asker::new(questions - questions.div_ceil(EXPLORED_PART)),
            explorable: questions.div_ceil(EXPLORED_PART),
            senders: HashSet::new(),
            messages: 0,
            expected: expected.max(1),
        }
    }

    /// A new day begins with new questions.
    fn turn(&mut self, at: Timestamp, questions: u32) {
        let number = at.secs().div_euclid(DAY_SECS);
        if number != self.number {
            let seen = if self.messages > 0 {
                self.messages
            } else {
                self.expected
            };
            *self = Self::new(number, questions, seen);
        }
    }

    /// Is this message worth asking people about, and why?
    fn asks(
        &mut self,
        envelope: &Envelope,
        sender: Option<String>,
        id: RecordId,
        opinion: &Opinion,
        fate: Fate,
    ) -> Option<&'static str> {
        if envelope.direction != Direction::Inbound {
            return None;
        }
        let kept_from_people = match fate {
            Fate::Quarantined | Fate::Discarded => true,
            Fate::Delivered => false,
            // Nobody here has it, and nobody can say what it was.
            Fate::Rejected | Fate::Deferred | Fate::Failed | Fate::Unscanned => return None,
        };
        self.messages = self.messages.saturating_add(1);
        let left = self.expected.saturating_sub(self.messages).max(1);
        let sender = sender.unwrap_or_default();
        if self.senders.contains(&sender) {
            return None;
        }
        let by_chance = id.chance().is_multiple_of(EXPLORED_OF);
        let why = if let Some(why) = self.asker.asks(opinion, left) {
            match why {
                Why::Unsure => "unsure",
                Why::Chance => "chance",
            }
        } else if kept_from_people && by_chance && self.explorable > 0 {
            self.explorable -= 1;
            "explored"
        } else {
            return None;
        };
        self.senders.insert(sender);
        Some(why)
    }
}

impl Rows {
    /// What could not be written waits before what came meanwhile.
    fn put_back(&mut self, older: Self) {
        let newer = std::mem::replace(self, older);
        self.sights.extend(newer.sights);
        self.campaigns.extend(newer.campaigns);
        self.members.extend(newer.members);
        self.questions.extend(newer.questions);
        self.lessons.extend(newer.lessons);
        self.replies.extend(newer.replies);
    }
}

impl Waiting {
    fn new(questions: u32) -> Self {
        let today = now().secs().div_euclid(DAY_SECS);
        Self {
            rows: Rows::default(),
            day: Day::new(today, questions, DAY_EXPECTED),
        }
    }
}
