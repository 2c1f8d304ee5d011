//! How much: the numbers a monitoring system scrapes.
//!
//! What happened to one message is a record, the health of the program is a log line; only counts
//! and durations are here. `docs/operating.md` names them all; a test holds it to that.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of `mailvigil_messages`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MessageLabels {
    /// `inbound`, `outbound`, `internal`
    pub direction: &'static str,
    /// `ordinary`, `suspicious`, `dangerous`
    pub level: &'static str,
    /// The strongest action of the verdict.
    pub action: &'static str,
}

/// Labels of `mailvigil_failures`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FailureLabels {
    /// What failed: `store`, `deadline`, `not-read` (too large, or no room), `bug`.
    pub why: &'static str,
}

/// Labels of `mailvigil_operations`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ToldLabels {
    /// Which door: `auth-policy`, `events`, …
    pub door: String,
    /// What kind: `login`, `send`, …
    pub kind: String,
}

impl ToldLabels {
    /// Of an operation.
    pub fn of(operation: &mail::Operation) -> Self {
        use crate::watching::word;
        Self {
            door: word(&operation.door),
            kind: word(&operation.kind()),
        }
    }
}

/// Labels of `mailvigil_detections`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DetectorLabels {
    /// Which detector.
    pub detector: &'static str,
    /// Was it sure enough to do something?
    pub acts: bool,
}

/// Labels of `mailvigil_asked`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AskedLabels {
    /// Who asked: `auth-policy`, `auth-http`, `delegation`.
    pub door: &'static str,
    /// What was said: `allow`, `wait`, `later`, `refuse`, `hold`.
    pub said: &'static str,
}

/// Labels of `mailvigil_connections_ended`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndLabels {
    /// `quit`, `closed`, `misbehaved`, `idle`, `refused`, `drained`.
    pub how: &'static str,
}

/// Labels of `mailvigil_hub`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HubLabels {
    /// One of the below.
    pub what: &'static str,
}

impl HubLabels {
    /// Operations, decisions, arrivals and looks told to other nodes.
    pub const TIDINGS_TOLD: Self = Self {
        what: "tidings-told",
    };
    /// The same, heard of them.
    pub const TIDINGS_HEARD: Self = Self {
        what: "tidings-heard",
    };
    /// Not told, because too much waited.
    pub const TIDINGS_DROPPED: Self = Self {
        what: "tidings-dropped",
    };
    /// Told by others, and gone before they were heard.
    pub const BATCHES_MISSED: Self = Self {
        what: "batches-missed",
    };
    /// Not of this installation, or there twice.
    pub const BATCHES_REFUSED: Self = Self {
        what: "batches-refused",
    };
}

/// Every metric of the service, registered once.
pub struct Metrics {
    registry: Registry,
    /// Messages judged.
    pub messages: Family<MessageLabels, Counter>,
    /// Messages that `on_failure` answered.
    pub failures: Family<FailureLabels, Counter>,
    /// Time from a message's last byte to its answer, seconds.
    pub answer_seconds: Histogram,
    /// Recipients refused or put off before the message text.
    pub recipients_refused: Counter,
    /// Milter connections open now.
    pub connections: Gauge,
    /// Milter connections ended, by how.
    pub connections_ended: Family<EndLabels, Counter>,
    /// Message bytes held in memory now.
    pub in_flight_bytes: Gauge,
    /// Records that wait to be written.
    pub record_queue: Gauge,
    /// Records dropped because the queue was full or the store refused them for too long.
    pub records_dropped: Counter,
    /// Messages that passed a mail server unjudged, found in its log.
    pub unscanned: Counter,
    /// Attachments handed to readers of documents.
    pub documents: Counter,
    /// Readers of documents that died or were ended.
    pub reader_deaths: Gauge,
    /// The policy version in force.
    pub policy_version: Gauge,
    /// Policy versions that were refused when they should have come into force.
    pub policy_refused: Counter,
    /// Keys in the sliding windows.
    pub window_keys: Gauge,
    /// 1 while the store answers, 0 while it does not.
    pub store_up: Gauge,
    /// Operations that doors told.
    pub operations: Family<ToldLabels, Counter>,
    /// Of those, what another door had told before.
    pub twins: Counter,
    /// Operations counted and not kept, because too many wait to be written.
    pub operations_dropped: Counter,
    /// What detectors saw.
    pub detections: Family<DetectorLabels, Counter>,
    /// Questions of doors, by what was said.
    pub asked: Family<AskedLabels, Counter>,
    /// The place in the training log up to which this node has learnt.
    pub lessons: Gauge,
    /// Lessons learnt once more because others were taken back.
    pub lessons_relearnt: Counter,
    /// Messages whose sight was not kept for labels, because too many wait to be written.
    pub sights_dropped: Counter,
    /// By how much the scores of the last 2,000 messages differ from those of the 2,000 before (population stability index).
    pub scores_shift: Gauge<f64, AtomicU64>,
    /// How much more the site is guessed at than usual: 0 as always, 1 as bad as it gets.
    pub watch_attack_level: Gauge<f64, AtomicU64>,
    /// Sources that the firewall drops; 0 while its helper is away.
    pub firewall_sources: Gauge,
    /// What nodes tell one another.
    pub hub: Family<HubLabels, Counter>,
    /// 1 while other nodes can be told and heard; 0 on a node that is alone.
    pub hub_up: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            messages: Family::default(),
            failures: Family::default(),
            // 50 us to 26 s in factors of two and a bit: the aim is under 5 ms, the deadline 10 s.
            answer_seconds: Histogram::new(exponential_buckets(0.000_05, 2.4, 16)),
            recipients_refused: Counter::default(),
            connections: Gauge::default(),
            connections_ended: Family::default(),
            in_flight_bytes: Gauge::default(),
            record_queue: Gauge::default(),
            records_dropped: Counter::default(),
            unscanned: Counter::default(),
            documents: Counter::default(),
            reader_deaths: Gauge::default(),
            policy_version: Gauge::default(),
            policy_refused: Counter::default(),
            window_keys: Gauge::default(),
            store_up: Gauge::default(),
            operations: Family::default(),
            twins: Counter::default(),
            operations_dropped: Counter::default(),
            detections: Family::default(),
            asked: Family::default(),
            lessons: Gauge::default(),
            lessons_relearnt: Counter::default(),
            sights_dropped: Counter::default(),
            scores_shift: Gauge::default(),
            watch_attack_level: Gauge::default(),
            firewall_sources: Gauge::default(),
            hub: Family::default(),
            hub_up: Gauge::default(),
        };
        metrics.store_up.set(1);
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        macro_rules! register {
            ($($field:ident: $help:literal),* $(,)?) => {
                $(registry.register(concat!("mailvigil_", stringify!($field)), $help, self.$field.clone());)*
            };
        }
        register! {
            messages: "Messages judged",
            failures: "Messages that on_failure answered",
            answer_seconds: "Time from a message's last byte to its answer",
            recipients_refused: "Recipients refused or put off before the message text",
            connections: "Milter connections open now",
            connections_ended: "Milter connections ended",
            in_flight_bytes: "Message bytes held in memory now",
            record_queue: "Records that wait to be written",
            records_dropped: "Records dropped because the queue was full or the store away",
            unscanned: "Messages that passed a mail server unjudged, found in its log",
            documents: "Attachments handed to readers of documents",
            reader_deaths: "Readers of documents that died or were ended",
            policy_version: "The policy version in force",
            policy_refused: "Policy versions refused when they should have come into force",
            window_keys: "Keys in the sliding windows",
            store_up: "1 while the store answers",
            operations: "Operations of users that doors told",
            twins: "Operations that another door had told before",
            operations_dropped: "Operations counted and not kept because too many wait to be written",
            detections: "What detectors saw",
            asked: "Questions about logins and mail, by what was said",
            lessons: "The place in the training log up to which this node has learnt",
            lessons_relearnt: "Lessons learnt once more because others were taken back",
            sights_dropped: "Messages whose sight was not kept for labels",
            scores_shift: "By how much the learner's scores of all mail differ from those before",
            watch_attack_level: "How much more the site is guessed at than usual, 0 to 1",
            firewall_sources: "Sources that the firewall drops",
            hub: "What nodes tell one another",
            hub_up: "1 while other nodes can be told and heard",
        }
        self
    }

    /// Counts something of the hub.
    pub(crate) fn hub(&self, what: HubLabels, many: u64) {
        self.hub.get_or_create(&what).inc_by(many);
    }

    /// The OpenMetrics text of everything.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Encoding writes into a String, which cannot fail; an empty page would show the bug.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AskedLabels, DetectorLabels, EndLabels, FailureLabels, HubLabels, MessageLabels, Metrics,
        ToldLabels,
    };

    #[test]
    fn the_manual_names_every_metric() {
        let manual = include_str!("../../../docs/operating.md");
        let metrics = Metrics::default();
        // A family shows itself with its first member.
        drop(metrics.messages.get_or_create(&MessageLabels {
            direction: "inbound",
            level: "ordinary",
            action: "accept",
        }));
        drop(
            metrics
                .failures
                .get_or_create(&FailureLabels { why: "store" }),
        );
        drop(
            metrics
                .connections_ended
                .get_or_create(&EndLabels { how: "quit" }),
        );
        drop(metrics.operations.get_or_create(&ToldLabels {
            door: "events".into(),
            kind: "login".into(),
        }));
        drop(metrics.detections.get_or_create(&DetectorLabels {
            detector: "auth.hit",
            acts: true,
        }));
        drop(metrics.asked.get_or_create(&AskedLabels {
            door: "auth-policy",
            said: "allow",
        }));
        metrics.hub(HubLabels::TIDINGS_TOLD, 1);
        let text = metrics.text();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut count = 0;
        for (name, kind) in types.filter_map(|one| one.split_once(' ')) {
            let shown = if kind == "counter" {
                format!("{name}_total")
            } else {
                name.to_owned()
            };
            assert!(
                manual.contains(&shown),
                "{shown} is not in docs/operating.md"
            );
            count += 1;
        }
        assert_eq!(count, 29);
    }
}
