//! Tells the firewall's helper which sources are to be dropped (`commands/firewall.rs`), whenever that changes.
//!
//! The firewall knows no accounts. So a source by which somebody of ours came lately is left to the doors, which let those through whom an account
//! knew before; what is dropped are strangers' machines that nobody would miss. Nothing waits for the helper, and without it the doors refuse as
//! they always do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::now;
use engine::watch::{Scope, Step};
use engine::{Engine, News};
use mail::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use wire::firewall::{Dropped, SOURCES_MAX, read_answer, request};

/// Changes are gathered for so long: a botnet's blocks come by the dozen.
const GATHERED: Duration = Duration::from_secs(1);
/// Without news it is looked so often: settings and time change what stands, too.
const LOOKED: Duration = Duration::from_secs(5);
/// And told again so often, whatever happened to the table meanwhile.
const AGAIN: Duration = Duration::from_mins(1);
/// How long the helper may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells until the task is dropped.
pub async fn follow(engine: Arc<Engine>, socket: PathBuf, mut news: Receiver<News>) {
    let mut told: Option<(BTreeMap<IpAddr, Timestamp>, Instant)> = None;
    let mut complained = false;
    loop {
        let sources = to_be_dropped(&engine);
        let fresh = told
            .as_ref()
            .is_some_and(|(known, at)| *known == sources && at.elapsed() < AGAIN);
        if !fresh {
            match tell(&socket, &sources).await {
                Ok(dropped) => {
                    if complained {
                        tracing::info!("the firewall's helper answers again");
                    }
                    complained = false;
                    engine.metrics().firewall_sources.set(dropped as i64);
                    told = Some((sources, Instant::now()));
                }
                Err(why) => {
                    if !complained {
                        tracing::warn!(
                            "the firewall drops nothing new, doors refuse as before: {} (watch.firewall): {}",
                            socket.display(),
                            crate::show::safe(&why)
                        );
                    }
                    complained = true;
                    engine.metrics().firewall_sources.set(0);
                    told = None;
                }
            }
        }
        // Whatever the news is, everything that stands is looked at.
        match tokio::time::timeout(LOOKED, news.recv()).await {
            Ok(Err(RecvError::Closed)) => return,
            Ok(_) => tokio::time::sleep(GATHERED).await,
            Err(_) => {}
        }
        while news.try_recv().is_ok() {}
    }
}

/// Sources that are blocked, and until when; those that stand longest where there are too many.
fn to_be_dropped(engine: &Engine) -> BTreeMap<IpAddr, Timestamp> {
    let watching = engine.watching();
    let mut sources = BTreeMap::new();
    for decision in watching.enforced() {
        let Scope::Source(ip) = decision.scope else {
            continue;
        };
        if decision.step == Step::BlockSource && watching.people_behind(ip) == 0 {
            let until = sources.entry(ip).or_insert(decision.expires);
            *until = (*until).max(decision.expires);
        }
    }
    if sources.len() > SOURCES_MAX {
        let mut ends: Vec<Timestamp> = sources.values().copied().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let least = ends[SOURCES_MAX];
        sources.retain(|_, until| *until > least);
    }
    sources
}

async fn tell(socket: &PathBuf, sources: &BTreeMap<IpAddr, Timestamp>) -> Result<usize, String> {
    let at = now();
    let dropped: Vec<Dropped> = sources
        .iter()
        .filter_map(|(ip, until)| {
            let secs = until.micros_since(at) / 1_000_000;
            Dropped::new(*ip, u32::try_from(secs).ok()?)
        })
        .collect();
    let exchange = async {
        let stream = UnixStream::connect(socket).await?;
        let (reader, mut writer) = stream.into_split();
        writer.write_all(request(&dropped).as_bytes()).await?;
        let mut line = String::new();
        let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(reader, 1000));
        reader.read_line(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(line)) => read_answer(&line),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
