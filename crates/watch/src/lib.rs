//! What users do: every operation counted, looked at, and answered for.
//!
//! [`Watch`] is the whole of it. [`Watch::apply`] takes an [`Operation`]: the [`ledger`] counts it, [`detectors`] look, and
//! the [`response`] decides. [`Watch::may_login`] and [`Watch::may_send`] answer from what stands, and change nothing.
//!
//! It is pure. Nothing here reads a clock, a file or a socket; operations carry their time, the secret that keys the hashes
//! comes from outside, and the same operations give the same decisions. It never holds more than its budget of bytes, whatever
//! keys arrive. [`simulate`] plays an organisation and its attackers against it.

use std::borrow::Cow;
use std::net::IpAddr;

use mail::conduct::Asked;
use mail::operation::{Act, LoginOutcome};
use mail::{Account, Address, Conduct, Operation, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

// What is told twice.
mod twins;

// What is known.
pub mod ledger;

// What is made of it.
pub mod detectors;
pub mod response;
pub mod settings;

// How good it is.
pub mod simulate;

#[cfg(test)]
mod tests;

pub use detectors::{About, DETECTORS, Detector};
pub use ledger::{Familiar, Ledger};
pub use response::answer::{LoginAnswer, LoginQuestion, SendAnswer, SendQuestion};
pub use response::{Allowance, Allowed, Author, Decision, Response, Scope, Step, Undone};
pub use settings::{Mode, Problem, Setting, Settings};
pub use twins::Twins;

use detectors::Sight;
use ledger::account::Account as Known;
use ledger::distinct::mix;
use ledger::evidence::{Seconds, seconds};
use ledger::table::{Entry, Table};
use response::{Course, Who, Wish};

/// The same finding about the same is told again after so long, or when it has grown surer.
const TOLD_SECS: u32 = 900;
/// What a snapshot's hash is tried on.
const CHECKED: &str = "snapshot";
/// Decisions named as the reason for what is done with a message.
const CONDUCT_MAX: usize = 5;
/// Said when no decision stands and a limit is reached with this very message.
const TOO_MANY: &str = "out.fanout: more recipients than the account may write to for the first time from where it is not at home";
/// How the budget is divided: the ledger's share in percent, the book's; what was told has the rest.
const LEDGER_PERCENT: usize = 85;
const BOOK_PERCENT: usize = 10;
/// Findings about logins halve in an hour, all others in a day (behaviour.md 4.2).
const LOGIN_HALF_LIFE: f32 = 3600.0;
const OTHER_HALF_LIFE: f32 = 86_400.0;

/// Ledger, detectors and response together.
#[derive(Clone)]
pub struct Watch {
    settings: Settings,
    ledger: Ledger,
    response: Response,
    told: Table<Told>,
}

/// Everything that must survive a restart. Holds no password tag that could be tried against anything but its own account, and no
/// spray tag.
#[derive(Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the hash made of a known word: another program may hash otherwise, and would know nobody.
    check: u64,
    ledger: Ledger,
    response: Response,
    told: Table<Told>,
}

/// What a detector saw, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Which detector.
    pub detector: &'static str,
    /// Its number in [`DETECTORS`].
    #[serde(skip)]
    pub number: usize,
    /// When.
    pub at: Timestamp,
    /// Which of the identities it is about.
    pub about: About,
    /// The responsible source.
    pub ip: Option<IpAddr>,
    /// The account.
    pub account: Option<Account>,
    /// The mailbox, where strangers' mail is concerned.
    pub mailbox: Option<Address>,
    /// How sure, 0 to 1.
    pub score: f32,
    /// Was it sure enough to do something?
    pub acts: bool,
    /// What was counted, by name.
    pub values: Vec<(&'static str, f64)>,
    /// The detector's thresholds as they stood.
    pub thresholds: Vec<(&'static str, f64)>,
    /// The operations behind it.
    pub evidence: Vec<RecordId>,
}

/// What an operation brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Happened {
    /// What was seen.
    pub detections: Vec<Detection>,
    /// What was decided.
    pub decisions: Vec<Decision>,
}

/// Which node took an operation in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TakenIn {
    Here,
    Elsewhere,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Told {
    at: Seconds,
    score: f32,
    acts: bool,
}

impl Entry for Told {
    fn heap_bytes(&self) -> usize {
        0
    }
    fn worth(&self, _: Timestamp) -> f64 {
        f64::from(self.at)
    }
}

impl Watch {
    /// Knowing nobody, within `bytes_max` (`Limits::watch_bytes_max`). `secret` keys the hashes, so that nobody outside can choose keys
    /// that meet.
    pub fn new(settings: Settings, bytes_max: usize, secret: u64) -> Self {
        let share = Shares::of(bytes_max);
        Self {
            settings,
            ledger: Ledger::new(share.ledger, secret),
            response: Response::new(share.book),
            told: Table::new(share.told),
        }
    }

    /// Counts an operation, looks at it, decides.
    pub fn apply(&mut self, operation: &Operation) -> Happened {
        self.see(operation, TakenIn::Here)
    }

    /// Counts an operation that another node took in, and holds against whom it is about what it looks like. To tell of it and to decide
    /// is that node's: it was the first to know.
    pub fn hear(&mut self, operation: &Operation) {
        self.see(operation, TakenIn::Elsewhere);
    }

    /// Enters what a detector of another node decided; `false` when the same stands already, was undone, or is allowed here meanwhile.
    pub fn adopt(&mut self, decision: Decision) -> bool {
        let allowed = self.allowances().iter().any(|one| one.ends(&decision));
        !allowed && self.response.book.adopt(decision, &self.ledger)
    }

    fn see(&mut self, operation: &Operation, taken_in: TakenIn) -> Happened {
        let marks = self.ledger.keys.marks(operation);
        let before = self.ledger.apply(operation, &marks);
        let mut happened = Happened::default();
        let whose = self.whose(operation);
        let falls_to = self.falls_to(operation);
        let observes = self
            .settings
            .only_observes(self.ledger.began(), operation.at);
        for (number, detector) in DETECTORS.iter().enumerate() {
            let setting = &self.settings.of(whose.as_deref())[number];
            if setting.mode == Mode::Off {
                continue;
            }
            let values = fallen(detector, &setting.values, falls_to);
            let sight = Sight {
                operation,
                marks: &marks,
                before: &before,
                ledger: &self.ledger,
                detector,
                values: &values,
            };
            let Some(finding) = (detector.looks)(&sight) else {
                continue;
            };
            let mailbox = match finding.about {
                About::Mailbox => self
                    .ledger
                    .busiest(operation)
                    .map(|(_, address)| address.clone()),
                About::Source | About::Account | About::Pair => None,
            };
            let key = match finding.about {
                About::Source => marks.source,
                About::Account => marks.account,
                About::Pair => marks.pair,
                About::Mailbox => mailbox
                    .as_ref()
                    .map(|one| self.ledger.keys.mailbox(&one.key())),
            };
            let Some(key) = key else { continue };
            let who = Who {
                source: operation.source.ip,
                account: operation.account.as_ref(),
                device: operation.source.device,
                mailbox: mailbox.as_ref(),
                marks: &marks,
            };
            let detection = Detection {
                detector: detector.id,
                number,
                at: operation.at,
                about: finding.about,
                ip: operation.source.ip,
                account: operation.account.clone(),
                mailbox: mailbox.clone(),
                score: finding.score,
                acts: finding.acts,
                values: finding.values,
                thresholds: detector
                    .knobs
                    .iter()
                    .map(|knob| knob.name)
                    .zip(values.iter().copied())
                    .collect(),
                evidence: finding.evidence,
            };
            if let (true, true, Some(account)) = (
                detection.acts,
                setting.steps.contains(&Step::ResetCredential),
                marks.account,
            ) {
                self.ledger.expel(account, operation.at);
            }
            if taken_in == TakenIn::Elsewhere {
                self.hold_against(&detection, &marks);
                continue;
            }
            if detection.acts {
                let strange = !before.at_home;
                let course = Course {
                    steps: &setting.steps,
                    simulated: observes || setting.mode != Mode::Enforce,
                    strangers_only: strange,
                };
                let decided = self
                    .response
                    .consider(&detection, &who, &course, &self.ledger);
                happened.decisions.extend(decided);
            }
            self.hold_against(&detection, &marks);
            if self.is_news(number, key, &detection) {
                happened.detections.push(detection);
            }
        }
        // What is unusual about a login elsewhere says nothing about what is done at home.
        if !happened.detections.is_empty() && !before.at_home {
            let sum = self.sum_up(operation, &marks, &happened.detections);
            happened.decisions.extend(sum);
        }
        happened
    }

    /// Whose settings hold for an operation: the account's, or those of the mailbox that strangers bury. Nobody's name is made while no account
    /// has any.
    fn whose(&self, operation: &Operation) -> Option<String> {
        if !self.settings.has_accounts() {
            return None;
        }
        match &operation.account {
            Some(account) => Some(account.as_str().to_owned()),
            None => self
                .ledger
                .busiest(operation)
                .map(|(_, address)| address.key()),
        }
    }

    /// What counts that fall while the site is attacked are to be divided by. Only what may be a guess or a harvest asks.
    fn falls_to(&self, operation: &Operation) -> f64 {
        let asks = match &operation.act {
            Act::Login(login) => login.outcome != LoginOutcome::Succeeded,
            Act::Probe { .. } => true,
            _ => false,
        };
        if !asks || self.settings.attack_factor <= 1.0 {
            return 1.0;
        }
        let level = f64::from(self.ledger.attack_level(operation.at));
        1.0 + level * (self.settings.attack_factor - 1.0)
    }

    /// May this login proceed?
    pub fn may_login(&self, question: &LoginQuestion) -> LoginAnswer {
        self.response.login(question, &self.ledger, &self.settings)
    }

    /// May this message be taken?
    pub fn may_send(&self, question: &SendQuestion<'_>) -> SendAnswer {
        self.response.send(question, &self.ledger, &self.settings)
    }

    /// What stands against whoever hands this message over; `None` is nothing.
    pub fn conduct(&self, question: &SendQuestion<'_>) -> Option<Conduct> {
        let (asks, steps): (Asked, &[Step]) = match self.may_send(question) {
            SendAnswer::Allow => return None,
            SendAnswer::Hold => (Asked::Hold, &[Step::Freeze]),
            SendAnswer::Defer => (Asked::Defer, &[Step::DeferMail, Step::LimitMailbox]),
            SendAnswer::Refuse => (Asked::Refuse, &[Step::BlockSource]),
        };
        let marks = self
            .ledger
            .keys
            .marks_of(question.ip, question.account.map(Account::as_str));
        let mailboxes = question
            .recipients
            .iter()
            .map(|one| Some(self.ledger.keys.mailbox(&one.key())));
        let keys = [marks.account, marks.source].into_iter().chain(mailboxes);
        let decided = keys
            .flat_map(|key| self.response.book.about(key, question.at))
            .filter(|one| steps.contains(&one.step))
            .take(CONDUCT_MAX);
        let (mut why, mut decisions) = (Vec::new(), Vec::new());
        for decision in decided {
            why.push(format!("{}: {}", decision.step.name(), decision.reason));
            decisions.push(decision.id);
        }
        if why.is_empty() {
            why.push(TOO_MANY.to_owned());
        }
        Some(Conduct {
            asks,
            why,
            decisions,
        })
    }

    /// A person decides, for so many seconds or as long as the step usually stands; allow-lists and grace do not stand in the way, an end
    /// there is all the same. Every node that hears of it gives it the same name.
    pub fn decide(
        &mut self,
        at: Timestamp,
        scope: Scope,
        step: Step,
        secs: Option<i64>,
        person: &str,
        reason: &str,
    ) -> Option<Decision> {
        let wish = Wish::of_person(at, scope, step, secs, person, reason);
        self.response.of_person(wish, &self.ledger)
    }

    /// Enters an allowance, and ends what stands against it. Gives what was ended.
    pub fn allow(&mut self, at: Timestamp, allowance: Allowance) -> Vec<Decision> {
        let ended = self.response.book.end_allowed(&allowance, at);
        self.response.allowances.enter(allowance);
        ended
    }

    /// Takes an allowance out again; was it there?
    pub fn disallow(&mut self, whom: &Allowed) -> bool {
        self.response.allowances.remove(whom)
    }

    /// The allow-list.
    pub fn allowances(&self) -> &[Allowance] {
        self.response.allowances.all()
    }

    /// Ends what stands about a scope, and clears what was counted against it: otherwise the old counts would decide the same again
    /// with the next operation.
    pub fn undo(&mut self, at: Timestamp, scope: &Scope) -> Undone {
        let undone = self.response.book.undo(scope, &self.ledger, at);
        for scope in undone.ended.iter().map(|one| &one.scope).chain([scope]) {
            self.ledger.forgive(scope);
        }
        undone
    }

    /// What stands, simulated decisions too.
    pub fn decisions(&self, at: Timestamp) -> Vec<&Decision> {
        self.response.book.all(at)
    }

    /// What stands against a source, an account, and the two together; not what is simulated.
    pub fn standing_against(
        &self,
        at: Timestamp,
        ip: Option<IpAddr>,
        account: Option<&Account>,
    ) -> Vec<&Decision> {
        let marks = self.ledger.keys.marks_of(ip, account.map(Account::as_str));
        let keys = [marks.source, marks.pair, marks.account];
        keys.into_iter()
            .flat_map(|key| self.response.book.about(key, at))
            .collect()
    }

    /// Forgets decisions that have ended; answers do not depend on it.
    pub fn expire(&mut self, now: Timestamp) {
        self.response.book.expire(now);
    }

    /// Other settings, from now on.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How they stand.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.ledger.bytes() + self.response.book.bytes() + self.told.bytes()
    }

    /// What must survive.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            check: self.ledger.keys.of(&CHECKED),
            ledger: self.ledger.clone(),
            response: self.response.clone(),
            told: self.told.clone(),
        }
    }

    /// Goes on from a snapshot, under the secret it was made with; the budget may have changed. `None` when it was made under another
    /// secret, or by a program that hashes otherwise: its keys would be nobody's.
    pub fn restore(
        snapshot: Snapshot,
        settings: Settings,
        bytes_max: usize,
        secret: u64,
    ) -> Option<Self> {
        if ledger::keys::Keys::new(secret).of(&CHECKED) != snapshot.check {
            return None;
        }
        let share = Shares::of(bytes_max);
        let now = snapshot.ledger.now();
        Some(Self {
            settings,
            ledger: snapshot.ledger.restored(share.ledger, secret),
            response: snapshot.response.restored(share.book, now),
            told: snapshot.told.restored(share.told, now),
        })
    }

    /// Counts a finding against whom it is about.
    fn hold_against(&mut self, detection: &Detection, marks: &ledger::keys::Marks) {
        let at = detection.at;
        match detection.about {
            About::Source => {
                if let Some(source) = marks.source {
                    self.ledger.suspect(source, at, detection.score);
                }
            }
            About::Account if detection.score > 0.0 && detection.detector != "auth.bf.account" => {
                if let Some(account) = marks.account {
                    self.ledger
                        .weigh(account, at, detection.number as u16, detection.score);
                }
            }
            // Guesses of strangers are nothing against the account; and what is done to a mailbox is not its doing.
            About::Account | About::Pair | About::Mailbox => {}
        }
    }

    fn is_news(&mut self, number: usize, key: u64, detection: &Detection) -> bool {
        let now = seconds(detection.at);
        let (score, acts) = (detection.score, detection.acts);
        let news = self
            .told
            .update(mix(key ^ number as u64), detection.at, true, |told| {
                let news = told.at == 0
                    || now.saturating_sub(told.at) >= TOLD_SECS
                    || score > told.score
                    || (acts && !told.acts);
                if news {
                    *told = Told {
                        at: now,
                        score,
                        acts,
                    };
                }
                news
            });
        news.unwrap_or(true)
    }

    /// Freezes an account's mail when an unusual login and unusual behaviour add up to enough, though neither would alone.
    fn sum_up(
        &mut self,
        operation: &Operation,
        marks: &ledger::keys::Marks,
        detections: &[Detection],
    ) -> Option<Decision> {
        let account = self.ledger.accounts.get(marks.account?)?;
        let sum = Sum::of(account, operation.at);
        if sum.total < self.settings.freeze_at || !(sum.login && sum.behaviour) {
            return None;
        }
        let whose = self.whose(operation);
        let simulated = self
            .settings
            .only_observes(self.ledger.began(), operation.at)
            || sum.observed(self.settings.of(whose.as_deref()));
        let wish = Wish {
            at: operation.at,
            secs: None,
            scope: Scope::Account(operation.account.clone()?),
            step: Step::Freeze,
            author: Author::Detector("sum".into()),
            reason: format!("{} add up to {:.2}", sum.names.join(", "), sum.total),
            evidence: detections
                .iter()
                .flat_map(|one| one.evidence.iter().copied())
                .collect(),
            simulated,
            strangers_only: true,
        };
        let who = Who {
            source: operation.source.ip,
            account: operation.account.as_ref(),
            device: operation.source.device,
            mailbox: None,
            marks,
        };
        self.response.freeze(wish, &who, &self.ledger)
    }
}

/// A detector's thresholds, with those that fall divided; never below what may be set.
fn fallen<'a>(detector: &Detector, values: &'a [f64], by: f64) -> Cow<'a, [f64]> {
    if by <= 1.0 || !detector.knobs.iter().any(|knob| knob.falls) {
        return Cow::Borrowed(values);
    }
    let lowered = detector.knobs.iter().zip(values).map(|(knob, value)| {
        if knob.falls {
            (value / by).max(knob.allowed.0.min(*value))
        } else {
            *value
        }
    });
    Cow::Owned(lowered.collect())
}

struct Shares {
    ledger: usize,
    book: usize,
    told: usize,
}

impl Shares {
    fn of(bytes_max: usize) -> Self {
        let ledger = bytes_max / 100 * LEDGER_PERCENT;
        let book = bytes_max / 100 * BOOK_PERCENT;
        Self {
            ledger,
            book,
            told: bytes_max - ledger - book,
        }
    }
}

/// Findings about an account, added up: one minus what remains when each takes its share of the rest.
struct Sum {
    total: f32,
    login: bool,
    behaviour: bool,
    names: Vec<&'static str>,
    numbers: Vec<usize>,
}

impl Sum {
    fn of(account: &Known, at: Timestamp) -> Self {
        let mut sum = Self {
            total: 0.0,
            login: false,
            behaviour: false,
            names: Vec::new(),
            numbers: Vec::new(),
        };
        let mut rest = 1.0;
        // What is unusual about a login, thing by thing; and all of it ranked at once. They look at the same, so one of the two counts.
        let (mut things, mut ranked) = (1.0_f32, 1.0_f32);
        for one in &account.weighed {
            let number = usize::from(one.detector);
            let Some(detector) = DETECTORS.get(number) else {
                continue;
            };
            let is_login = detector.id.starts_with("auth.");
            let half_life = if is_login {
                LOGIN_HALF_LIFE
            } else {
                OTHER_HALF_LIFE
            };
            let age = seconds(at).saturating_sub(one.at) as f32;
            let score = one.score * (-age / half_life).exp2();
            if score < 0.05 {
                continue;
            }
            let left = 1.0 - score.min(1.0);
            match detector.id.strip_prefix("ctx.") {
                Some("rba") => ranked = left,
                Some(_) if detector.only_weight => things *= left,
                _ => rest *= left,
            }
            let context = is_login || detector.id.starts_with("ctx.");
            sum.login |= context;
            sum.behaviour |= !context;
            sum.names.push(detector.id);
            sum.numbers.push(number);
        }
        sum.total = 1.0 - rest * things.min(ranked);
        sum
    }

    /// Is any of them only observed?
    fn observed(&self, settings: &[Setting]) -> bool {
        self.numbers
            .iter()
            .any(|number| settings[*number].mode != Mode::Enforce)
    }
}
