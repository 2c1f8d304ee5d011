//! The life of a message: gather → judge → promise → answer → learn.
//!
//! [`Engine::question`] is the one door for messages, [`Engine::recipient`] for the earlier question about
//! one recipient. Whatever fails of ours, the answer is the one the operator chose ([`OnFailure`]),
//! counted and recorded; it is never an error of the caller's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use documents::Pool;
use judge::{Arrival, Ledger};
use mail::{
    Action, Address, Authentication, Direction, Domain, Envelope, Facts, Fate, File, Known, Level,
    Limits, Message, Reason, Record, RecordId, Site, Verdict, WindowFact,
};
use store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use crate::StartError;
use crate::answer::{Abilities, Changes, Course, Plan, Reply, Text};
use crate::authenticity::Authenticity;
use crate::door::Doors;
use crate::fence::{LONG_BYTES, aside, guarded};
use crate::learning::{LearnSetup, Learning, Looked};
use crate::mark::{self, Marker};
use crate::metrics::{FailureLabels, MessageLabels, Metrics};
use crate::nodes::{Line, Outbox, Tiding};
use crate::own::Pass;
use crate::policy::{Active, PolicyInForce};
use crate::recorder::Recorder;
use crate::reports::inbound::{Inbox, carried};
use crate::reports::sessions::Counting;
use crate::standing::Standings;
use crate::watching::{WatchSetup, Watching, message};

/// Records kept for those who follow and are a little slow.
const LIVE_MAX: usize = 256;

/// What to answer when we cannot judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Let it pass: mail flows as on a server without us.
    Accept,
    /// Ask to come back later: nothing passes unjudged.
    #[default]
    Tempfail,
}

/// What the engine needs to know that is not policy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is ours.
    pub site: Site,
    /// Every limit on outside input.
    pub limits: Limits,
    /// The answer when we cannot judge.
    pub on_failure: OnFailure,
    /// This process's name among several.
    pub node: String,
    /// What is set up about senders: verification, signing, sealing.
    pub authenticity: Arc<Authenticity>,
    /// Mailboxes our domains name for reports about them: what comes there is kept.
    pub report_inbox: Vec<Address>,
    /// Domains whose feedback reports count as complaints about our accounts.
    pub complaints_from: Vec<Domain>,
    /// What the watch needs to know.
    pub watch: WatchSetup,
    /// What the learner needs to know.
    pub learn: LearnSetup,
    /// Over what the nodes of this installation hear each other; `None` is a node that is alone.
    pub hub: Option<hub::Place>,
    /// Can this node call delivered mail back?
    pub recalls: bool,
}

/// One message to judge.
#[derive(Debug)]
pub struct Question {
    /// Who hands over what to whom; its direction is set here.
    pub envelope: Envelope,
    /// The message, byte for byte.
    pub raw: Vec<u8>,
    /// Set when the door could not take the message in, and `raw` is therefore empty.
    pub not_read: Option<NotRead>,
    /// What the asking server can carry out.
    pub abilities: Abilities,
}

/// A message the door could not take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRead {
    /// Its size all the same.
    pub size_bytes: u64,
    /// Why, with the limit.
    pub why: String,
}

/// Why a recipient is not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// [`Action::Reject`] or [`Action::Defer`].
    pub action: Action,
    /// What the sending side is told.
    pub text: Text,
    /// The rule, with its evidence.
    pub reason: Reason,
}

/// The answer to a [`Question`].
#[derive(Debug)]
pub struct Answer {
    /// What the server is told.
    pub reply: Reply,
    /// The record's name, for log lines.
    pub record: RecordId,
    /// The verdict, when there is one.
    pub verdict: Option<Arc<Verdict>>,
    /// What became of it.
    pub fate: Fate,
}

/// Why a message could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the store did not keep it: {0}")]
    Store(#[from] StoreError),
    #[error("judging took longer than {0} ms (limits.deadline_ms)")]
    Deadline(u64),
    #[error("{}", .0.why)]
    NotRead(NotRead),
    #[error("judging it failed inside the program (a bug; please report it)")]
    Bug,
}

impl Failure {
    const fn label(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Deadline(_) => "deadline",
            Self::NotRead(_) => "not-read",
            Self::Bug => "bug",
        }
    }
}

/// The service without sockets.
pub struct Engine {
    settings: ArcSwap<Settings>,
    pub(crate) store: Store,
    policy: PolicyInForce,
    windows: Mutex<Ledger>,
    pub(crate) standings: Arc<Standings>,
    report_inbox: Inbox,
    pub(crate) counting: Counting,
    watching: Arc<Watching>,
    learning: Arc<Learning>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) line: Option<Line>,
    pub(crate) marker: Marker,
    pub(crate) canaries: Marker,
    pub(crate) digests: Marker,
    pub(crate) recorder: Recorder,
    metrics: Arc<Metrics>,
    readers: Arc<Pool>,
    live: broadcast::Sender<Arc<Record>>,
    doors: Doors,
}

/// What one message is answered by, while it is under way.
pub(crate) struct UnderWay {
    pub(crate) id: RecordId,
    started: Instant,
    pub(crate) envelope: Envelope,
    pub(crate) raw: Arc<[u8]>,
    abilities: Abilities,
    settings: Arc<Settings>,
}

/// A message read and judged.
struct Judged {
    facts: Facts,
    verdict: Verdict,
    /// What the learner saw, where it was asked.
    looked: Option<Looked>,
}

impl Engine {
    /// Puts the parts together: policy from the store (the shipped one at the first start), windows
    /// refilled from the records of the last hours.
    pub async fn start(
        settings: Settings,
        store: Store,
        metrics: Arc<Metrics>,
        readers: Arc<Pool>,
    ) -> Result<Arc<Self>, StartError> {
        let line = match &settings.hub {
            Some(place) => Some(Line::open(place, &store).await?),
            None => None,
        };
        let outbox = Outbox::new(line.is_some(), &settings.limits, metrics.clone());
        let policy = PolicyInForce::load(&store, &settings.limits, metrics.clone()).await?;
        let marker = Marker::new(store.secret("release-mark").await?);
        let canaries = Marker::for_canaries(store.secret("canary-mark").await?);
        let digests = Marker::for_digests(store.secret("digest-mark").await?);
        let recorder = Recorder::start(
            store.clone(),
            settings.limits.record_queue_max,
            metrics.clone(),
        );
        let windows =
            crate::windows::refill(&store, &policy.now().policy, &settings.limits).await?;
        let standing = policy.now().policy.standing().clone();
        let standings = Standings::start(&store, &standing, &settings.limits).await?;
        let watching = Watching::start(
            &store,
            settings.watch.clone(),
            &settings.limits,
            metrics.clone(),
            outbox.clone(),
        )
        .await?;
        let learning = Learning::start(
            &store,
            settings.learn.clone(),
            &policy.now().policy.learning().phases,
            &settings.limits,
            metrics.clone(),
            outbox.clone(),
        )
        .await?;
        Ok(Arc::new(Self {
            standings: Arc::new(standings),
            report_inbox: Inbox::default(),
            counting: Counting::default(),
            watching: Arc::new(watching),
            learning: Arc::new(learning),
            outbox,
            line,
            settings: ArcSwap::from_pointee(settings),
            store,
            policy,
            windows: Mutex::new(windows),
            marker,
            canaries,
            digests,
            recorder,
            metrics,
            readers,
            live: broadcast::Sender::new(LIVE_MAX),
            doors: Doors::default(),
        }))
    }

    /// The doors of this node.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Takes over what is ours and what is answered on failure, for the next message. The limits and the name stay: they
    /// have sized what is running.
    pub fn change_settings(&self, site: Site, on_failure: OnFailure) {
        let old = self.settings();
        self.settings.store(Arc::new(Settings {
            site,
            on_failure,
            limits: old.limits.clone(),
            node: old.node.clone(),
            authenticity: old.authenticity.clone(),
            report_inbox: old.report_inbox.clone(),
            complaints_from: old.complaints_from.clone(),
            watch: old.watch.clone(),
            learn: old.learn.clone(),
            hub: old.hub.clone(),
            recalls: old.recalls,
        }));
    }

    /// What users do, as this node knows it.
    pub const fn watching(&self) -> &Arc<Watching> {
        &self.watching
    }

    /// What people have said of mail, as this node learnt it.
    pub const fn learning(&self) -> &Arc<Learning> {
        &self.learning
    }

    /// The store behind it.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Its numbers.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The records on their way to the store.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What is recorded from now on, without facts, as it happens. Who is too slow misses some, and is told how many.
    pub fn live(&self) -> broadcast::Receiver<Arc<Record>> {
        self.live.subscribe()
    }

    /// Tells those who follow.
    pub(crate) fn tell(&self, record: &Record) {
        if self.live.receiver_count() > 0 {
            let mut told = record.clone();
            told.facts = None;
            // Everybody may have left meanwhile.
            let _ = self.live.send(Arc::new(told));
        }
    }

    /// The policy in force.
    pub const fn policy(&self) -> &PolicyInForce {
        &self.policy
    }

    /// May this recipient be taken? `None` is yes. Asked before there is a message text.
    pub fn recipient(&self, envelope: &Envelope, recipient: &Address) -> Option<Refusal> {
        let active = self.policy.now();
        let settings = self.settings();
        let site = &settings.site;
        let mut asked = envelope.clone();
        asked.recipients = vec![recipient.clone()];
        asked.direction = site.direction(&asked);
        let windows = self.windows().read(&asked, asked.received_at);
        let (action, reason) =
            judge::judge_recipient(&asked, recipient, &windows, site, &active.policy)?;
        self.metrics.recipients_refused.inc();
        let text = reply_text(&active, &action, None);
        tracing::info!(
            "recipient refused by {}: see the rule's counts with `mailvigil policy show`",
            reason.name
        );
        Some(Refusal {
            action,
            text,
            reason,
        })
    }

    /// Judges one message. What the answer promises is durable when this returns.
    pub async fn question(&self, question: Question) -> Answer {
        let started = Instant::now();
        let Question {
            mut envelope,
            raw,
            not_read,
            abilities,
        } = question;
        let settings = self.settings();
        envelope.direction = settings.site.direction(&envelope);
        let size = not_read
            .as_ref()
            .map_or(raw.len() as u64, |not_read| not_read.size_bytes);
        let id = RecordId::random(envelope.received_at);
        let way = UnderWay {
            id,
            started,
            envelope,
            raw: raw.into(),
            abilities,
            settings,
        };
        let deadline = way.settings.limits.deadline_ms;
        let decide = self.decide(&way, not_read);
        let decided = match tokio::time::timeout(Duration::from_millis(deadline), decide).await {
            Ok(decided) => decided,
            Err(_) => Err(Failure::Deadline(deadline)),
        };
        let answer = decided.unwrap_or_else(|failure| self.fail(&way, size, &failure));
        self.metrics
            .answer_seconds
            .observe(started.elapsed().as_secs_f64());
        answer
    }

    async fn decide(&self, way: &UnderWay, not_read: Option<NotRead>) -> Result<Answer, Failure> {
        if let Some(not_read) = not_read {
            return Err(Failure::NotRead(not_read));
        }
        let (message, files, marks) = self.read(way).await?;
        if self.is_canary(&message) {
            return self.discard_canary(way, message).await;
        }
        if self.is_digest(&message).await? {
            return Ok(self.pass_digest(way, message));
        }
        let refused_mark = match self.released(way, &marks).await? {
            Pass::Released(item) => return Ok(self.pass(way, message, item, marks)),
            Pass::Refused(why) => Some(why),
            Pass::NoMark => None,
        };
        let (message, authentication) = self.look_into(way, message, files).await;
        let active = self.policy.now();
        let judged = self
            .judge(way, &active, message, authentication, refused_mark)
            .await?;
        let report = carried(&judged.facts, &judged.verdict, &way.settings);
        let sent = message::sent(&judged.facts, &way.settings.site);
        let answer = self.promise(way, &active, judged, &marks).await?;
        self.watching
            .tell_message(way.id, &way.envelope, sent, answer.fate);
        if let Some(carried) = report {
            let limits = way.settings.limits.clone();
            let (store, watching) = (self.store.clone(), self.watching.clone());
            self.report_inbox
                .take(store, watching, way.raw.clone(), carried, limits);
        }
        Ok(answer)
    }

    /// Reads the message, and counts the header fields that only we may write.
    async fn read(&self, way: &UnderWay) -> Result<(Message, Vec<File>, Vec<String>), Failure> {
        let (raw, settings) = (way.raw.clone(), way.settings.clone());
        let read = move || Message::read_with_files(&raw, &settings.limits);
        let (message, files) = guarded(way.raw.len(), read).await?;
        let marks = message
            .headers_named(mark::HEADER)
            .map(str::to_owned)
            .collect();
        Ok((message, files, marks))
    }

    /// Has documents, archives and pictures read, and finds out who sent the message, side by side. What a reader does not
    /// survive is a finding of the message, what DNS does not tell is a fact.
    async fn look_into(
        &self,
        way: &UnderWay,
        message: Message,
        files: Vec<File>,
    ) -> (Message, Known<Authentication>) {
        let settings = &way.settings;
        self.metrics.documents.inc_by(files.len() as u64);
        let message = Arc::new(message);
        let verified = verify(way, message.clone());
        let read = self.readers.readings(&message, files);
        let (authentication, readings) = tokio::join!(verified, read);
        let mut message = Arc::unwrap_or_clone(message);
        self.metrics.reader_deaths.set(self.readers.deaths() as i64);
        for (part, reading) in readings {
            message.attach(part, reading, &settings.limits);
        }
        (message, authentication)
    }

    async fn judge(
        &self,
        way: &UnderWay,
        active: &Arc<Active>,
        message: Message,
        authentication: Known<Authentication>,
        refused_release_mark: Option<String>,
    ) -> Result<Judged, Failure> {
        let envelope = way.envelope.clone();
        let settings = way.settings.clone();
        let windows = self.count(&envelope, message.size_bytes);
        let conduct = self.watching.conduct_of(&envelope);
        let site = &settings.site;
        // Of whom we know no machine we cannot say that it is a stranger who wants us to relay.
        let relayed_recipients = if site.is_ours(&envelope) || envelope.peer.untold {
            Vec::new()
        } else {
            envelope
                .recipients
                .iter()
                .filter(|to| site.is_foreign(to))
                .cloned()
                .collect()
        };
        let (active, raw, standings) = (active.clone(), way.raw.clone(), self.standings.clone());
        let (learning, id) = (self.learning.clone(), way.id);
        guarded(raw.len(), move || {
            let asks = active.policy.learning();
            let looked = asks
                .enabled
                .then(|| learning.look(&raw, &authentication, &envelope, &asks.phases));
            let (looked, learnt) = looked.unzip();
            let campaign = looked.as_ref().and_then(|looked| learning.meet(id, looked));
            let mut hits = active.policy.scan(&message);
            hits.extend(active.policy.scan_imported(&message, &raw, &envelope));
            let mut facts = Facts {
                relayed_recipients,
                windows,
                hits,
                authentication,
                conduct,
                learnt: learnt.flatten(),
                campaign,
                refused_release_mark,
                ..Facts::new(envelope, message)
            };
            let judge =
                |facts: &Facts| judge::judge(facts, &settings.site, &active.policy, active.version);
            let mut verdict = judge(&facts);
            // Standing asks whether it looks like spam (R4.40), so it comes after a first verdict.
            let suspect = verdict.level > Level::Ordinary;
            if standings.rule(&mut facts, suspect, active.policy.standing()) {
                verdict = judge(&facts);
            }
            standings.count(&facts, suspect, &verdict);
            // Only what is held is kept with its words, and finding them costs more than judging.
            let held = verdict
                .outcomes
                .iter()
                .any(|one| one.action == Action::Quarantine);
            if let (true, Some(looked), Some(learnt)) = (held, &looked, &mut facts.learnt) {
                learnt.words = learning.words(&raw, &facts.authentication, looked);
                verdict = judge(&facts);
            }
            Judged {
                facts,
                verdict,
                looked,
            }
        })
        .await
    }

    /// Counts the message in the windows of its peer, sender and recipients, and reads them.
    fn count(&self, envelope: &Envelope, size_bytes: u64) -> Vec<WindowFact> {
        let arrival = Arrival::new(envelope, size_bytes);
        self.outbox.put(|| Tiding::Arrived(arrival.clone()));
        let mut windows = self.windows();
        windows.apply(&arrival);
        windows.read(envelope, envelope.received_at)
    }

    pub(crate) fn windows(&self) -> MutexGuard<'_, Ledger> {
        // A panic while counting leaves at worst one count undone; the windows stay usable.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the metric that is looked up rather than counted.
    pub fn count_window_keys(&self) {
        self.metrics.window_keys.set(self.windows().len() as i64);
    }

    /// Returns when somebody on this node has put a policy in force.
    pub async fn policy_changed(&self) {
        self.store.policy_changed().await;
    }

    /// Takes over a newer policy; when it asks about other windows they are filled anew from the records.
    pub async fn refresh_policy(&self) -> Result<bool, StoreError> {
        let changed = self.policy.refresh(&self.store).await?;
        let policy = &self.policy.now().policy;
        if changed && self.windows().spans() != policy.spans() {
            let windows =
                crate::windows::refill(&self.store, policy, &self.settings().limits).await?;
            *self.windows() = windows;
        }
        Ok(changed)
    }

    /// Makes durable what the answer will promise, then gives the answer.
    async fn promise(
        &self,
        way: &UnderWay,
        active: &Active,
        judged: Judged,
        marks: &[String],
    ) -> Result<Answer, Failure> {
        let Judged {
            facts,
            verdict,
            looked,
        } = judged;
        let plan = Plan::new(&verdict, way.abilities);
        if let Some(looked) = &looked {
            self.learning
                .came(way.id, &facts, &verdict, plan.fate, looked);
        }
        // Signing hashes all of it.
        let changes = aside(way.raw.len(), || {
            changes(active, &facts, &verdict, way, marks)
        });
        let mut record = record_of(way, facts, plan.fate);
        record.note = plan.note.clone();
        record.verdict = Some(verdict.clone());
        if plan.fate != Fate::Quarantined {
            without_quotes(&mut record);
        }
        let mut id = record.id;
        self.tell(&record);
        let at_server = plan.held.len() == verdict.outcomes.len()
            && active.policy.holds_at_server()
            && way.abilities.hold;
        match plan.fate {
            Fate::Quarantined if at_server => {
                record.note = Some(
                    "held in the mail server's own queue; release it there (postsuper -H)"
                        .to_owned(),
                );
                self.store.write(std::slice::from_ref(&record)).await?;
            }
            Fate::Quarantined => {
                id = self
                    .store
                    .hold(&record, way.raw.clone(), &plan.held)
                    .await?
                    .id;
            }
            Fate::Discarded => self.store.write(std::slice::from_ref(&record)).await?,
            Fate::Delivered | Fate::Rejected | Fate::Deferred | Fate::Failed | Fate::Unscanned => {
                self.recorder.take(record);
            }
        }
        self.metrics.store_up.set(1);
        self.metrics
            .messages
            .get_or_create(&labels(&way.envelope, &verdict))
            .inc();
        let reply = if at_server {
            Reply::Hold(format!("mailvigil {id}"))
        } else {
            match plan.course {
                Course::Deliver => Reply::Deliver(changes),
                Course::Refuse => Reply::Refuse(reply_text(active, &Action::Reject, Some(id))),
                Course::Later => Reply::Later(reply_text(active, &Action::Defer, Some(id))),
                Course::Drop => Reply::Drop,
            }
        };
        Ok(Answer {
            reply,
            record: id,
            verdict: Some(Arc::new(verdict)),
            fate: plan.fate,
        })
    }

    /// The answer the operator chose for what we cannot judge, counted and recorded.
    fn fail(&self, way: &UnderWay, size_bytes: u64, failure: &Failure) -> Answer {
        self.metrics
            .failures
            .get_or_create(&FailureLabels {
                why: failure.label(),
            })
            .inc();
        if matches!(failure, Failure::Store(_)) {
            self.metrics.store_up.set(0);
        }
        let (reply, done) = match way.settings.on_failure {
            OnFailure::Accept => (Reply::Deliver(Changes::default()), "it passed unjudged"),
            OnFailure::Tempfail => {
                let text = "Mail cannot be checked at the moment, please try again later";
                (
                    Reply::Later(Text {
                        code: 451,
                        enhanced: "4.7.1".to_owned(),
                        text: text.to_owned(),
                    }),
                    "it was put off",
                )
            }
        };
        let id = way.id;
        tracing::error!(record.id = %id, "message {id} could not be judged, {done}: {failure}");
        let mut record = record_of(way, facts_of_pass(way, Message::default()), Fate::Failed);
        record.facts = None;
        record.size_bytes = size_bytes;
        record.note = Some(format!("not judged, {done}: {failure}"));
        self.tell(&record);
        self.recorder.take(record);
        Answer {
            reply,
            record: id,
            verdict: None,
            fate: Fate::Failed,
        }
    }
}

/// The record of a message, all but what its verdict adds.
pub(crate) fn record_of(way: &UnderWay, facts: Facts, fate: Fate) -> Record {
    let message = &facts.message;
    Record {
        id: way.id,
        at: way.envelope.received_at,
        fate,
        envelope: way.envelope.clone(),
        header_from: message
            .header_from
            .iter()
            .find_map(|from| from.address.as_ref())
            .map(Address::key),
        subject: message.subject.clone(),
        message_id: message.message_id.clone(),
        size_bytes: message.size_bytes,
        digest: message.digest.clone(),
        verdict: None,
        note: None,
        took_us: way.started.elapsed().as_micros() as u64,
        facts: Some(facts),
    }
}

/// Only of a held message, which is kept whole, may the record quote the text.
fn without_quotes(record: &mut Record) {
    if let Some(verdict) = &mut record.verdict {
        verdict.without_quotes();
    }
    if let Some(facts) = &mut record.facts {
        facts.without_quotes();
    }
}

/// Facts of a message that is not judged: what it is, and nothing found.
pub(crate) fn facts_of_pass(way: &UnderWay, message: Message) -> Facts {
    Facts::new(way.envelope.clone(), message)
}

/// Finds out who sent it. Hashing a long message takes its time, so that happens on a thread of its own.
async fn verify(way: &UnderWay, message: Arc<Message>) -> Known<Authentication> {
    let deadline = way.started + Duration::from_millis(way.settings.limits.deadline_ms);
    let (settings, envelope, raw) = (way.settings.clone(), way.envelope.clone(), way.raw.clone());
    let verify = async move {
        let authenticity = &settings.authenticity;
        authenticity
            .verify(&envelope, &raw, &message, deadline)
            .await
    };
    if way.raw.len() <= LONG_BYTES {
        return verify.await;
    }
    let runtime = Handle::current();
    let verified = tokio::task::spawn_blocking(move || runtime.block_on(verify));
    verified.await.unwrap_or_else(|_| {
        Known::Unavailable("verifying failed inside the program (please report it)".to_owned())
    })
}

/// Headers and recipients as the verdict and the policy want them. What only we may write comes off when a stranger wrote
/// it: release marks always, trace headers and results in our name of inbound mail (a neighbour's of ours may be true).
fn changes(
    active: &Active,
    facts: &Facts,
    verdict: &Verdict,
    way: &UnderWay,
    marks: &[String],
) -> Changes {
    let abilities = way.abilities;
    let (authenticity, limits) = (&way.settings.authenticity, &way.settings.limits);
    let mut changes =
        Changes::recipients(verdict, |action| reply_text(active, action, Some(way.id)));
    if abilities.change_headers {
        changes.remove_headers = occurrences(mark::HEADER, marks.len());
        if facts.envelope.direction == Direction::Inbound {
            let trace = active.policy.trace_header();
            let forged = facts.message.headers_named(trace).count();
            changes.remove_headers.extend(occurrences(trace, forged));
            let forged = authenticity.forged_results(&way.raw, limits);
            changes.remove_headers.extend(forged);
        }
    }
    if abilities.add_headers {
        // Whoever only takes advice does no more with what is to be held than file it by this.
        let marked = !abilities.obeys && verdict.action != Action::Accept;
        changes.add_headers = active.policy.trace_headers(verdict, marked);
        let (envelope, found) = (&facts.envelope, &facts.authentication);
        changes.top_headers =
            authenticity.fields_for(&way.raw, envelope, &facts.message, found, limits);
    }
    changes
}

/// All occurrences of a field, for removal.
pub(crate) fn occurrences(name: &str, count: usize) -> Vec<(String, u32)> {
    (1..=count as u32)
        .map(|index| (name.to_owned(), index))
        .collect()
}

/// The policy's reply text, with the record's name so that a complaint can be looked up.
fn reply_text(active: &Active, action: &Action, record: Option<RecordId>) -> Text {
    let reply = active.policy.reply(action);
    let text = match record {
        Some(id) => format!("{} ({id})", reply.text),
        None => reply.text.clone(),
    };
    Text {
        code: reply.code,
        enhanced: reply.enhanced.clone(),
        text,
    }
}

fn labels(envelope: &Envelope, verdict: &Verdict) -> MessageLabels {
    MessageLabels {
        direction: envelope.direction.as_str(),
        level: verdict.level.as_str(),
        action: verdict.action.as_str(),
    }
}
