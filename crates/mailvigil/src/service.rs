//! The running service: parts, listeners, wait, drain.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine::gate::Gate;
use engine::gate::password::Rules;
use engine::metrics::Metrics;
use engine::{
    Author, Desk, DigestSettings, Dispatch, Engine, Letters, Readers, ReportSettings, Settings,
    WatchSetup,
};
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::carry_out::Hands;
use crate::config::Config;
use crate::doors::accept::{Doorway, Room};
use crate::doors::listener::Listeners;
use crate::doors::scan::Scanning;
use crate::doors::smtp::SmtpCourier;
use crate::doors::watch::WatchDoor;
use crate::doors::{delegation, events, http, milter, proxy, rspamd, spamd, watch};
use crate::{firewall, mail_log, recall};

/// How often a newer policy is looked for. With it a change made by any process, on any node, holds within this time.
const POLICY_EVERY: Duration = Duration::from_millis(50);
/// How often nodes tell each other what they counted of domains.
const SHARE_EVERY: Duration = Duration::from_mins(1);
/// How often it is worked out what follows from it.
const REVIEW_EVERY: Duration = Duration::from_mins(10);
/// How often what users did is written down. A crash loses no more than this.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// How often what people said is learnt, and what was seen is written down. A crash loses no more of the second.
const LEARN_EVERY: Duration = Duration::from_secs(1);
/// How often a snapshot of the watch and of the learner is made.
const SNAPSHOT_EVERY: Duration = Duration::from_mins(10);
/// How often retention runs.
const KEEP_EVERY: Duration = Duration::from_mins(10);
/// How often it is looked whether the files of places are others.
const PLACES_EVERY: Duration = Duration::from_mins(5);
/// How often it is asked whether reports are due; what could not be sent is tried again then.
const REPORTS_EVERY: Duration = Duration::from_hours(1);
/// How often it is asked whether digests are due.
const DIGEST_EVERY: Duration = Duration::from_mins(1);
/// How often a node says that it lives, and by which policy it judges.
const PRESENCE_EVERY: Duration = Duration::from_secs(10);

/// A service that runs until [`Service::stop`].
pub struct Service {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Where the doors listen, until they are served.
    pub listeners: Listeners,
    config: Config,
    /// The console's desk, which knows the site too.
    desk: Option<Desk>,
    /// Where the console is.
    console_url: Option<String>,
    stop: CancellationToken,
    connections: TaskTracker,
    background: TaskTracker,
}

impl Service {
    /// Opens the store, starts the engine and opens the listeners; nothing is served yet.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let store = open_store(&config).await?;
        let settings = Settings {
            site: config.site.clone(),
            limits: config.limits.clone(),
            on_failure: config.on_failure,
            node: config.node.clone(),
            authenticity: config.authenticity.set_up(&config.site, &config.limits)?,
            report_inbox: config.reports.inbox.clone(),
            complaints_from: config.reports.complaints_from.clone(),
            watch: WatchSetup {
                domain: config.watch.domain.clone(),
                allow: config.watch.front_ends.clone(),
                snapshot: Some(config.data.join("watch-snapshot")),
                places: config.watch.places.clone(),
                breached: config.watch.breached.clone(),
            },
            learn: config.learn.clone(),
            hub: match &config.hub {
                Some(hub) => Some(hub.place()?),
                None => None,
            },
            recalls: config.recall.is_some(),
        };
        let readers = Arc::new(Readers::new(&config.limits).with_ocr(config.ocr.clone()));
        let engine = Engine::start(settings, store, Arc::new(Metrics::default()), readers).await?;
        engine.watching().read_places().context("watch.places")?;
        engine.watching().open_breached().with_context(|| {
            let file = config.watch.breached.as_deref().unwrap_or(Path::new(""));
            format!(
                "{} (watch.breached) cannot be used; right is a file of SHA-1 hashes, ordered, HASH:COUNT a line",
                file.display()
            )
        })?;
        let listeners = Listeners::open(&config.doors, &config.watch)?;
        Ok(Self {
            engine,
            listeners,
            config,
            desk: None,
            console_url: None,
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
            background: TaskTracker::new(),
        })
    }

    /// Serves: every listener and every background task runs when this returns. Says where the HTTP door is.
    pub async fn start(&mut self) -> anyhow::Result<Option<SocketAddr>> {
        for log in &self.config.mail_logs {
            let reader = mail_log::open(log.clone(), &self.engine).await;
            self.until_stop(mail_log::follow(reader, self.engine.clone()));
        }
        // Whoever changes the policy from now on waits for us to judge by it.
        if let Err(error) = self.engine.say_presence().await {
            tracing::warn!("this node's presence was not noted: {error}");
        }
        self.open_doors()?;
        let http = match self.config.http_listen {
            Some(address) => Some(self.start_http(address).await?),
            None => None,
        };
        if let Some(address) = self.config.console.listen {
            self.start_console(address).await?;
        }
        self.until_stop(keep_policy_fresh(self.engine.clone()));
        self.until_stop(keep_store_tidy(self.engine.clone()));
        self.until_stop(keep_standing(self.engine.clone()));
        self.until_stop(keep_watch(self.engine.clone()));
        self.until_stop(keep_snapshot(self.engine.clone()));
        if self.config.hub.is_some() {
            let engine = self.engine.clone();
            self.until_stop(async move { engine.talk().await });
        }
        self.until_stop(keep_learning(self.engine.clone()));
        if !self.config.watch.places.is_empty() {
            self.until_stop(keep_places(self.engine.clone()));
        }
        if let Some(hands) = Hands::new(&self.config.watch)? {
            let news = self.engine.watching().news();
            self.until_stop(hands.follow(news));
        }
        if let Some(socket) = self.config.watch.firewall.clone() {
            let news = self.engine.watching().news();
            self.until_stop(firewall::follow(self.engine.clone(), socket, news));
        }
        if let Some(recall) = &self.config.recall {
            let mover = recall.mover(&self.config.limits)?;
            let store = self.engine.store().clone();
            let desk = desk(&self.config, store, Author::by_itself("recall"));
            self.until_stop(recall::follow(desk, mover));
        }
        if self.config.reports.sends() {
            let store = self.engine.store().clone();
            let desk = desk(&self.config, store, Author::by_itself("reports"));
            let courier = SmtpCourier::new(&self.config);
            let (engine, settings) = (self.engine.clone(), self.config.reports.clone());
            self.until_stop(send_reports(desk, engine, settings, courier));
        }
        if let Some(settings) = self.config.console.digest.clone() {
            let store = self.engine.store().clone();
            let desk = desk(&self.config, store, Author::by_itself("digest"));
            let courier = SmtpCourier::new(&self.config);
            self.until_stop(send_digests(desk, settings, courier));
        }
        Ok(http)
    }

    /// Serves mail servers and their helpers.
    fn open_doors(&mut self) -> anyhow::Result<()> {
        let doorway = Arc::new(Doorway {
            engine: self.engine.clone(),
            room: Room::new(&self.config.limits),
            tasks: self.connections.clone(),
            stop: self.stop.clone(),
        });
        let listeners = std::mem::take(&mut self.listeners);
        for listener in listeners.milter {
            tracing::info!("milter door open at {}", listener.name());
            self.background
                .spawn(milter::serve(listener, doorway.clone()));
        }
        for (listener, config) in listeners.proxies {
            tracing::info!(
                "mail goes through {} to {}",
                listener.name(),
                config.next_hop
            );
            self.background
                .spawn(proxy::serve(listener, doorway.clone(), config));
        }
        for listener in listeners.delegation {
            tracing::info!("Postfix delegates its policy to {}", listener.name());
            let tells = self.config.watch.sends_by_delegation;
            self.background
                .spawn(delegation::serve(listener, doorway.clone(), tells));
        }
        if !listeners.watch.is_empty() || !listeners.events.is_empty() {
            let door = WatchDoor::new(&self.config, self.engine.clone())?;
            for listener in listeners.events {
                tracing::info!("Dovecot exports its events to {}", listener.name());
                self.background
                    .spawn(events::serve(listener, doorway.clone(), door.clone()));
            }
            for listener in listeners.watch {
                tracing::info!(
                    "servers tell what users do at {} (auth policy, events, nginx, JSON)",
                    listener.name()
                );
                let serve = watch::serve(listener, door.clone(), self.stop.clone());
                self.background.spawn(async move {
                    if let Err(error) = serve.await {
                        tracing::error!("the door for operations closed: {error}");
                    }
                });
            }
        }
        if listeners.scan.is_empty() && listeners.scan_http.is_empty() {
            return Ok(());
        }
        let scanning = Scanning::new(&self.config, self.engine.clone())?;
        for listener in listeners.scan {
            tracing::info!("scanning clients ask at {} (spamc, Exim)", listener.name());
            self.background
                .spawn(spamd::serve(listener, doorway.clone(), scanning.clone()));
        }
        for listener in listeners.scan_http {
            tracing::info!("scanning clients ask at {} (/checkv2)", listener.name());
            let serve = rspamd::serve(listener, scanning.clone(), self.stop.clone());
            self.background.spawn(async move {
                if let Err(error) = serve.await {
                    tracing::error!("the door for /checkv2 closed: {error}");
                }
            });
        }
        Ok(())
    }

    /// A link by which whoever follows it first becomes an administrator of the console.
    pub async fn console_link(&self) -> anyhow::Result<Option<String>> {
        let (Some(desk), Some(url)) = (&self.desk, &self.console_url) else {
            return Ok(None);
        };
        let gate = gate(&self.config, self.engine.store().clone())?;
        let code = desk.first_link(&gate).await?;
        Ok(Some(format!("{url}/welcome?code={code}")))
    }

    async fn start_http(&self, address: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on {address} (http.listen); is another program there?")
        })?;
        let address = listener.local_addr()?;
        tracing::info!("health and metrics at http://{address}/metrics");
        let serve = http::serve(listener, self.engine.clone(), self.stop.clone());
        self.background.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!("the HTTP door closed: {error}");
            }
        });
        Ok(address)
    }

    /// Opens the console for people.
    async fn start_console(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on {address} (console.listen); is another program there?")
        })?;
        let store = self.engine.store().clone();
        let desk = desk(
            &self.config,
            store.clone(),
            Author::at_the_machine("console"),
        );
        let mut settings = console_settings(&self.config)?;
        if address.port() == 0 {
            settings.url = format!("http://{}", listener.local_addr()?);
        }
        self.console_url = Some(settings.url.clone());
        if desk.store().people().await?.is_empty() {
            tracing::info!("nobody may log in to the console yet: run `mailvigil console link`");
        }
        tracing::info!("console at {}", settings.url);
        let gate = gate(&self.config, store)?;
        self.desk = Some(desk.clone());
        let router = console::router(desk, gate, self.engine.clone(), settings, self.stop.clone());
        let stop = self.stop.clone();
        self.background.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let serve = axum::serve(listener, service);
            if let Err(error) = serve.with_graceful_shutdown(stop.cancelled_owned()).await {
                tracing::error!("the console closed: {error}");
            }
        });
        Ok(())
    }

    /// Takes no new connections, answers the messages in hand for at most `drain_secs`, writes down
    /// what waits.
    pub async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        self.background.close();
        if tokio::time::timeout(self.config.drain, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "{} connections were cut off after {} s; their messages will be sent again",
                self.connections.len(),
                self.config.drain.as_secs()
            );
        }
        if !self.engine.recorder().flush(Duration::from_secs(10)).await {
            tracing::error!("some records of delivered mail could not be written before the end");
        }
        if let Err(error) = self.engine.share_standing().await {
            tracing::error!("what was counted of domains since the last minute is lost: {error}");
        }
        if let Err(error) = self.engine.keep_sessions().await {
            tracing::error!("what was counted of sessions since the last minute is lost: {error}");
        }
        self.engine.say_last().await;
        if let Err(error) = self.engine.keep_watch().await {
            tracing::error!("what users did in the last moments is not written: {error}");
        }
        if let Err(error) = self.engine.keep_learning().await {
            tracing::error!("what was seen in the last moments waits for no label: {error}");
        }
        if let Err(error) = self.engine.keep_model().await {
            tracing::warn!(
                "the model was not written, the next start learns the log anew: {error}"
            );
        }
        if let Err(error) = self.engine.keep_snapshot().await {
            tracing::warn!(
                "no snapshot of the watch was made, the next start counts again from the store: {error}"
            );
        }
    }

    /// Takes over what can change while the service runs; says what waits for a restart. A configuration with a problem
    /// changes nothing.
    async fn reload(&mut self, config: anyhow::Result<Config>) {
        match config {
            Ok(config) => {
                self.engine
                    .change_settings(config.site.clone(), config.on_failure);
                if let Some(desk) = &self.desk {
                    desk.change_site(config.site.clone());
                    desk.change_courier(Arc::new(SmtpCourier::new(&config)));
                }
                let waiting = self.config.restart_needed(&config);
                if waiting.is_empty() {
                    tracing::info!("the configuration was read again and holds");
                } else {
                    tracing::warn!(
                        "the configuration was read again; these need a restart: {}",
                        waiting.join(", ")
                    );
                }
            }
            Err(error) => {
                tracing::error!("the configuration was not taken over, the old one stays: {error}");
            }
        }
        match self.engine.refresh_policy().await {
            Ok(_) => tracing::info!(
                policy.version = self.engine.policy().now().version,
                "reloaded"
            ),
            Err(error) => tracing::error!("the policy was not read again: {error}"),
        }
    }

    fn until_stop(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.background.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// `serve`: runs until SIGTERM or SIGINT; SIGHUP reads the configuration `again` and looks for a newer policy at once.
pub async fn serve(
    config: Config,
    again: &dyn Fn() -> anyhow::Result<Config>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut service = Service::open(config).await?;
    service.start().await?;
    tracing::info!(
        policy.version = service.engine.policy().now().version,
        "ready"
    );
    // Without systemd these two do nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    service.until_stop(feed_watchdog(service.engine.clone()));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => service.reload(again()).await,
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: messages in hand are answered first");
    service.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the store of a configuration, making the data folder when it is missing.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = &config.data;
    // Only the service's own account may look: the folder holds other people's mail.
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    let settings = store::StoreConfig {
        database: config.database.clone(),
        bodies: config.quarantine.clone(),
        audit_head: folder.join("audit-head"),
        quarantine_bytes_max: config.limits.quarantine_bytes_max,
        facts_bytes_max: config.limits.facts_bytes_max,
    };
    Store::open(&settings)
        .await
        .context("the store cannot be opened")
}

/// The desk of somebody, over this store, with this configuration.
pub fn desk(config: &Config, store: Store, author: Author) -> Desk {
    Desk::new(
        store,
        config.limits.clone(),
        config.site.clone(),
        config.console.care.clone(),
        Some(Arc::new(SmtpCourier::new(config))),
        Arc::new(Readers::new(&config.limits).with_ocr(config.ocr.clone())),
        author,
    )
}

/// The gate before a store.
pub fn gate(config: &Config, store: Store) -> anyhow::Result<Gate> {
    let rules = Rules {
        breached: config.console.breached_passwords.clone(),
    };
    Gate::new(store, rules).map_err(|error| anyhow::anyhow!("the gate cannot be made: {error}"))
}

/// What the console needs to know.
fn console_settings(config: &Config) -> anyhow::Result<console::Settings> {
    let console = &config.console;
    let oidc = match &console.oidc {
        None => None,
        Some(oidc) => {
            let file = &oidc.client_secret_file;
            let secret = std::fs::read_to_string(file).with_context(|| {
                format!(
                    "{} (console.oidc.client_secret_file) cannot be read",
                    file.display()
                )
            })?;
            Some(console::OidcSettings {
                issuer: oidc.issuer.clone(),
                client_id: oidc.client_id.clone(),
                client_secret: mail::Secret::new(secret.trim().to_owned()),
                name_claim: oidc.name_claim.clone(),
            })
        }
    };
    Ok(console::Settings {
        oidc,
        url: console.url.clone(),
        proxies: console.proxies.clone(),
        site_name: console.site_name.clone(),
    })
}

/// Takes over newer policy versions, and tells the store by which version this node judges, so that
/// `policy apply` can say when a change holds.
async fn keep_policy_fresh(engine: Arc<Engine>) {
    let mut said = std::time::Instant::now().checked_sub(PRESENCE_EVERY);
    let mut away = false;
    loop {
        match engine.refresh_policy().await {
            Ok(changed) => {
                away = false;
                if changed || said.is_none_or(|said| said.elapsed() >= PRESENCE_EVERY) {
                    match engine.say_presence().await {
                        Ok(()) => said = Some(std::time::Instant::now()),
                        Err(error) => tracing::warn!("this node's presence was not noted: {error}"),
                    }
                    if let Err(error) = engine.store().note_acts_head().await {
                        tracing::warn!("the end of the log of acts was not noted: {error}");
                    }
                }
            }
            Err(error) if !away => {
                away = true;
                engine.metrics().store_up.set(0);
                tracing::error!("the store does not answer; the policy in force stays: {error}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(POLICY_EVERY) => {}
            () = engine.policy_changed() => {}
        }
    }
}

/// Retention and expiry, every few minutes.
async fn keep_store_tidy(engine: Arc<Engine>) {
    loop {
        match engine.tidy().await {
            Ok(swept) if swept.is_empty() => {}
            Ok(swept) => tracing::info!("retention: {swept}"),
            Err(error) => tracing::warn!("retention waits for the store: {error}"),
        }
        tokio::time::sleep(KEEP_EVERY).await;
    }
}

/// Shares what was counted of domains, and lets them move between stages.
async fn keep_standing(engine: Arc<Engine>) {
    let mut reviewed = std::time::Instant::now();
    loop {
        tokio::time::sleep(SHARE_EVERY).await;
        if let Err(error) = engine.keep_sessions().await {
            tracing::warn!("counts of sessions to other servers wait for the store: {error}");
        }
        if reviewed.elapsed() < REVIEW_EVERY {
            if let Err(error) = engine.share_standing().await {
                tracing::warn!("counts of domains wait for the store: {error}");
            }
            continue;
        }
        reviewed = std::time::Instant::now();
        match engine.review_standing().await {
            Ok(switches) => {
                for switch in switches {
                    let (domain, from, to) = (&switch.domain, switch.from, switch.to);
                    tracing::info!("{domain} goes from {from} to {to}: {}", switch.why);
                }
            }
            Err(error) => tracing::warn!("domains' standing waits for the store: {error}"),
        }
    }
}

/// Writes down what users did, and does what people want of the watch.
async fn keep_watch(engine: Arc<Engine>) {
    let mut complained = false;
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        match engine.keep_watch().await {
            Ok(()) => complained = false,
            Err(error) if !complained => {
                complained = true;
                tracing::warn!("what users do is counted, and waits for the store: {error}");
            }
            Err(_) => {}
        }
    }
}

/// Writes down what was seen of messages, and learns what people said.
async fn keep_learning(engine: Arc<Engine>) {
    let mut complained = false;
    loop {
        tokio::time::sleep(LEARN_EVERY).await;
        match engine.keep_learning().await {
            Ok(()) => complained = false,
            Err(error) if !complained => {
                complained = true;
                tracing::warn!("nothing is learnt at the moment: {error}");
            }
            Err(_) => {}
        }
    }
}

/// A snapshot now and then: the less there is to count again after a crash.
async fn keep_snapshot(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(SNAPSHOT_EVERY).await;
        if let Err(error) = engine.keep_snapshot().await {
            tracing::warn!("no snapshot of the watch was made: {error}");
        }
        if let Err(error) = engine.keep_model().await {
            tracing::warn!("the model was not written: {error}");
        }
    }
}

/// Reads the files of places again when one of them is another: they are replaced every week.
async fn keep_places(engine: Arc<Engine>) {
    let written = |engine: &Engine| -> Vec<_> {
        let files = engine.watching().place_files().iter();
        let written = |file| {
            std::fs::metadata(file)
                .and_then(|file| file.modified())
                .ok()
        };
        files.map(written).collect()
    };
    let mut read = written(&engine);
    loop {
        tokio::time::sleep(PLACES_EVERY).await;
        let now = written(&engine);
        if now == read {
            continue;
        }
        let reader = engine.clone();
        let done = tokio::task::spawn_blocking(move || reader.watching().read_places()).await;
        match done {
            Ok(Ok(())) => tracing::info!("the files of places were read again"),
            Ok(Err(error)) => tracing::warn!("the old files of places stay in use: {error}"),
            Err(_) => return, // the runtime is going down
        }
        read = now;
    }
}

/// Reports to owners of domains, when they are due.
async fn send_reports(
    desk: Desk,
    engine: Arc<Engine>,
    settings: ReportSettings,
    courier: SmtpCourier,
) {
    loop {
        let authenticity = engine.settings().authenticity.clone();
        let verifier = authenticity.verifier.as_ref();
        let dispatch = Dispatch {
            settings: &settings,
            resolver: verifier.map(|verifier| &**verifier.resolver()),
            courier: &courier,
        };
        match desk.send_due_reports(dispatch).await {
            Ok(letters) => say_letters(&letters),
            Err(error) => tracing::warn!("reports wait: {error}"),
        }
        tokio::time::sleep(REPORTS_EVERY).await;
    }
}

/// What came of sending, for the log.
fn say_letters(letters: &Letters) {
    if letters.sent > 0 {
        tracing::info!("{} reports sent", letters.sent);
    }
    for why in &letters.refused {
        tracing::info!("a report is not sent: {}", why.escape_debug());
    }
    for why in &letters.later {
        tracing::warn!("a report waits: {}", why.escape_debug());
    }
}

/// Digests to mailbox owners, when they are due.
async fn send_digests(desk: Desk, settings: DigestSettings, courier: SmtpCourier) {
    loop {
        match desk.send_due_digests(&settings, &courier).await {
            Ok(round) if round == engine::Round::default() => {}
            Ok(round) => tracing::info!("{} digests sent, {} not", round.sent, round.refused),
            Err(error) => tracing::warn!("digests wait: {error}"),
        }
        tokio::time::sleep(DIGEST_EVERY).await;
    }
}

/// Tells systemd that we live, as long as the engine's locks can be had.
async fn feed_watchdog(engine: Arc<Engine>) {
    let Some(every) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        engine.count_window_keys();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(every / 3).await;
    }
}
