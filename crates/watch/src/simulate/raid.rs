//! Attackers. Each feels the answers: it waits when it is made to, moves to another address when it is refused, and gives up when it
//! has none left. What it does with a password that was right is `Thief`.

use mail::operation::{Administer, Protocol, Reply, Said};
use mail::{Account, Address, Domain, Timestamp};

use super::dice::Dice;
use super::stage::{From, Stage, Tried};
use super::world::{DOMAIN, World, account, address, stranger};

/// Refusals in a row after which a thief has had enough.
const THIEF_PATIENCE: u32 = 6;
/// Share of a spammer's list that is dead.
const DEAD_SHARE: f64 = 0.1;

/// What an attacker does next; `None` when it is over. Otherwise how many seconds later it goes on.
pub(super) trait Raid {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64>;
}

/// What somebody does with an account that is not his.
#[derive(Clone, Debug)]
pub(super) enum Loot {
    /// Spam: so many recipients a message, messages so many seconds apart.
    Spam { recipients: u64, pace: f64 },
    /// Everything is fetched, then spam.
    Drain,
    /// A rule that sends on, one that hides, some reading; a letter or two to people the owner knows.
    Rules,
    /// Nothing for days but a look now and then, until the network looks like the owner's; then spam.
    Patience { days: u32 },
}

/// Tries passwords, by a list.
pub(super) struct Guesser {
    pub list: List,
    pub places: Vec<From>,
    /// Another address for each try, or only when one is refused.
    pub each_try: bool,
    /// Seconds between tries, by chance around this; even when `even`.
    pub pace: f64,
    pub even: bool,
    pub tries: usize,
    pub patience: u32,
    pub loot: Loot,
    pub next: usize,
    pub place: usize,
    pub denied: u32,
    pub thief: Option<Thief>,
}

/// Which accounts with which passwords.
pub(super) enum List {
    /// Each of the targets with each common password, from the commonest on.
    Dictionary(Vec<usize>),
    /// One account with passwords somebody thought of.
    Words(usize, Vec<u64>),
    /// Names, some of which are ours, each with the password it had elsewhere.
    Leaked(Vec<(Option<usize>, u64)>),
    /// Each name with each of a few passwords.
    Spray(Vec<Option<usize>>, u64),
}

impl List {
    fn get(&self, number: usize) -> Option<(Option<usize>, u64)> {
        match self {
            Self::Dictionary(targets) => {
                let rank = number / targets.len();
                Some((Some(targets[number % targets.len()]), rank as u64))
            }
            Self::Words(target, words) => words.get(number).map(|word| (Some(*target), *word)),
            Self::Leaked(list) => list.get(number).copied(),
            Self::Spray(names, passwords) => {
                let rank = (number / names.len()) as u64;
                (rank < *passwords).then(|| (names[number % names.len()], rank))
            }
        }
    }
}

impl Raid for Guesser {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        if let Some(thief) = &mut self.thief {
            return thief.step(at, stage, dice);
        }
        if self.next >= self.tries {
            return None;
        }
        let (who, password) = self.list.get(self.next)?;
        let name = name_of(who, self.next, stage);
        if who.is_some() {
            stage.figures.victim(&name);
        }
        let from = *self.places.get(self.place % self.places.len())?;
        let (tried, wait) = stage.login(at, from, &name, who, password);
        if self.each_try {
            self.place += 1;
        }
        match tried {
            Tried::Right => {
                // A guess that was right is used from where it was made, or handed to somebody else.
                let from = if dice.chance(0.5) {
                    from
                } else {
                    somewhere(stage.world, dice)
                };
                self.thief = who.map(|who| Thief::new(who, from, self.loot.clone()));
                return Some(f64::from(wait) + dice.wait(120.0));
            }
            Tried::Wrong => {
                self.next += 1;
                self.denied = 0;
            }
            Tried::Denied => {
                self.denied += 1;
                if self.denied > self.patience {
                    return None;
                }
                if self.each_try {
                    self.next += 1;
                } else {
                    self.place += 1;
                    if self.place >= self.places.len() {
                        return None;
                    }
                }
            }
        }
        let pause = if self.even {
            self.pace * (0.9 + 0.2 * dice.share())
        } else {
            dice.wait(self.pace)
        };
        Some(f64::from(wait) + pause)
    }
}

/// Somebody with the right password.
pub(super) struct Thief {
    who: usize,
    from: From,
    loot: Loot,
    inside: bool,
    done: u32,
    refused: u32,
    moved: u32,
}

impl Thief {
    pub(super) const fn new(who: usize, from: From, loot: Loot) -> Self {
        Self {
            who,
            from,
            loot,
            inside: false,
            done: 0,
            refused: 0,
            moved: 0,
        }
    }

    fn enter(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        let person = &stage.world.people[self.who];
        let (name, password) = (person.account.clone(), person.password);
        stage.figures.victim(&name);
        let (tried, wait) = stage.login(at, self.from, &name, Some(self.who), password);
        if tried == Tried::Right {
            self.inside = true;
            return Some(f64::from(wait) + 2.0 + dice.wait(20.0));
        }
        self.moved += 1;
        self.from = somewhere(stage.world, dice);
        (self.moved < 4).then(|| dice.wait(300.0))
    }

    fn spam(
        &mut self,
        at: Timestamp,
        stage: &mut Stage<'_>,
        dice: &mut Dice,
        recipients: u64,
        pace: f64,
    ) -> Option<f64> {
        let many = dice.between(1, recipients * 2 - 1);
        let list: Vec<Address> = (0..many).map(|_| stranger(dice)).collect();
        let taken = stage.send(at, self.from, self.who, list, 99);
        if taken {
            for _ in 0..many {
                if dice.chance(DEAD_SHARE) {
                    stage.reply(
                        at.plus_secs(dice.between(1, 60) as i64),
                        self.from,
                        self.who,
                        Reply::NoSuchRecipient,
                    );
                } else if dice.chance(0.005) {
                    stage.reply(
                        at.plus_secs(dice.between(1, 60) as i64),
                        self.from,
                        self.who,
                        Reply::CalledSpam,
                    );
                }
            }
        } else {
            self.refused += 1;
        }
        self.done += 1;
        (self.refused < THIEF_PATIENCE && self.done < 3000).then(|| dice.wait(pace))
    }

    fn rules(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        self.done += 1;
        let (from, who) = (self.from, self.who);
        match self.done {
            1..5 => stage.read(
                at,
                from,
                who,
                dice.between(5, 60) as u32,
                dice.between(100_000, 3_000_000),
            ),
            5 => {
                let rule = Administer::Forward {
                    target: stranger(dice),
                    ours: false,
                };
                stage.administer(at, from, who, rule);
            }
            6 => stage.administer(at, from, who, Administer::Hide { telling: true }),
            7..9 => {
                let known = stage.world.people[who].people.clone();
                let to = vec![dice.pick(&known).clone()];
                stage.send(at, from, who, to, 98);
            }
            _ => return None,
        }
        Some(dice.wait(240.0))
    }
}

impl Raid for Thief {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        if !self.inside {
            return self.enter(at, stage, dice);
        }
        match self.loot.clone() {
            Loot::Spam { recipients, pace } => self.spam(at, stage, dice, recipients, pace),
            Loot::Rules => self.rules(at, stage, dice),
            Loot::Drain => {
                self.done += 1;
                let messages = dice.between(50, 200);
                stage.read(
                    at,
                    self.from,
                    self.who,
                    messages as u32,
                    messages * dice.between(20_000, 120_000),
                );
                if self.done >= 20 {
                    self.loot = Loot::Spam {
                        recipients: 5,
                        pace: 5.0,
                    };
                }
                Some(dice.wait(10.0))
            }
            Loot::Patience { days } => {
                stage.read(at, self.from, self.who, 3, 60_000);
                self.inside = false;
                if days == 0 {
                    self.loot = Loot::Spam {
                        recipients: 4,
                        pace: 10.0,
                    };
                    return Some(60.0);
                }
                self.loot = Loot::Patience { days: days - 1 };
                Some(80_000.0 + dice.wait(5000.0))
            }
        }
    }
}

/// A botnet that shares one account: each machine logs in, sends a little, and is not seen again.
pub(super) struct Shared {
    pub who: usize,
    pub machines: u32,
    pub pace: f64,
    pub refused: u32,
}

impl Raid for Shared {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        self.machines = self.machines.checked_sub(1)?;
        let person = &stage.world.people[self.who];
        let (name, password) = (person.account.clone(), person.password);
        stage.figures.victim(&name);
        let from = somewhere(stage.world, dice);
        let (tried, _) = stage.login(at, from, &name, Some(self.who), password);
        let taken = tried == Tried::Right && {
            let list = (0..dice.between(1, 4)).map(|_| stranger(dice)).collect();
            stage.send(at.plus_secs(3), from, self.who, list, 97)
        };
        self.refused = if taken { 0 } else { self.refused + 1 };
        (self.refused < 2 * THIEF_PATIENCE).then(|| dice.wait(self.pace))
    }
}

/// Looks for addresses.
pub(super) struct Harvester {
    pub places: Vec<From>,
    pub tries: u32,
    pub pace: f64,
    pub refused: usize,
}

impl Raid for Harvester {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        self.tries = self.tries.checked_sub(1)?;
        let from = *dice.pick(&self.places);
        let known = dice.chance(0.05);
        let (local, said) = if known {
            (
                format!("user{}", dice.below(stage.world.people.len() as u64)),
                Said::Exists,
            )
        } else {
            (format!("n{}", dice.below(1 << 30)), Said::Unknown)
        };
        if !stage.probe(at, from.ip, address(&local, DOMAIN), said) {
            self.refused += 1;
        }
        (self.refused < 4 * self.places.len() + 4).then(|| dice.wait(self.pace))
    }
}

/// Buries a mailbox: under lists its address was entered into, or under whatever many machines can send.
pub(super) struct Bomber {
    pub who: usize,
    pub left: u32,
    pub pace: f64,
    pub lists: bool,
    pub machines: u64,
}

impl Raid for Bomber {
    fn step(&mut self, at: Timestamp, stage: &mut Stage<'_>, dice: &mut Dice) -> Option<f64> {
        self.left = self.left.checked_sub(1)?;
        let machine = dice.below(self.machines);
        let domain = Domain::parse(&format!("bomb{machine}.example")).ok()?;
        let mut of_machine = dice.apart(machine);
        let ip = stage.world.bot(&mut of_machine);
        let to = stage.world.people[self.who].address.clone();
        stage.arrive(at, ip, Some(&domain), &to, self.lists);
        Some(dice.wait(self.pace))
    }
}

/// Some machine, with some program or none.
pub(super) fn somewhere(world: &World, dice: &mut Dice) -> From {
    From {
        ip: world.bot(dice),
        device: World::pretence(dice),
        protocol: Protocol::Imap,
    }
}

/// The account of a target; for none of ours, a name that is none.
fn name_of(who: Option<usize>, number: usize, stage: &Stage<'_>) -> Account {
    match who {
        Some(who) => stage.world.people[who].account.clone(),
        None => account(&format!("former{number}")),
    }
}
