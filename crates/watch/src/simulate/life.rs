//! Benign life: what people and their programs do on a day, with everything that looks like an attack and is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail::operation::{Administer, Protocol, Reply, Said};
use mail::{Address, Timestamp};

use super::dice::Dice;
use super::stage::{From, Stage, Tried};
use super::world::{DOMAIN, World, address, program, stranger};

/// One thing somebody does.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub at: Timestamp,
    pub who: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A program logs in with this password and does something.
    Session {
        from: From,
        password: u64,
        then: Then,
    },
    /// A machine brings mail for the person.
    Arrives { sender: usize, bulk: bool },
    /// A machine brings mail for somebody who left.
    ForTheGone { sender: usize },
    /// A machine brings mail for somebody who never was.
    Slip { ip: IpAddr, local: String },
    /// The telephone of somebody who left asks for mail.
    OfTheGone { from: From },
}

#[derive(Clone, Debug)]
pub(super) enum Then {
    Nothing,
    Read {
        messages: u32,
        bytes: u64,
    },
    Send {
        recipients: Vec<Address>,
        print: u64,
        bad: u32,
    },
    Delete {
        messages: u32,
    },
    Rule(Administer),
}

/// A day's deeds, in order. `midnight` is its beginning.
pub(super) fn day(world: &mut World, midnight: Timestamp, dice: &mut Dice) -> Vec<Deed> {
    let mut deeds = Vec::new();
    // 1970 began on a Thursday.
    let weekday = (midnight.secs() / 86_400 + 3).rem_euclid(7) < 5;
    // Somewhere a department changes its passwords; its telephones do not know yet.
    let storm = dice
        .chance(0.3)
        .then(|| world.people[dice.below(world.people.len() as u64) as usize].office);
    for who in 0..world.people.len() {
        move_about(world, who, dice);
        let mut maker = Maker {
            world,
            who,
            midnight,
            weekday,
            deeds: &mut deeds,
            dice,
        };
        maker.ordinary();
        maker.unusual();
        if storm == Some(maker.world.people[who].office) {
            maker.new_password();
        }
    }
    strangers(world, midnight, dice, &mut deeds);
    deeds.sort_by_key(|deed| deed.at);
    deeds
}

/// Does a deed.
pub(super) fn act(stage: &mut Stage<'_>, deed: Deed, dice: &mut Dice) {
    let (at, who) = (deed.at, deed.who);
    match deed.what {
        What::Session {
            from,
            password,
            then,
        } => {
            let account = stage.world.people[who].account.clone();
            let (tried, wait) = stage.login(at, from, &account, Some(who), password);
            if tried == Tried::Right {
                session(
                    stage,
                    at.plus_secs(i64::from(wait) + 2),
                    from,
                    who,
                    then,
                    dice,
                );
            }
        }
        What::Arrives { sender, bulk } => {
            let (ip, domain) = stage.world.senders[sender].clone();
            let to = stage.world.people[who].address.clone();
            stage.arrive(at, ip, Some(&domain), &to, bulk);
        }
        What::ForTheGone { sender } => {
            let ip = stage.world.senders[sender].0;
            stage.probe(at, ip, address("gone", DOMAIN), Said::Unknown);
        }
        What::Slip { ip, local } => {
            stage.probe(at, ip, address(&local, DOMAIN), Said::Unknown);
        }
        What::OfTheGone { from } => {
            let account = stage.world.gone.clone();
            stage.login(at, from, &account, None, 7_777_777);
        }
    }
}

fn session(
    stage: &mut Stage<'_>,
    at: Timestamp,
    from: From,
    who: usize,
    then: Then,
    dice: &mut Dice,
) {
    match then {
        Then::Nothing => {}
        Then::Read { messages, bytes } => stage.read(at, from, who, messages, bytes),
        Then::Send {
            recipients,
            print,
            bad,
        } => {
            if stage.send(at, from, who, recipients, print) {
                for _ in 0..bad {
                    stage.reply(
                        at.plus_secs(dice.between(1, 90) as i64),
                        from,
                        who,
                        Reply::NoSuchRecipient,
                    );
                }
            }
        }
        Then::Delete { messages } => stage.delete(at, from, who, messages),
        Then::Rule(rule) => stage.administer(at, from, who, rule),
    }
}

/// People go away and come back; some homes get another address.
fn move_about(world: &mut World, who: usize, dice: &mut Dice) {
    world.people[who].away = match world.people[who].away {
        Some((days, hotel)) if days > 1 => Some((days - 1, hotel)),
        Some(_) => None,
        None => dice
            .chance(0.004)
            .then(|| (dice.between(2, 14) as u32, world.home(dice))),
    };
    if dice.chance(0.04) {
        let fresh = world.home(dice);
        if fresh.is_ipv4() == world.people[who].home.is_ipv4() {
            world.people[who].home = same_provider(world.people[who].home, fresh);
        }
    }
}

/// The provider stays, the rest is new.
fn same_provider(old: IpAddr, fresh: IpAddr) -> IpAddr {
    match (old, fresh) {
        (IpAddr::V4(old), IpAddr::V4(fresh)) => {
            let (old, fresh) = (old.to_bits(), fresh.to_bits());
            IpAddr::V4(Ipv4Addr::from_bits(old & 0xffff_0000 | fresh & 0xffff))
        }
        (IpAddr::V6(old), IpAddr::V6(fresh)) => {
            let high = u128::MAX << 96;
            IpAddr::V6(Ipv6Addr::from_bits(
                old.to_bits() & high | fresh.to_bits() & !high,
            ))
        }
        (_, fresh) => fresh,
    }
}

/// Mail from outside, to whoever.
fn strangers(world: &World, midnight: Timestamp, dice: &mut Dice, deeds: &mut Vec<Deed>) {
    let at = |dice: &mut Dice| midnight.plus_secs(dice.below(86_400) as i64);
    let many = world.senders.len() as u64;
    for who in 0..world.people.len() {
        for _ in 0..dice.between(2, 8) {
            let what = What::Arrives {
                sender: dice.below(many) as usize,
                bulk: dice.chance(0.3),
            };
            deeds.push(Deed {
                at: at(dice),
                who,
                what,
            });
        }
    }
    // A list of which somebody who left is still a member: forty posts a day to a dead mailbox.
    for _ in 0..40 {
        deeds.push(Deed {
            at: at(dice),
            who: 0,
            what: What::ForTheGone { sender: 7 },
        });
    }
    // Slips of the pen: of machines that bring mail every day, and of such that are seen once.
    for number in 0..80 {
        let sender = dice.chance(0.5).then(|| dice.below(many) as usize);
        let ip = sender.map_or_else(|| world.home(dice), |sender| world.senders[sender].0);
        let what = What::Slip {
            ip,
            local: format!("slip{number}-{}", dice.below(1 << 30)),
        };
        deeds.push(Deed {
            at: at(dice),
            who: 0,
            what,
        });
    }
    // An alarm goes off: a monitoring machine sends a mail for each of many services.
    if dice.chance(0.2) {
        let who = dice.below(world.people.len() as u64) as usize;
        let start = at(dice);
        for number in 0..dice.between(40, 90) {
            let at = start.plus_secs(number as i64 * 4);
            deeds.push(Deed {
                at,
                who,
                what: What::Arrives {
                    sender: 3,
                    bulk: false,
                },
            });
        }
    }
    let phone = From {
        ip: world.gateway(0, dice),
        device: Some(program(dice)),
        protocol: Protocol::Imap,
    };
    for number in 0..90 {
        let at = midnight.plus_secs(number * 900);
        deeds.push(Deed {
            at,
            who: 0,
            what: What::OfTheGone { from: phone },
        });
    }
}

/// Makes one person's day.
struct Maker<'a> {
    world: &'a mut World,
    who: usize,
    midnight: Timestamp,
    weekday: bool,
    deeds: &'a mut Vec<Deed>,
    dice: &'a mut Dice,
}

impl Maker<'_> {
    fn ordinary(&mut self) {
        let works = self.weekday && self.world.people[self.who].away.is_none();
        if works {
            for _ in 0..self.dice.between(1, 3) {
                let (at, desk) = (self.hour(7, 18), self.desk());
                self.read(at, desk);
                for _ in 0..self.dice.between(0, 4) {
                    let at = self.hour(8, 18);
                    let recipients = self.letter();
                    self.send(at, desk, recipients, 0);
                }
            }
        }
        for _ in 0..self.dice.between(2, 7) {
            let (at, phone) = (self.hour(6, 23), self.phone());
            self.read(at, phone);
            if self.dice.chance(0.15) {
                let recipients = self.letter();
                self.send(at.plus_secs(60), phone, recipients, 0);
            }
        }
        if self.dice.chance(0.4) {
            let (at, home) = (self.hour(18, 23), self.evening());
            self.read(at, home);
        }
        if self.dice.chance(0.2) {
            let (at, desk, messages) = (
                self.hour(8, 20),
                self.desk(),
                self.dice.between(1, 40) as u32,
            );
            self.then(at, desk, Then::Delete { messages });
        }
    }

    fn unusual(&mut self) {
        let dice = &mut *self.dice;
        let [slip, forgot, telephone, invitation, clean_up, forward, rule] =
            [0.03, 0.001, 0.0015, 0.0006, 0.001, 0.0003, 0.0001].map(|rare| dice.chance(rare));
        if slip {
            let wrong = self.dice.between(1, 2);
            self.mistakes(wrong);
        }
        if forgot {
            let wrong = self.dice.between(4, 10);
            self.mistakes(wrong);
        }
        if telephone {
            self.new_telephone();
        }
        if invitation {
            self.invitation();
        }
        if clean_up {
            let messages = self.world.people[self.who].mailbox / 2 + 50;
            let (at, desk) = (self.hour(8, 20), self.desk());
            self.then(at, desk, Then::Delete { messages });
        }
        if forward {
            let (at, desk) = (self.hour(8, 20), self.desk());
            let target = stranger(self.dice);
            self.then(
                at,
                desk,
                Then::Rule(Administer::Forward {
                    target,
                    ours: false,
                }),
            );
        }
        if rule {
            let (at, desk) = (self.hour(8, 20), self.desk());
            self.then(at, desk, Then::Rule(Administer::Hide { telling: true }));
        }
        if self.weekday && self.dice.chance(0.2) {
            self.newsletter();
        }
    }

    /// Types it wrong so many times, each time otherwise, and then right.
    fn mistakes(&mut self, wrong: u64) {
        let (mut at, from) = (
            self.hour(7, 22),
            if self.dice.chance(0.7) {
                self.desk()
            } else {
                self.phone()
            },
        );
        for _ in 0..wrong {
            let password = self.dice.next();
            self.push(
                at,
                What::Session {
                    from,
                    password,
                    then: Then::Nothing,
                },
            );
            at = at.plus_secs(self.dice.between(4, 40) as i64);
        }
        self.read(at, from);
    }

    /// A telephone out of the box fetches everything, mostly at home, sometimes still in the shop or on the way.
    fn new_telephone(&mut self) {
        let tag = program(self.dice);
        self.world.people[self.who].phone = tag;
        let mut from = self.evening();
        if self.dice.chance(0.3) {
            from = self.phone();
        } else if self.dice.chance(0.1) {
            from.ip = self.world.home(self.dice);
        }
        from.device = Some(tag);
        let at = self.hour(9, 21);
        if self.dice.chance(0.3) {
            let password = self.dice.next();
            self.push(
                at.plus_secs(-30),
                What::Session {
                    from,
                    password,
                    then: Then::Nothing,
                },
            );
        }
        let messages = self.world.people[self.who].mailbox;
        let bytes = u64::from(messages) * self.dice.between(20_000, 120_000);
        for piece in 0..10 {
            let then = Then::Read {
                messages: messages / 10,
                bytes: bytes / 10,
            };
            self.then(at.plus_secs(piece * 40), from, then);
        }
    }

    /// A feast, a tender, a move: one letter to many, some of them new.
    fn invitation(&mut self) {
        let (at, many) = (self.hour(8, 22), self.dice.between(25, 70));
        let from = if self.dice.chance(0.9) {
            self.desk()
        } else {
            self.phone()
        };
        let known = self.world.people[self.who].people.clone();
        let recipients = (0..many).map(|_| {
            if self.dice.chance(0.4) {
                stranger(self.dice)
            } else {
                self.dice.pick(&known).clone()
            }
        });
        let recipients: Vec<Address> = recipients.collect();
        for piece in recipients.chunks(25) {
            self.send(at, from, piece.to_vec(), 1);
        }
    }

    /// To the same people every time, with a few new ones; some addresses are dead by now.
    fn newsletter(&mut self) {
        let Some(readers) = self.world.people[self.who].newsletter else {
            return;
        };
        let (mut at, desk) = (self.hour(8, 16), self.desk());
        let who = self.who;
        let recipients: Vec<Address> = (0..readers)
            .map(|number| {
                if self.dice.chance(0.02) {
                    return stranger(self.dice);
                }
                address(
                    &format!("reader{number}-{who}"),
                    &format!("d{}.example", number % 400),
                )
            })
            .collect();
        let print = 1 + self.dice.next();
        for piece in recipients.chunks(40) {
            let bad = u32::from(self.dice.chance(0.5));
            self.then(
                at,
                desk,
                Then::Send {
                    recipients: piece.to_vec(),
                    print,
                    bad,
                },
            );
            at = at.plus_secs(20);
        }
    }

    /// The password is new; the telephone and the tablet at home go on with the old one for hours.
    fn new_password(&mut self) {
        let old = self.world.people[self.who].password;
        let start = self.hour(9, 11);
        let fresh = super::world::COMMON_PASSWORDS + self.dice.below(1 << 40);
        // It was changed the evening before: all day the new one is right, and what sits at the desk knows it.
        for deed in self.deeds.iter_mut().filter(|deed| deed.who == self.who) {
            if let What::Session { password, .. } = &mut deed.what
                && *password == old
            {
                *password = fresh;
            }
        }
        self.world.people[self.who].password = fresh;
        let every = self.dice.between(60, 400) as i64;
        let hours = self.dice.between(1, 5) as i64;
        let devices = if self.dice.chance(0.5) { 2 } else { 1 };
        for number in 0..devices {
            let mut from = if self.dice.chance(0.6) {
                self.desk()
            } else {
                self.phone()
            };
            from.device = Some(self.world.people[self.who].phone);
            for turn in 0..hours * 3600 / every {
                let at = start.plus_secs(turn * every + number * 17);
                self.push(
                    at,
                    What::Session {
                        from,
                        password: old,
                        then: Then::Nothing,
                    },
                );
            }
        }
    }

    fn letter(&mut self) -> Vec<Address> {
        let many = if self.dice.chance(0.8) {
            1
        } else {
            self.dice.between(2, 6)
        };
        let known = &self.world.people[self.who].people;
        (0..many)
            .map(|_| {
                if self.dice.chance(0.08) {
                    stranger(self.dice)
                } else {
                    self.dice.pick(known).clone()
                }
            })
            .collect()
    }

    fn read(&mut self, at: Timestamp, from: From) {
        let messages = self.dice.between(1, 12) as u32;
        let bytes = u64::from(messages) * self.dice.between(4_000, 90_000);
        self.then(at, from, Then::Read { messages, bytes });
    }

    fn send(&mut self, at: Timestamp, from: From, recipients: Vec<Address>, bad: u32) {
        let print = self.dice.next();
        let bad = bad + u32::from(self.dice.chance(0.01));
        self.then(
            at,
            from,
            Then::Send {
                recipients,
                print,
                bad,
            },
        );
    }

    fn then(&mut self, at: Timestamp, from: From, then: Then) {
        let password = self.world.people[self.who].password;
        self.push(
            at,
            What::Session {
                from,
                password,
                then,
            },
        );
    }

    fn push(&mut self, at: Timestamp, what: What) {
        self.deeds.push(Deed {
            at,
            who: self.who,
            what,
        });
    }

    fn hour(&mut self, from: u64, to: u64) -> Timestamp {
        self.midnight
            .plus_secs(self.dice.between(from * 3600, to * 3600) as i64)
    }

    /// At work; or, for whoever is away, wherever that is.
    fn desk(&mut self) -> From {
        let person = &self.world.people[self.who];
        From {
            ip: person.away.map_or(person.office, |(_, hotel)| hotel),
            device: Some(person.desktop),
            protocol: Protocol::Imap,
        }
    }

    /// In the pocket: at work and at home in the house's network, otherwise in the mobile one.
    fn phone(&mut self) -> From {
        let carrier = self.world.people[self.who].carrier;
        let gateway = self.world.gateway(carrier, self.dice);
        let person = &self.world.people[self.who];
        let ip = match (person.away, self.dice.below(10)) {
            (Some((_, hotel)), 0..6) => hotel,
            (None, 0..3) => person.home,
            (None, 3..6) => person.office,
            _ => gateway,
        };
        From {
            ip,
            device: Some(person.phone),
            protocol: Protocol::Imap,
        }
    }

    /// On the sofa.
    fn evening(&mut self) -> From {
        let person = &self.world.people[self.who];
        From {
            ip: person.away.map_or(person.home, |(_, hotel)| hotel),
            device: Some(person.desktop),
            protocol: if person.pop {
                Protocol::Pop3
            } else {
                Protocol::Imap
            },
        }
    }
}
