//! What users do, while the service runs: doors tell, the watch counts, looks and decides, and doors ask what stands.
//!
//! One lock, held for microseconds. What was told is written five times a second ([`keeping`]), so that a crash loses no more than
//! that; messages are told by the message doors themselves and are in the records anyway ([`message`]). What people want of it
//! comes by the store, so that every node and the command line can say it ([`wishes`]).

mod keeping;
pub(crate) mod message;
mod rounds;
mod rows;
mod sessions;
mod stolen;
pub(crate) mod wishes;

pub(crate) use rows::word;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ipnet::IpNet;
use lookup::places::{NotUsed, Places};
use mail::address::floor_char_boundary;
use mail::operation::{Act, DeviceTag, Door, PasswordTag, Protocol, Source, SprayTag, Topics};
use mail::{Account, Conduct, Domain, Known, Limits, Operation, RecordId, Secret, Timestamp};
use sha2::Sha256;
use store::{Concerned, OperationRow, Watched};
use tokio::sync::broadcast;
use watch::{
    Allowance, Allowed, Decision, LoginAnswer, LoginQuestion, SendQuestion, Settings, Twins, Watch,
};

use crate::clock::now;
use crate::metrics::{Metrics, ToldLabels};
use crate::nodes::{Outbox, Tiding};
use crate::windows::half;
use sessions::Sessions;
use stolen::Stolen;
use wishes::Wished;

/// Decisions kept for those who carry them out and are a little slow.
const NEWS_MAX: usize = 4096;

const DAY_SECS: i64 = 86_400;
/// Ended decisions remembered, for those who ask what has gone.
const GONE_MAX: usize = 10_000;

/// What the watch needs to know that is not adjusted while it runs.
#[derive(Clone, Debug, Default)]
pub struct WatchSetup {
    /// The domain of account names that are told without one.
    pub domain: Option<Domain>,
    /// Machines that are never refused: front ends, monitoring.
    pub allow: Vec<IpNet>,
    /// Where the snapshot lies; without one a restart knows what the store tells.
    pub snapshot: Option<PathBuf>,
    /// MMDB files that say where addresses are.
    pub places: Vec<PathBuf>,
    /// A file of hashes of stolen passwords.
    pub breached: Option<PathBuf>,
}

/// An operation as a door tells it.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Who tells.
    pub door: Door,
    /// When it happened.
    pub at: Timestamp,
    /// By what.
    pub protocol: Protocol,
    /// From where; where the door does not know, the session's login may have told.
    pub ip: Option<std::net::IpAddr>,
    /// With which program.
    pub device: Option<DeviceTag>,
    /// The account's name as it was given.
    pub account: Option<String>,
    /// The server's name of the session.
    pub session: Option<String>,
    /// What was done.
    pub act: Act,
}

/// Something decided or ended, for whoever carries it out.
#[derive(Clone, Debug)]
pub enum News {
    /// It stands from now on.
    Decided(Arc<Decision>),
    /// It does not stand any more.
    Ended(Arc<Decision>),
}

/// The watch of this node.
pub struct Watching {
    state: Mutex<State>,
    limits: Limits,
    setup: WatchSetup,
    places: ArcSwap<Places>,
    stolen: OnceLock<Arc<Stolen>>,
    metrics: Arc<Metrics>,
    outbox: Arc<Outbox>,
    news: broadcast::Sender<News>,
    /// What tags of passwords are keyed by.
    key: Secret<[u8; 32]>,
    /// The day, and what tags of sprayed passwords are keyed by on it.
    daily: Mutex<(i64, [u8; 32])>,
}

struct State {
    watch: Watch,
    twins: Twins,
    sessions: Sessions,
    /// Rows that wait to be written.
    waiting: Watched,
    /// The newest operation that was told by a door.
    last: RecordId,
    /// Everything up to here the store told at the start.
    replayed: RecordId,
    /// Messages told lately, and when the last snapshot was made.
    messages: message::Recent,
    /// The last wish that was granted.
    wish: i64,
    /// The settings as they were written.
    text: String,
    /// The day, and how many operations were kept on it.
    kept: (i64, u64),
    /// What people ended lately, and when.
    gone: VecDeque<(Timestamp, Arc<Decision>)>,
}

impl Watching {
    fn new(
        watch: Watch,
        key: Secret<[u8; 32]>,
        limits: &Limits,
        setup: WatchSetup,
        metrics: Arc<Metrics>,
        outbox: Arc<Outbox>,
    ) -> Self {
        let secret = half(&key);
        let state = State {
            watch,
            twins: Twins::new(limits.twins_max, secret),
            sessions: Sessions::new(limits.twins_max),
            waiting: Watched::default(),
            last: RecordId::first_at(Timestamp(0)),
            replayed: RecordId::first_at(Timestamp(0)),
            messages: message::Recent::default(),
            wish: 0,
            text: String::new(),
            kept: (0, 0),
            gone: VecDeque::new(),
        };
        Self {
            state: Mutex::new(state),
            limits: limits.clone(),
            setup,
            places: ArcSwap::default(),
            stolen: OnceLock::new(),
            metrics,
            outbox,
            news: broadcast::Sender::new(NEWS_MAX),
            key,
            daily: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while counting leaves at worst one operation half counted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account's name in the one form it is compared in.
    pub fn account(&self, name: &str) -> Option<Account> {
        Account::within(
            name,
            self.setup.domain.as_ref(),
            self.limits.address_bytes_max,
        )
    }

    /// Reads the files of places; those in use stay when one of them cannot be read.
    pub fn read_places(&self) -> Result<(), NotUsed> {
        self.places
            .store(Arc::new(Places::open(&self.setup.places)?));
        Ok(())
    }

    /// Opens the file of stolen passwords, once.
    pub fn open_breached(&self) -> std::io::Result<()> {
        if let Some(path) = &self.setup.breached {
            let stolen = Stolen::open(path)?;
            self.stolen.get_or_init(|| stolen);
        }
        Ok(())
    }

    /// Is a password one of those that thieves pass around? `None` without a file of them, or when it cannot be read.
    pub async fn is_breached(&self, password: &str) -> Option<bool> {
        self.stolen.get()?.holds(password).await
    }

    /// Files of places that are read.
    pub fn place_files(&self) -> &[PathBuf] {
        &self.setup.places
    }

    /// Counts what a door tells; what was decided by it.
    pub fn tell(&self, told: Telling) -> Vec<Decision> {
        let account = told.account.as_deref().and_then(|name| self.account(name));
        let mut guard = self.state();
        let state = &mut *guard;
        let id = state.next_id();
        let mut source = Source {
            ip: told.ip,
            device: told.device,
            place: Known::NotAsked,
        };
        // Whatever a door told: what is kept is bounded here.
        let cut = |session: String| {
            session[..floor_char_boundary(&session, self.limits.session_bytes_max)].to_owned()
        };
        let session = told.session.map(cut).filter(|session| !session.is_empty());
        let mut act = told.act;
        if let Act::Login(login) = &mut act {
            let into = login.into.take();
            login.into = into.and_then(|into| self.account(into.as_str()));
        }
        if let Some(session) = &session {
            state
                .sessions
                .join(session, &mut source, account.as_ref(), &act);
        }
        if let Act::List(list) = &mut act
            && !state.watch.settings().reads_searches()
        {
            list.topics = Topics::default();
        }
        // Only of logins it means something, and only with them it is kept.
        if let (Act::Login(_), Some(ip)) = (&act, source.ip) {
            source.place = self.places.load().of(ip);
        }
        let operation = Operation {
            id,
            at: told.at,
            door: told.door,
            protocol: told.protocol,
            source,
            account,
            session,
            act,
        };
        let labels = ToldLabels::of(&operation);
        self.metrics.operations.get_or_create(&labels).inc();
        if !state.twins.is_news(&operation) {
            self.metrics.twins.inc();
            return Vec::new();
        }
        let happened = state.watch.apply(&operation);
        self.outbox.put(|| Tiding::Operation(operation.clone()));
        if operation.act != Act::Control {
            let day = told.at.secs().div_euclid(DAY_SECS);
            if state.kept.0 < day {
                state.kept = (day, 0);
            }
            state.kept.1 += 1;
            if state.kept.1 == self.limits.told_per_day_max + 1 {
                tracing::warn!(
                    "more operations than limits.told_per_day_max came today: further ones are counted and not kept"
                );
            }
            // Whoever opens connections and does nothing must not take the room of what users do.
            let most = match operation.act {
                Act::Fault(_) => self.limits.told_per_day_max / 2,
                _ => self.limits.told_per_day_max,
            };
            let room = state.kept.1 <= most;
            if room && state.waiting.operations.len() < self.limits.told_queue_max {
                state.waiting.operations.extend(rows::operation(&operation));
            } else {
                self.metrics.operations_dropped.inc();
            }
        }
        self.note(state, happened)
    }

    /// Notes what an operation brought about.
    fn note(&self, state: &mut State, happened: watch::Happened) -> Vec<Decision> {
        for detection in &happened.detections {
            let labels = crate::metrics::DetectorLabels {
                detector: detection.detector,
                acts: detection.acts,
            };
            self.metrics.detections.get_or_create(&labels).inc();
            if state.waiting.detections.len() < self.limits.told_queue_max {
                state.waiting.detections.extend(rows::detection(detection));
            }
        }
        for decision in &happened.decisions {
            self.decided(state, decision);
            self.outbox.put(|| Tiding::Decided(decision.clone()));
        }
        happened.decisions
    }

    /// Counts an operation that another node took in, unless a door of ours told it before.
    pub(crate) fn hear(&self, operation: &Operation) {
        let mut guard = self.state();
        let state = &mut *guard;
        if operation.id <= state.replayed || !state.twins.is_news(operation) {
            return;
        }
        // A snapshot knows what it holds by this; a clock that is ahead must not hide what comes.
        if operation.id.at() <= now() {
            state.last = state.last.max(operation.id);
        }
        if operation.door == Door::Message {
            state.messages.enter(operation.id);
        }
        state.watch.hear(operation);
    }

    /// Takes over what a detector of another node decided. That node has written it down; what is to be carried out beside our own
    /// doors is carried out here too.
    pub(crate) fn adopt(&self, decision: Decision) {
        if self.state().watch.adopt(decision.clone()) {
            // Nobody may carry anything out.
            let _ = self.news.send(News::Decided(Arc::new(decision)));
        }
    }

    fn decided(&self, state: &mut State, decision: &Decision) {
        state.waiting.decisions.extend(rows::decision(decision));
        // Nobody may carry anything out.
        let _ = self.news.send(News::Decided(Arc::new(decision.clone())));
    }

    fn ended(&self, state: &mut State, decisions: Vec<Decision>, at: Timestamp, who: &str) {
        for decision in decisions {
            state.waiting.ended.push((decision.id, at, who.to_owned()));
            let decision = Arc::new(decision);
            if state.gone.len() >= GONE_MAX {
                state.gone.pop_front();
            }
            state.gone.push_back((now(), decision.clone()));
            let _ = self.news.send(News::Ended(decision));
        }
    }

    /// May this login go on? Asking changes nothing.
    pub fn may_login(
        &self,
        at: Timestamp,
        ip: Option<std::net::IpAddr>,
        device: Option<DeviceTag>,
        account: &str,
    ) -> LoginAnswer {
        let Some(account) = self.account(account) else {
            return LoginAnswer::Allow;
        };
        let question = LoginQuestion {
            at,
            ip,
            device,
            account,
        };
        self.state().watch.may_login(&question)
    }

    /// Tells apart whether two passwords of one account differ.
    pub fn password_tag(&self, user: &str, password: &str) -> PasswordTag {
        let hash = self.hash(
            self.key.reveal(),
            &[user.as_bytes(), &[0], password.as_bytes()],
        );
        PasswordTag::new(hash)
    }

    /// Tells whether one password is tried on many accounts. The key is made anew each day and never leaves memory.
    pub fn spray_tag(&self, password: &str) -> SprayTag {
        let today = now().secs().div_euclid(DAY_SECS);
        let mut daily = self.daily.lock().unwrap_or_else(PoisonError::into_inner);
        if daily.0 != today {
            let mut fresh = [0; 32];
            // Without randomness the day before's key goes on: it is as secret as it was.
            if getrandom::fill(&mut fresh).is_ok() {
                *daily = (today, fresh);
            }
        }
        SprayTag(self.hash(&daily.1, &[password.as_bytes()]))
    }

    fn hash(&self, key: &[u8], parts: &[&[u8]]) -> u16 {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return 0;
        };
        parts.iter().for_each(|part| mac.update(part));
        let bytes = mac.finalize().into_bytes();
        u16::from_be_bytes([bytes[0], bytes[1]])
    }

    /// What stands against whoever hands this message over.
    pub fn conduct(&self, question: &SendQuestion<'_>) -> Option<Conduct> {
        self.state().watch.conduct(question)
    }

    /// What is decided and ended from now on. Who is too slow misses some, and is told how many.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Everything that stands now, simulated decisions too.
    pub fn standing(&self) -> Vec<Decision> {
        let state = self.state();
        state.watch.decisions(now()).into_iter().cloned().collect()
    }

    /// What stands and is enforced: nothing while the kill switch is on.
    pub fn enforced(&self) -> Vec<Decision> {
        let state = self.state();
        if !state.watch.settings().enforce {
            return Vec::new();
        }
        let standing = state.watch.decisions(now()).into_iter();
        standing.filter(|one| !one.simulated).cloned().collect()
    }

    /// How many of our people came by a source within a week.
    pub fn people_behind(&self, ip: std::net::IpAddr) -> u32 {
        self.state().watch.ledger().people_behind(ip, now())
    }

    /// What somebody ended since then.
    pub fn gone_since(&self, since: Timestamp) -> Vec<Decision> {
        let state = self.state();
        let gone = state.gone.iter().filter(|(at, _)| *at >= since);
        gone.map(|(_, decision)| (**decision).clone()).collect()
    }

    /// How much more the site is guessed at than usual: 0 as always, 1 as bad as it gets.
    pub fn attack_level(&self) -> f32 {
        self.state().watch.ledger().attack_level(now())
    }

    /// Until when nothing automatic is done, because nobody is known well enough yet; `None` when that is over.
    pub fn observes_until(&self) -> Option<Timestamp> {
        let state = self.state();
        // Before anything was told nothing has begun.
        let began = state.watch.ledger().began().unwrap_or_else(now);
        let until = state.watch.settings().observes_until(Some(began));
        until.filter(|until| *until > now())
    }

    /// Bytes of what is known.
    pub fn bytes(&self) -> usize {
        self.state().watch.bytes()
    }

    /// What the configuration allows stands beside what people allow.
    fn allow_front_ends(&self) {
        let mut guard = self.state();
        for network in &self.setup.allow {
            let allowance = Allowance {
                whom: Allowed::Network(*network),
                author: "configuration".to_owned(),
                reason: "watch.allow".to_owned(),
                until: None,
            };
            let ended = guard.watch.allow(now(), allowance);
            self.ended(&mut guard, ended, now(), "configuration");
        }
    }

    /// Does what somebody wants.
    fn grant(&self, state: &mut State, wished: &Wished, at: Timestamp, who: &str) {
        match wished {
            Wished::Decide {
                scope,
                step,
                secs,
                reason,
            } => {
                let decided = state
                    .watch
                    .decide(at, scope.clone(), *step, *secs, who, reason);
                if let Some(decision) = decided {
                    self.decided(state, &decision);
                }
            }
            Wished::Undo { scope, .. } => {
                let undone = state.watch.undo(at, scope);
                self.ended(state, undone.ended, at, who);
            }
            Wished::Allow {
                whom,
                until,
                reason,
            } => {
                let allowance = Allowance {
                    whom: whom.clone(),
                    author: who.to_owned(),
                    reason: reason.clone(),
                    until: *until,
                };
                let ended = state.watch.allow(at, allowance);
                self.ended(state, ended, at, who);
            }
            Wished::Disallow { whom, .. } => {
                state.watch.disallow(whom);
            }
            Wished::Settings { text, .. } => match Settings::parse(text) {
                Ok(settings) => {
                    state.watch.set(settings);
                    state.text.clone_from(text);
                }
                // The desk reads it before it is wished; another program's version may not be read by this one.
                Err(problems) => tracing::error!(
                    "settings of the watch by {} cannot be read by this version, the old ones stay: {}",
                    who.escape_debug(),
                    problems
                        .first()
                        .map(ToString::to_string)
                        .unwrap_or_default()
                ),
            },
        }
    }
}

impl State {
    /// Operations are named in the order they are told, so that a snapshot knows which it holds.
    fn next_id(&mut self) -> RecordId {
        let id = RecordId::random(now());
        let id = if id > self.last { id } else { self.last.next() };
        self.last = id;
        id
    }
}

/// Who an operation is about, for the store.
fn concerned(source: Option<std::net::IpAddr>, account: Option<&Account>) -> Concerned {
    Concerned {
        account: account.map(|account| account.as_str().to_owned()),
        ip: source.map(|ip| ip.to_canonical().to_string()),
        mailbox: None,
    }
}

/// Reads an operation as it was kept.
pub(crate) fn read_operation(row: &OperationRow) -> Option<Operation> {
    match serde_json::from_str(&row.body) {
        Ok(operation) => Some(operation),
        Err(error) => {
            tracing::warn!(
                "operation {} cannot be read and is passed over: {error}",
                row.id
            );
            None
        }
    }
}
