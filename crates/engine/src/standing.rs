//! Domains' standing while the service runs: asked about each message, counted with it, and shared with other nodes through the store.
//!
//! What this node counted goes to the store once a minute; a process that dies loses that minute. What other nodes counted is read in the
//! same round, so every node decides by all of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use judge::standing::{Observation, Settings, Standing};
use mail::standing::{Delta, Handling, Ruling, Snapshot, Switch};
use mail::{Action, Facts, Known, Limits, Timestamp, Verdict};
use serde::de::DeserializeOwned;
use store::{Act, StandingRow, Store, StoreError};

use crate::Engine;
use crate::clock::now;

/// A domain's move between stages, as an act.
pub(crate) const SWITCH: &str = "standing.switch";
/// Rows younger than this are left for nodes that were busy, seconds.
const FOLD_AGE_SECS: i64 = 600;
/// So many rows are folded into one.
const FOLD_ROWS: usize = 600;

/// The standing of domains, as this node knows it.
pub(crate) struct Standings {
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    /// Rows of the store that are in it.
    seen: i64,
}

/// All rows of the store, added up, and the place of the last.
pub(crate) async fn load(
    store: &Store,
    settings: &Settings,
    limits: &Limits,
) -> Result<(Standing, i64), StoreError> {
    let secret = store.secret("standing").await?;
    let secret = crate::windows::half(&secret);
    let rows = all_rows(store).await?;
    let last = rows.last().map_or(0, |row| row.seq);
    Ok((added_up(&rows, settings, limits, secret), last))
}

async fn all_rows(store: &Store) -> Result<Vec<StandingRow>, StoreError> {
    rows_after(store, 0).await
}

async fn rows_after(store: &Store, seq: i64) -> Result<Vec<StandingRow>, StoreError> {
    let mut rows: Vec<StandingRow> = Vec::new();
    loop {
        let after = rows.last().map_or(seq, |row| row.seq);
        let more = store.standing_after(after).await?;
        if more.is_empty() {
            return Ok(rows);
        }
        rows.extend(more);
    }
}

/// From the newest row that holds everything up to its place, and those behind it.
fn added_up(rows: &[StandingRow], settings: &Settings, limits: &Limits, secret: u64) -> Standing {
    let whole = rows.iter().rposition(|row| row.whole);
    let snapshot = whole.and_then(|place| read::<Snapshot>(&rows[place]));
    let snapshot = snapshot.unwrap_or_default();
    let mut standing = Standing::restore(&snapshot, settings, limits.standing_bytes_max, secret);
    for row in &rows[whole.map_or(0, |place| place + 1)..] {
        if let Some(delta) = read::<Delta>(row) {
            standing.absorb(&delta);
        }
    }
    standing
}

/// What a row says. One that cannot be read is passed over: counts of a minute are no reason not to start.
fn read<T: DeserializeOwned>(row: &StandingRow) -> Option<T> {
    match serde_json::from_str(&row.body) {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::error!(
                "row {} of domains' standing, by {}, cannot be read and is passed over: {error}",
                row.seq,
                row.node
            );
            None
        }
    }
}

/// Rows added up once, for people who look again and again: only what came since is added.
#[derive(Default)]
pub(crate) struct Sum(Option<AddedUp>);

struct AddedUp {
    standing: Arc<Standing>,
    seen: i64,
    /// Whose settings they were added up by.
    policy_version: i64,
}

impl Sum {
    /// The standing by everything the store has now.
    pub(crate) async fn now(
        &mut self,
        store: &Store,
        (policy_version, settings): (i64, &Settings),
        limits: &Limits,
    ) -> Result<Arc<Standing>, StoreError> {
        if let Some(kept) = &mut self.0
            && kept.policy_version == policy_version
        {
            let rows = rows_after(store, kept.seen).await?;
            let Some(last) = rows.last().map(|row| row.seq) else {
                return Ok(kept.standing.clone());
            };
            let whole = rows.iter().any(|row| row.whole);
            // While somebody still holds it, it is read anew.
            if !whole && let Some(standing) = Arc::get_mut(&mut kept.standing) {
                for delta in rows.iter().filter_map(read::<Delta>) {
                    standing.absorb(&delta);
                }
                standing.forget(now(), settings);
                kept.seen = last;
                return Ok(kept.standing.clone());
            }
        }
        let (mut standing, seen) = load(store, settings, limits).await?;
        standing.forget(now(), settings);
        let standing = Arc::new(standing);
        self.0 = Some(AddedUp {
            standing: standing.clone(),
            seen,
            policy_version,
        });
        Ok(standing)
    }
}

impl Standings {
    /// As the store tells it.
    pub(crate) async fn start(
        store: &Store,
        settings: &Settings,
        limits: &Limits,
    ) -> Result<Self, StoreError> {
        let (standing, seen) = load(store, settings, limits).await?;
        let state = Mutex::new(State { standing, seen });
        Ok(Self { state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while counting leaves at worst one message uncounted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What standing means for a message that was judged without it; noted in its facts where it is anything.
    pub(crate) fn rule(&self, facts: &mut Facts, suspect: bool, settings: &Settings) -> bool {
        if facts.authentication == Known::NotAsked {
            return false;
        }
        let ruling = self.state().standing.rule(facts, suspect, settings);
        let means_something = ruling.would > Handling::Forward;
        facts.standing = means_something.then_some(ruling);
        means_something
    }

    /// Counts a message as what became of it. Mail that is put off comes again, and is counted then.
    pub(crate) fn count(&self, facts: &Facts, suspect: bool, verdict: &Verdict) {
        let handled = match &verdict.action {
            Action::Accept | Action::Tag => Handling::Forward,
            Action::Redirect(_) => Handling::Redirect,
            Action::Quarantine | Action::Discard | Action::Reject => Handling::Block,
            Action::Defer => return,
        };
        if facts.authentication == Known::NotAsked {
            return;
        }
        let nothing = Ruling::default();
        let ruling = facts.standing.as_ref().unwrap_or(&nothing);
        if let Some(seen) = Observation::of(facts, ruling, suspect, handled) {
            self.state().standing.apply(&seen);
        }
    }
}

impl Engine {
    /// Tells the store what was counted here, and learns what was counted elsewhere.
    pub async fn share_standing(&self) -> Result<(), StoreError> {
        let delta = self.standings.state().standing.take_delta();
        if delta != Delta::default() {
            if delta.dropped > 0 {
                tracing::warn!(
                    "{} counts of domains did not fit between two rounds (limits.standing_bytes_max)",
                    delta.dropped
                );
            }
            let (body, node) = (serde_json::to_string(&delta)?, self.settings().node.clone());
            if let Err(error) = self.store().append_standing(now(), &node, &body).await {
                // It goes with the next round: nothing counted is lost while the store is away.
                self.standings.state().standing.put_back(&delta);
                return Err(error);
            }
        }
        self.learn_standing().await
    }

    async fn learn_standing(&self) -> Result<(), StoreError> {
        let seen = self.standings.state().seen;
        let rows = self.store().standing_after(seen).await?;
        let Some(last) = rows.last().map(|row| row.seq) else {
            return Ok(());
        };
        if rows.iter().any(|row| row.whole) {
            return self.begin_again().await;
        }
        let node = self.settings().node.clone();
        let mut state = self.standings.state();
        for row in rows.iter().filter(|row| row.node != node) {
            if let Some(delta) = read::<Delta>(row) {
                state.standing.absorb(&delta);
            }
        }
        state.seen = last;
        Ok(())
    }

    /// Rows that were not read yet are folded into another: all is read anew, and what waits here is added.
    async fn begin_again(&self) -> Result<(), StoreError> {
        let active = self.policy().now();
        let (settings, limits) = (active.policy.standing(), &self.settings().limits);
        let (mut fresh, seen) = load(self.store(), settings, limits).await?;
        let mut state = self.standings.state();
        let waiting = state.standing.take_delta();
        fresh.absorb(&waiting);
        fresh.put_back(&waiting);
        state.standing = fresh;
        state.seen = seen;
        Ok(())
    }

    /// Works out how much of each domain's mail is signed and what follows; each switch is entered in the log of acts. Folds old rows.
    pub async fn review_standing(&self) -> Result<Vec<Switch>, StoreError> {
        self.share_standing().await?;
        let active = self.policy().now();
        let settings = active.policy.standing();
        let switches = self.standings.state().standing.review(now(), settings);
        for switch in &switches {
            self.store().append_act(&act_of(switch)).await?;
        }
        self.share_standing().await?;
        self.fold(settings, now().plus_secs(-FOLD_AGE_SECS), FOLD_ROWS)
            .await?;
        Ok(switches)
    }

    /// Makes one row of those written before `old`, when they are `rows_min` or more.
    async fn fold(
        &self,
        settings: &Settings,
        old: Timestamp,
        rows_min: usize,
    ) -> Result<(), StoreError> {
        let mut rows = all_rows(self.store()).await?;
        let Some(upto) = rows.iter().rfind(|row| row.at < old).map(|row| row.seq) else {
            return Ok(());
        };
        rows.retain(|row| row.seq <= upto);
        if rows.len() < rows_min {
            return Ok(());
        }
        let mut standing = added_up(&rows, settings, &self.settings().limits, 0);
        // Days that count for nothing any more are not carried on for ever.
        standing.forget(now(), settings);
        let mut snapshot = standing.snapshot();
        // Forwarders are in no delta; what this node knows of them stands in for all.
        snapshot.forwarders = self.standings.state().standing.snapshot().forwarders;
        let (body, node) = (serde_json::to_string(&snapshot)?, &self.settings().node);
        self.store().fold_standing(upto, now(), node, &body).await
    }
}

fn act_of(switch: &Switch) -> Act {
    Act {
        at: switch.at,
        who: "mailvigil".to_owned(),
        from: "standing".to_owned(),
        act: SWITCH.to_owned(),
        target: switch.domain.to_string(),
        reason: switch.share.to_string(),
        before: switch.from.to_string(),
        after: switch.to.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use documents::Pool;
    use mail::authentication::{Alleged, Outbound, Signed};
    use mail::{Authentication, Domain, Envelope, Message, Secret, Site};
    use store::StoreConfig;

    use super::*;
    use crate::metrics::Metrics;
    use crate::{Authenticity, OnFailure};

    async fn open(folder: &std::path::Path) -> Store {
        let settings = StoreConfig {
            database: Secret::new(format!("sqlite:{}/kept.db", folder.display())),
            bodies: folder.join("bodies"),
            audit_head: folder.join("head"),
            quarantine_bytes_max: 1 << 20,
            facts_bytes_max: 1 << 20,
        };
        Store::open(&settings).await.expect("opens")
    }

    async fn node(name: &str, store: &Store) -> Arc<Engine> {
        let settings = crate::Settings {
            site: Site::default(),
            limits: Limits::default(),
            on_failure: OnFailure::Tempfail,
            node: name.to_owned(),
            authenticity: Arc::new(Authenticity::default()),
            report_inbox: Vec::new(),
            complaints_from: Vec::new(),
            watch: crate::WatchSetup::default(),
            learn: crate::LearnSetup::default(),
            hub: None,
            recalls: false,
        };
        let readers = Arc::new(Pool::new(&settings.limits));
        let metrics = Arc::new(Metrics::default());
        let engine = Engine::start(settings, store.clone(), metrics, readers).await;
        engine.expect("starts")
    }

    fn domain() -> Domain {
        Domain::parse("bank.example").expect("a domain")
    }

    /// Counts messages that are signed and authentic.
    fn see(engine: &Engine, messages: u32) {
        let found = Authentication {
            alleged: Alleged {
                domain: Some(domain()),
                organisation: Some(domain()),
                domains: 1,
            },
            outbound: Outbound {
                ip: Some([192, 0, 2, 1].into()),
                ..Outbound::default()
            },
            signed: Signed::Authentic,
            ..Authentication::default()
        };
        let facts = Facts {
            authentication: Known::Yes(found),
            ..Facts::new(Envelope::new(now(), "test"), Message::default())
        };
        let policy = &engine.policy().now().policy;
        let verdict = judge::judge(&facts, &Site::default(), policy, 1);
        for _ in 0..messages {
            engine.standings.count(&facts, false, &verdict);
        }
    }

    /// Messages of the domain, as a node knows it.
    fn known(engine: &Engine) -> u64 {
        let active = engine.policy().now();
        let state = engine.standings.state();
        let view = state.standing.view(&domain(), active.policy.standing());
        view.map_or(0, |view| view.counts.authentic)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_know_what_each_of_them_counted_and_so_does_the_next_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path()).await;
        let (one, two) = (node("one", &store).await, node("two", &store).await);
        see(&one, 3);
        one.share_standing().await.expect("told");
        two.share_standing().await.expect("learnt");
        assert_eq!((known(&one), known(&two)), (3, 3));
        see(&two, 2);
        two.share_standing().await.expect("told");
        for _ in 0..3 {
            one.share_standing().await.expect("learnt");
            two.share_standing().await.expect("nothing new");
        }
        assert_eq!((known(&one), known(&two)), (5, 5));
        assert_eq!(known(&*node("one", &store).await), 5);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn folded_rows_say_the_same_also_to_who_had_not_read_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path()).await;
        let (one, two) = (node("one", &store).await, node("two", &store).await);
        for _ in 0..4 {
            see(&one, 2);
            one.share_standing().await.expect("told");
        }
        see(&two, 5);
        let active = one.policy().now();
        let later = now().plus_secs(1);
        let folded = one.fold(active.policy.standing(), later, 2).await;
        folded.expect("folded");
        assert_eq!(store.standing_after(0).await.expect("rows").len(), 1);
        one.share_standing().await.expect("nothing new");
        assert_eq!(known(&one), 8, "who folded counts nothing twice");
        two.share_standing().await.expect("begins again");
        assert_eq!(known(&two), 13);
        one.share_standing().await.expect("learnt");
        assert_eq!(
            (known(&one), known(&*node("three", &store).await)),
            (13, 13)
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_that_cannot_be_read_stops_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path()).await;
        let one = node("one", &store).await;
        see(&one, 2);
        one.share_standing().await.expect("told");
        let damaged = store.append_standing(now(), "two", "no json").await;
        damaged.expect("appended");
        one.share_standing().await.expect("passed over");
        assert_eq!(known(&*node("three", &store).await), 2);
    }
}
