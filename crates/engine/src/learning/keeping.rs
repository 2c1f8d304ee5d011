//! The model and the log: read at the start, followed once a second, folded when it has become old.
//!
//! What the log says is durable before anything is learnt from it, so a process that dies loses nothing of what people said; its file only spares it the
//! reading. Sights and questions of the last second may be lost.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use judge::policy::PhaseSettings;
use learn::prints::QUIET_SECS;
use learn::{Course, Key, Label, Lesson, Said, Seen, Trust};
use mail::Limits;
use store::{LessonFilter, LessonRow, NewLesson, Store, StoreError};

use super::campaigns::Campaigns;
use super::gate::{GATED, Gate};
use super::phases::Components;
use super::trail::Trail;
use super::{LearnSetup, Learning, LearningState, Rows, Waiting};
use crate::clock::now;
use crate::files::put_in_place;
use crate::metrics::Metrics;
use crate::nodes::Outbox;

/// Where nodes tell how the learner is.
const STATE: &str = "learning:state";
/// Lessons are folded a week at a time: what is written then is a whole model.
const FOLD_DAYS: i64 = 7;
const DAY_SECS: i64 = 86_400;
/// Prints read at the start.
const PRINTS_MAX: u32 = 20_000;
/// How far back, and how much of what was said, campaigns are told.
const SAID_DAYS: i64 = 7;
const SAID_MAX: u32 = 20_000;
/// Who takes back what the gate does not let in.
pub(crate) const GATE: &str = "mailvigil gate";

impl Learning {
    /// Goes on where the last process stopped: from the file, and from the log behind it.
    pub(crate) async fn start(
        store: &Store,
        setup: LearnSetup,
        phases: &PhaseSettings,
        limits: &Limits,
        metrics: Arc<Metrics>,
        outbox: Arc<Outbox>,
    ) -> Result<Self, StoreError> {
        let key = super::key(&store.secret("learn").await?);
        let kept = match setup.file.clone() {
            Some(path) => {
                let key = key.clone();
                let read = tokio::task::spawn_blocking(move || read(&path, &key)).await;
                read.unwrap_or_default()
            }
            None => None,
        };
        let questions = setup.questions_per_day;
        let trail = Trail::beside(setup.file.clone());
        let campaign_key = key.clone();
        let components_key = key.clone();
        let learning = Self {
            key,
            setup,
            limits: limits.clone(),
            course: RwLock::new(kept.unwrap_or_default()),
            viewers: Mutex::default(),
            waiting: Mutex::new(Waiting::new(questions)),
            gate: Mutex::new(Gate::default()),
            campaigns: Mutex::new(Campaigns::new(campaign_key)),
            drift: Mutex::default(),
            components: Mutex::new(Components::new(components_key)),
            written: AtomicI64::new(0),
            trail: Arc::new(Mutex::new(trail)),
            metrics,
            outbox,
        };
        // The file may be of a log that is not there any more: a database that was put back, or another one.
        let known = store
            .last_lesson()
            .await?
            .max(store.lesson_base_place().await?);
        let place = learning.course().place();
        if place > known {
            locked(&learning.trail).forget_from(0);
            learning.learn_anew(store, None).await?;
        } else {
            let ham = last_wanted(store).await?;
            learning.gate().fill(ham.into_iter(), &learning.course());
        }
        learning.catch_up(store).await?;
        learning.recall_campaigns(store).await?;
        learning.recall_phases(store, phases).await?;
        Ok(learning)
    }

    /// Writes what waits, and learns what was said. What cannot be written waits on.
    pub(crate) async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let questions = self.setup.questions_per_day;
        let waiting = {
            let mut waiting = self.waiting();
            waiting.day.turn(now(), questions);
            std::mem::take(&mut waiting.rows)
        };
        if let Err(error) = self.enter(store, &waiting).await {
            self.waiting().rows.put_back(waiting);
            return Err(error);
        }
        self.catch_up(store).await?;
        let untold = {
            let drift = self.drift();
            drift.last.is_some() && !drift.told
        };
        if untold {
            self.tell(store).await?;
            self.drift().told = true;
        }
        Ok(())
    }

    async fn enter(&self, store: &Store, rows: &Rows) -> Result<(), StoreError> {
        store.keep_sights(&rows.sights).await?;
        store.keep_campaigns(&rows.campaigns, &rows.members).await?;
        store.ask(&rows.questions).await?;
        let mut lessons = rows.lessons.clone();
        lessons.extend(self.of_replies(store, &rows.replies).await?);
        if !lessons.is_empty() {
            store.add_lessons(&lessons, None).await?;
        }
        Ok(())
    }

    /// Takes the lessons behind the place it stands at.
    async fn catch_up(&self, store: &Store) -> Result<(), StoreError> {
        let start = self.course().place();
        if store.lesson_base_place().await? > start {
            return self.learn_anew(store, None).await;
        }
        loop {
            let place = self.course().place();
            let rows = store.lessons_after(place).await?;
            if rows.is_empty() {
                break;
            }
            if rows.iter().any(|row| row.lesson.takes_back.is_some()) {
                return self.learn_anew(store, Some(place)).await;
            }
            self.take(store, &rows).await?;
        }
        let moved = self.course().place() != start;
        if moved {
            self.tell(store).await?;
        }
        Ok(())
    }

    /// Takes a batch, and asks the gate about what users reported in it.
    async fn take(&self, store: &Store, rows: &[LessonRow]) -> Result<(), StoreError> {
        let reported: Vec<i64> = rows
            .iter()
            .filter(|row| is_report(row))
            .map(|row| row.seq)
            .collect();
        {
            let mut course = self.course.write().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                take(&mut course, &self.key, row);
            }
        }
        {
            let mut campaigns = self.campaigns();
            for row in rows {
                if let Some(record) = row.lesson.record {
                    campaigns.say(record, said(&row.lesson));
                }
            }
        }
        let more = self.pass_gate(rows);
        self.refuse(store, more, reported).await
    }

    /// Takes back what users reported, when it did harm: every node finds that in the log.
    async fn refuse(
        &self,
        store: &Store,
        more: usize,
        reported: Vec<i64>,
    ) -> Result<(), StoreError> {
        if more == 0 || reported.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            "{} labels by users are taken back: after them {more} more of the last wanted messages look unwanted",
            reported.len()
        );
        let back: Vec<NewLesson> = reported
            .into_iter()
            .map(|seq| NewLesson {
                at: now(),
                source: "gate".to_owned(),
                who: GATE.to_owned(),
                takes_back: Some(seq),
                ..NewLesson::default()
            })
            .collect();
        store.add_lessons(&back, None).await?;
        Ok(())
    }

    /// Knows campaigns again: from prints the store keeps, and from what was said of messages lately.
    async fn recall_campaigns(&self, store: &Store) -> Result<(), StoreError> {
        let since = now().plus_secs(-QUIET_SECS);
        let prints = store.prints_since(since, PRINTS_MAX).await?;
        {
            let mut campaigns = self.campaigns();
            for (id, print, source) in prints {
                campaigns.met_before(id, &print, source as u64);
            }
        }
        self.say_again(store).await
    }

    /// Tells campaigns what was said of their messages, and still stands.
    async fn say_again(&self, store: &Store) -> Result<(), StoreError> {
        let filter = LessonFilter {
            since: Some(now().plus_secs(-SAID_DAYS * DAY_SECS)),
            standing: true,
            limit: SAID_MAX,
            ..LessonFilter::default()
        };
        let lessons = store.lessons(&filter).await?;
        let mut campaigns = self.campaigns();
        campaigns.forget_labels();
        for lesson in lessons.iter().rev() {
            if let Some(record) = lesson.record {
                campaigns.say(record, word(&lesson.label, &lesson.trust, false));
            }
        }
        Ok(())
    }

    /// How many more wanted messages look unwanted after these lessons.
    fn pass_gate(&self, rows: &[LessonRow]) -> usize {
        let mut gate = self.gate();
        let course = self.course();
        let more = gate.more_hit(&course);
        for seen in rows.iter().filter_map(trusted_ham) {
            gate.add(seen);
        }
        // What was just added counts from now on.
        gate.more_hit(&course);
        more
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // A panic in here leaves at worst a message uncounted.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns anew without what was taken back: what came behind the first lesson that is, where an earlier state is kept, or else the whole log. Messages
    /// are judged by the old model meanwhile. What came behind `since` passes the gate, where the old model is one to compare with.
    async fn learn_anew(&self, store: &Store, since: Option<i64>) -> Result<(), StoreError> {
        let upto = store.last_lesson().await?;
        let first = match since {
            Some(since) => store.first_taken_back(since).await?,
            None => None,
        };
        let start = match first {
            Some(first) => self.state_before(store, first).await?,
            None => None,
        };
        let start = match start {
            Some(course) => course,
            None => base(store, &self.key).await?,
        };
        let anew = course_of(store, &self.key, start, upto, since.unwrap_or(i64::MAX)).await?;
        self.metrics.lessons_relearnt.inc_by(anew.taken);
        let ham = last_wanted(store).await?;
        let more = {
            let mut gate = self.gate();
            gate.fill(ham.into_iter(), &self.course());
            let more = gate.more_hit(&anew.course);
            if since.is_some_and(|since| since > 0) {
                more
            } else {
                0
            }
        };
        *self.course.write().unwrap_or_else(PoisonError::into_inner) = anew.course;
        if let Some(first) = first {
            locked(&self.trail).forget_from(first);
        }
        self.refuse(store, more, anew.reported).await?;
        self.say_again(store).await?;
        self.tell(store).await
    }

    /// The latest state kept that does not know a lesson.
    async fn state_before(&self, store: &Store, first: i64) -> Result<Option<Course>, StoreError> {
        let from = store.lesson_base_place().await?;
        let (trail, key) = (self.trail.clone(), self.key.clone());
        let read = tokio::task::spawn_blocking(move || locked(&trail).before(first, from, &key));
        Ok(read.await.unwrap_or_default())
    }

    /// Tells people and other nodes how the learner is.
    async fn tell(&self, store: &Store) -> Result<(), StoreError> {
        // Another node may have seen it later, or this one before it was started again.
        let before = told(store).await?.and_then(|state| state.shifted);
        let here = self.drift().last;
        let state = LearningState {
            summary: self.course().summary(),
            shifted: before.into_iter().chain(here).max_by_key(|one| one.at),
            at: now(),
        };
        self.metrics.lessons.set(state.summary.place);
        store
            .set_state(STATE, &serde_json::to_string(&state)?)
            .await
    }

    /// Replaces lessons that are older than `days` by what was learnt from them.
    pub(crate) async fn fold(&self, store: &Store, days: u32) -> Result<(), StoreError> {
        let before = |days: i64| now().plus_secs(-days * DAY_SECS);
        let days = i64::from(days);
        if store
            .last_lesson_before(before(days + FOLD_DAYS))
            .await?
            .is_none()
        {
            return Ok(());
        }
        let Some(upto) = store.last_lesson_before(before(days)).await? else {
            return Ok(());
        };
        let start = base(store, &self.key).await?;
        let anew = course_of(store, &self.key, start, upto, i64::MAX).await?;
        let key = self.key.clone();
        let bytes = tokio::task::spawn_blocking(move || anew.course.to_bytes(&key)).await;
        let bytes =
            bytes.map_err(|_| StoreError::Unavailable("writing the model failed".to_owned()))?;
        store.fold_lessons(upto, now(), &bytes).await
    }

    /// Writes the model to its file, all of it or nothing.
    pub(crate) async fn write(&self) -> std::io::Result<()> {
        let Some(path) = self.setup.file.clone() else {
            return Ok(());
        };
        if self.written.load(Ordering::Relaxed) == self.course().place() {
            return Ok(());
        }
        let turn = locked(&self.trail).turn();
        let (course, key) = (self.course().clone(), self.key.clone());
        let place = course.place();
        let written = tokio::task::spawn_blocking(move || {
            put_in_place(&path, |out| out.write_all(&course.to_bytes(&key)))
        });
        written.await.unwrap_or_else(|_| {
            Err(std::io::Error::other(
                "writing it failed inside the program",
            ))
        })?;
        self.written.store(place, Ordering::Relaxed);
        locked(&self.trail).leave(place, turn)
    }
}

/// How the learner is, as the node that learnt last told.
pub(crate) async fn told(store: &Store) -> Result<Option<LearningState>, StoreError> {
    let told = store.state(STATE).await?;
    Ok(told.map(|told| serde_json::from_str(&told)).transpose()?)
}

fn locked(trail: &Mutex<Trail>) -> MutexGuard<'_, Trail> {
    // A panic in here leaves at worst a state that is checked again before it is used.
    trail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What follows from the log.
struct Anew {
    course: Course,
    /// Lessons taken for it.
    taken: u64,
    /// Places of what users reported behind some place.
    reported: Vec<i64>,
}

/// What was learnt from lessons that are not kept any more.
async fn base(store: &Store, key: &Key) -> Result<Course, StoreError> {
    Ok(match store.lesson_base().await? {
        None => Course::new(),
        Some((place, body)) => Course::from_bytes(&body, key).unwrap_or_else(|error| {
            // Mail must flow: what is lost can be taught again.
            tracing::error!(
                "what was learnt up to lesson {place} cannot be read and is forgotten: {error}"
            );
            let mut course = Course::new();
            course.skip_to(place);
            course
        }),
    })
}

/// The messages trusted people called wanted last and still do, the oldest first.
async fn last_wanted(store: &Store) -> Result<Vec<Seen>, StoreError> {
    let ham = store.last_wanted(GATED).await?;
    let ham = ham.iter().rev();
    Ok(ham.filter_map(|seen| Seen::from_bytes(seen)).collect())
}

/// What follows from the log behind a start and up to a place, without what was taken back by any row there is.
async fn course_of(
    store: &Store,
    key: &Key,
    start: Course,
    upto: i64,
    since: i64,
) -> Result<Anew, StoreError> {
    let mut course = start;
    let mut reported = Vec::new();
    let mut taken = 0;
    let taken_back = store.taken_back(i64::MAX).await?;
    loop {
        let rows = store.lessons_after(course.place()).await?;
        let rows: Vec<LessonRow> = rows.into_iter().filter(|row| row.seq <= upto).collect();
        let Some(last) = rows.last().map(|row| row.seq) else {
            break;
        };
        let standing: Vec<LessonRow> = rows
            .into_iter()
            .filter(|row| !taken_back.contains(&row.seq))
            .collect();
        let newer = standing
            .iter()
            .filter(|row| row.seq > since && is_report(row));
        reported.extend(newer.map(|row| row.seq));
        taken += standing.len() as u64;
        let key = key.clone();
        let taught = tokio::task::spawn_blocking(move || {
            for row in &standing {
                take(&mut course, &key, row);
            }
            course.skip_to(last);
            course
        });
        course = taught.await.map_err(|_| {
            StoreError::Unavailable("learning failed inside the program".to_owned())
        })?;
    }
    Ok(Anew {
        course,
        taken,
        reported,
    })
}

/// Takes one lesson; one without anything to learn from only moves on.
fn take(course: &mut Course, key: &Key, row: &LessonRow) {
    let lesson = &row.lesson;
    let seen = lesson.seen.as_deref().and_then(Seen::from_bytes);
    let (Some(seen), None) = (seen, lesson.takes_back) else {
        course.skip_to(row.seq);
        return;
    };
    // Only people who look after mail may teach as much as they like.
    let bounded = lesson.trust != "trusted" || matches!(lesson.source.as_str(), "trap" | "reply");
    // A trap speaks for nobody, and who looks after mail speaks for all.
    let own = lesson.trust != "trusted" || lesson.source == "reply";
    let who = key.of_name(&lesson.who);
    let said = Said {
        at: lesson.at,
        lesson: said(lesson),
        class: lesson.class.as_str(),
        reporter: bounded.then_some(who),
        owner: own.then_some(who),
    };
    course.take(row.seq, &seen, &said);
}

fn said(lesson: &NewLesson) -> Lesson {
    word(&lesson.label, &lesson.trust, lesson.chosen)
}

fn word(label: &str, trust: &str, chosen: bool) -> Lesson {
    Lesson {
        label: if label == "unwanted" {
            Label::Spam
        } else {
            Label::Ham
        },
        trust: if trust == "trusted" {
            Trust::Trusted
        } else {
            Trust::Reported
        },
        chosen,
    }
}

fn is_report(row: &LessonRow) -> bool {
    row.lesson.trust == "reported" && row.lesson.seen.is_some()
}

fn trusted_ham(row: &LessonRow) -> Option<Seen> {
    let lesson = &row.lesson;
    let wanted =
        lesson.takes_back.is_none() && lesson.label == "wanted" && lesson.trust == "trusted";
    wanted.then(|| lesson.seen.as_deref().and_then(Seen::from_bytes))?
}

/// Reads the file; one that cannot be used is told and passed over, because the log says everything.
fn read(path: &Path, key: &Key) -> Option<Course> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(
                "{} cannot be read, the log is learnt anew: {error}",
                path.display()
            );
            return None;
        }
    };
    match Course::from_bytes(&bytes, key) {
        Ok(course) => Some(course),
        Err(error) => {
            tracing::warn!(
                "{} is passed over, the log is learnt anew: {error}",
                path.display()
            );
            None
        }
    }
}
