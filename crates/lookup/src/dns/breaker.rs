//! Notices that DNS is away, so that mail does not wait for it, message after message.
//!
//! Silence alone proves nothing: whoever owns a domain can have its servers say nothing, and send much mail in its name. So after
//! many silences in a row a question of our own is asked, whose answer no sender has in his hand; only when that is not answered
//! either do questions fail at once, and it is asked again every moment until somebody answers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Kind, Name, Question};

/// How often it is tried whether DNS is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What a question meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Ask.
    Open,
    /// Do not ask: nobody has answered.
    Shut,
}

/// Counts silences, and remembers whether DNS is away.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    silences: u32,
    shut: bool,
    probed: Option<Instant>,
}

impl Breaker {
    /// May a question be asked now, and is it time to try whether DNS answers at all?
    pub(super) fn way(&self, now: Instant, silences_max: u32) -> (Way, bool) {
        let mut state = self.state();
        let doubtful = state.shut || state.silences >= silences_max;
        let rested = state
            .probed
            .is_none_or(|probed| now.duration_since(probed) >= PROBE_EVERY);
        let probe = doubtful && rested;
        if probe {
            state.probed = Some(now);
        }
        (if state.shut { Way::Shut } else { Way::Open }, probe)
    }

    /// Somebody answered, anything.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if state.shut {
            tracing::info!("DNS answers again");
        }
        *state = State::default();
    }

    /// A question of a message was not answered in its time.
    pub(super) fn silent(&self) {
        let mut state = self.state();
        state.silences = state.silences.saturating_add(1);
    }

    /// Our own question was not answered in its time.
    pub(super) fn probe_silent(&self) {
        let mut state = self.state();
        if !state.shut {
            tracing::warn!(
                "no DNS server answers: senders are not verified until one does, and mail does not wait for it"
            );
        }
        state.shut = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment; a panic cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question every resolver can answer that reaches the root's or a registry's servers, and whose answer no sender of mail decides.
pub(super) fn control() -> Option<Question> {
    Some(Question {
        name: Name::parse("com")?,
        kind: Kind::Txt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_others_shuts_nothing_but_our_own_question_does() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(breaker.way(start, 3), (Way::Open, false));
            breaker.silent();
        }
        breaker.silent();
        assert_eq!(breaker.way(start, 3), (Way::Open, true), "in doubt");
        assert_eq!(breaker.way(start, 3), (Way::Open, false), "once a second");
        breaker.probe_silent();
        assert_eq!(breaker.way(start, 3), (Way::Shut, false));
        let later = start + PROBE_EVERY;
        assert_eq!(breaker.way(later, 3), (Way::Shut, true));
        breaker.answered();
        assert_eq!(breaker.way(later, 3), (Way::Open, false));
    }

    #[test]
    fn one_answer_ends_the_doubt() {
        let breaker = Breaker::default();
        (0..9).for_each(|_| breaker.silent());
        breaker.answered();
        assert_eq!(breaker.way(Instant::now(), 3), (Way::Open, false));
    }
}
