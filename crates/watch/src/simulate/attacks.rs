//! The attacks, A to K: each with its ranges, from which chance draws every single one.
//!
//! Behind each stands a part of the catalogue (behaviour.md, section 3) and what operators report. None knows the thresholds; the ranges reach
//! well below and above them, so some of what is drawn here cannot be told, and the figures say so.

use super::dice::Dice;
use super::raid::{Bomber, Guesser, Harvester, List, Loot, Raid, Shared, Thief, somewhere};
use super::stage::From;
use super::world::{COMMON_PASSWORDS, World, common};

/// One attack.
pub(super) struct Attack {
    pub name: &'static str,
    pub make: fn(&World, &mut Dice) -> Box<dyn Raid>,
}

/// All of them.
pub(super) const ATTACKS: [Attack; 11] = [
    Attack {
        name: "A brute force from one source",
        make: brute_force,
    },
    Attack {
        name: "B stolen lists of passwords",
        make: stuffing,
    },
    Attack {
        name: "C many addresses against one account",
        make: distributed,
    },
    Attack {
        name: "D a few passwords on all accounts",
        make: spray,
    },
    Attack {
        name: "E slow guessing",
        make: slow,
    },
    Attack {
        name: "F guessed, drained, used for spam",
        make: guessed,
    },
    Attack {
        name: "G stolen account sends spam",
        make: stolen,
    },
    Attack {
        name: "H account shared by a botnet",
        make: shared,
    },
    Attack {
        name: "I rules of a thief",
        make: rules,
    },
    Attack {
        name: "J harvest of addresses",
        make: harvest,
    },
    Attack {
        name: "K mailbox buried",
        make: bomb,
    },
];

/// One to three addresses, one after the other, through the common passwords, up to ten a second and down to two a minute.
fn brute_force(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let targets = (0..dice.between(1, 8))
        .map(|_| anybody(world, dice))
        .collect();
    let pace = 0.1 * 300_f64.powf(dice.share());
    let addresses = dice.between(1, 3);
    Box::new(Guesser {
        pace,
        patience: 40,
        tries: 2000,
        ..guesser(
            List::Dictionary(targets),
            places(world, dice, addresses),
            spam(dice),
        )
    })
}

/// Names and passwords from elsewhere, seven in ten of them ours, two in a hundred of those still right; from one to forty addresses.
fn stuffing(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let list: Vec<(Option<usize>, u64)> = (0..dice.between(150, 1500))
        .map(|_| {
            let who = dice.chance(0.7).then(|| anybody(world, dice));
            let right = dice.chance(0.02);
            let password = who.filter(|_| right).map(|who| world.people[who].password);
            (who, password.unwrap_or_else(|| dice.next()))
        })
        .collect();
    let addresses = dice.between(1, 40);
    let pace = 40.0 * 20_f64.powf(dice.share()) / addresses as f64;
    Box::new(Guesser {
        each_try: true,
        pace,
        patience: 60,
        tries: list.len(),
        ..guesser(
            List::Leaked(list),
            places(world, dice, addresses),
            spam(dice),
        )
    })
}

/// A thousand addresses, one or two tries each, everything from two seconds to ten minutes between tries.
fn distributed(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let target = anybody(world, dice);
    let pace = 2.0 * 300_f64.powf(dice.share());
    Box::new(Guesser {
        each_try: true,
        pace,
        patience: 200,
        tries: 1200,
        ..guesser(
            List::Dictionary(vec![target]),
            places(world, dice, 1000),
            spam(dice),
        )
    })
}

/// Up to six passwords on hundreds of names, from dozens to hundreds of addresses, slowly.
fn spray(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let names: Vec<Option<usize>> = (0..dice.between(80, 400))
        .map(|_| dice.chance(0.85).then(|| anybody(world, dice)))
        .collect();
    let passwords = dice.between(1, 6);
    let addresses = dice.between(20, 300);
    let pace = 3.0 * 40_f64.powf(dice.share());
    Box::new(Guesser {
        each_try: true,
        pace,
        patience: 100,
        tries: names.len() * passwords as usize,
        ..guesser(
            List::Spray(names, passwords),
            places(world, dice, addresses),
            spam(dice),
        )
    })
}

/// One address, a try every twenty minutes to an hour, one account or a few, for days.
fn slow(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let targets = (0..dice.between(1, 3))
        .map(|_| anybody(world, dice))
        .collect();
    let pace = dice.between(1200, 3600) as f64;
    Box::new(Guesser {
        pace,
        even: true,
        patience: 5,
        tries: 120,
        ..guesser(
            List::Dictionary(targets),
            places(world, dice, 1),
            spam(dice),
        )
    })
}

/// A weak password, guessed after a few dozen tries at an unhurried pace; then everything is fetched and spam goes out.
fn guessed(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let weak: Vec<usize> = (0..world.people.len())
        .filter(|who| world.people[*who].password < COMMON_PASSWORDS)
        .collect();
    let target = if weak.is_empty() {
        anybody(world, dice)
    } else {
        *dice.pick(&weak)
    };
    let mut words: Vec<u64> = (0..dice.between(3, 60)).map(|_| common(dice)).collect();
    words.push(world.people[target].password);
    let addresses = dice.between(1, 4);
    Box::new(Guesser {
        each_try: dice.chance(0.5),
        pace: dice.between(5, 120) as f64,
        patience: 30,
        tries: words.len(),
        ..guesser(
            List::Words(target, words),
            places(world, dice, addresses),
            Loot::Drain,
        )
    })
}

/// The password was phished: no failure before. One in ten waits for days first.
fn stolen(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let loot = if dice.chance(0.1) {
        Loot::Patience {
            days: dice.between(1, 2) as u32,
        }
    } else {
        spam(dice)
    };
    Box::new(Thief::new(
        anybody(world, dice),
        somewhere(world, dice),
        loot,
    ))
}

/// Thirty to two hundred machines use one account, a few messages each.
fn shared(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    Box::new(Shared {
        who: anybody(world, dice),
        machines: dice.between(30, 200) as u32,
        pace: 10.0 * 60_f64.powf(dice.share()),
        refused: 0,
    })
}

/// Phished, too, but quiet: reads, sends mail on, hides what comes back, writes to people the owner knows.
fn rules(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    Box::new(Thief::new(
        anybody(world, dice),
        somewhere(world, dice),
        Loot::Rules,
    ))
}

/// One to thirty addresses ask for names, from two a second to one a minute each.
fn harvest(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let addresses = dice.between(1, 30);
    Box::new(Harvester {
        places: places(world, dice, addresses),
        tries: dice.between(100, 3000) as u32,
        pace: 0.5 * 120_f64.powf(dice.share()) / addresses as f64,
        refused: 0,
    })
}

/// Half by lists of honest senders, half by machines of one's own.
fn bomb(world: &World, dice: &mut Dice) -> Box<dyn Raid> {
    let messages = dice.between(300, 4000);
    let minutes = dice.between(20, 90);
    Box::new(Bomber {
        who: anybody(world, dice),
        left: messages as u32,
        pace: (minutes * 60) as f64 / messages as f64,
        lists: dice.chance(0.5),
        machines: dice.between(60, 600),
    })
}

/// As fast as it goes to one every two minutes, one recipient to forty at once.
fn spam(dice: &mut Dice) -> Loot {
    Loot::Spam {
        recipients: *dice.pick(&[1, 1, 3, 8, 20]),
        pace: 0.5 * 240_f64.powf(dice.share()),
    }
}

fn anybody(world: &World, dice: &mut Dice) -> usize {
    dice.below(world.people.len() as u64) as usize
}

fn places(world: &World, dice: &mut Dice, many: u64) -> Vec<From> {
    let alike = dice.chance(0.7).then(|| World::pretence(dice));
    (0..many)
        .map(|_| {
            let place = somewhere(world, dice);
            // Mostly one tool on all machines.
            From {
                device: alike.unwrap_or(place.device),
                ..place
            }
        })
        .collect()
}

const fn guesser(list: List, places: Vec<From>, loot: Loot) -> Guesser {
    Guesser {
        list,
        places,
        each_try: false,
        pace: 10.0,
        even: false,
        tries: 0,
        patience: 10,
        loot,
        next: 0,
        place: 0,
        denied: 0,
        thief: None,
    }
}
