//! An organisation and its attackers, played against the watch: how good it is, in figures anybody can repeat.
//!
//! [`run`] makes people (`world`), lets them live (`life`) and lets attackers in (`attacks`), in one order of time. Everybody feels
//! the answers: who is refused does not get in, who is made to wait is later, and attackers change their address. For the first
//! days there are no attackers and nothing acts, so that habits can be learnt; then everything is switched on. The same plan gives
//! the same report.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mail::{Operation, Timestamp};

mod attacks;
mod dice;
mod figures;
mod life;
mod others;
mod raid;
mod stage;
mod world;

#[cfg(test)]
mod tests;

pub use figures::{OfAttack, OfDetector, Report};
pub use others::OfOther;

use crate::Watch;
use crate::settings::{Mode, Settings};
use attacks::ATTACKS;
use dice::Dice;
use figures::{Actor, Figures};
use life::{Deed, What};
use raid::Raid;
use stage::Stage;
use world::World;

/// Midnight of a Monday.
const START: Timestamp = Timestamp::from_secs(1_799_625_600);
/// The key of the watch's hashes; a figure must not depend on it.
const SECRET: u64 = 0x6d61_696c_7669_6769;

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Everything chance decides follows from it.
    pub seed: u64,
    /// People.
    pub users: usize,
    /// Days to learn in, without attackers and without consequences.
    pub learning_days: u32,
    /// Days that count.
    pub days: u32,
    /// Attackers of each kind.
    pub attackers: u32,
    /// Do the doors see passwords? Dovecot's auth-policy only shows hashes of account and password together, by which one password on
    /// many accounts cannot be told; that is the default here because it is harder.
    pub passwords_seen: bool,
    /// Memory, bytes.
    pub bytes_max: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            users: 2000,
            learning_days: 8,
            days: 7,
            attackers: 6,
            passwords_seen: false,
            bytes_max: 128 << 20,
        }
    }
}

/// Plays it. `keep` is given each operation in order, for a replay; `progress` the days that are done.
pub fn run(
    plan: &Plan,
    settings: &Settings,
    keep: &mut dyn FnMut(&Operation),
    progress: &mut dyn FnMut(u32),
) -> Report {
    let dice = Dice::new(plan.seed);
    let mut world = World::new(plan, &mut dice.apart(1));
    let mut watch = Watch::new(Settings::in_mode(Mode::Observe), plan.bytes_max, SECRET);
    let mut figures = Figures::new();
    let mut raiders = Raiders::new(plan, &world, &mut figures, &mut dice.apart(2));
    let (mut of_life, mut of_raids) = (dice.apart(3), dice.apart(4));
    let mut number = 0;
    for day in 0..plan.learning_days + plan.days {
        let midnight = START.plus_secs(i64::from(day) * 86_400);
        if day == plan.learning_days {
            figures.start();
            watch.set(settings.clone());
        }
        watch.expire(midnight);
        let deeds = life::day(&mut world, midnight, &mut of_life);
        let mut stage = Stage {
            world: &mut world,
            watch: &mut watch,
            figures: &mut figures,
            passwords_seen: plan.passwords_seen,
            number: &mut number,
            keep,
            actor: Actor::Stranger,
        };
        for deed in deeds {
            raiders.until(deed.at, &mut stage, &mut of_raids);
            stage.actor = actor_of(&deed);
            life::act(&mut stage, deed, &mut of_life);
        }
        progress(day + 1);
    }
    let user_days = plan.users as u64 * u64::from(plan.days);
    figures.report(user_days, watch.bytes())
}

const fn actor_of(deed: &Deed) -> Actor {
    match deed.what {
        What::Session { .. } => Actor::Person(deed.who),
        What::Arrives { .. }
        | What::ForTheGone { .. }
        | What::Slip { .. }
        | What::OfTheGone { .. } => Actor::Stranger,
    }
}

/// Attackers, and whose turn it is.
struct Raiders {
    raids: Vec<(usize, Box<dyn Raid>)>,
    turns: BinaryHeap<Reverse<(i64, usize)>>,
}

impl Raiders {
    fn new(plan: &Plan, world: &World, figures: &mut Figures, dice: &mut Dice) -> Self {
        let mut raiders = Self {
            raids: Vec::new(),
            turns: BinaryHeap::new(),
        };
        let first = START.plus_secs(i64::from(plan.learning_days) * 86_400);
        // Attacks have time to run their course, patient ones too: none begins in the last two fifths.
        let span = u64::from(plan.days) * 86_400 * 3 / 5;
        for (attack, kind) in ATTACKS.iter().enumerate() {
            for _ in 0..plan.attackers {
                let actor = figures.raider(attack);
                let start = first.plus_secs(dice.below(span.max(1)) as i64);
                raiders.turns.push(Reverse((start.0, raiders.raids.len())));
                raiders.raids.push((actor, (kind.make)(world, dice)));
            }
        }
        raiders
    }

    /// Everything attackers do until then.
    fn until(&mut self, until: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) {
        while let Some(Reverse((at, turn))) = self.turns.peek().copied() {
            if at > until.0 {
                return;
            }
            self.turns.pop();
            let (actor, raid) = &mut self.raids[turn];
            stage.actor = Actor::Raider(*actor);
            if let Some(secs) = raid.step(Timestamp(at), stage, dice) {
                let later = (secs.max(0.001) * 1e6) as i64;
                self.turns.push(Reverse((at + later, turn)));
            }
        }
    }
}
