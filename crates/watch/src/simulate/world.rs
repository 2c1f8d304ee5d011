//! The organisation: its people, where they are, what they write with, whom they know; and the networks of the world around it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail::operation::DeviceTag;
use mail::{Account, Address, Domain};

use super::Plan;
use super::dice::Dice;

/// Our domain.
pub(super) const DOMAIN: &str = "lindenhof.example";
/// Client programs and how common they are, in percent. A tag names a program, not a device.
const PROGRAMS: [(u32, u64); 9] = [
    (101, 28), // Outlook
    (102, 22), // iOS Mail
    (103, 14), // Thunderbird
    (104, 12), // Android, the maker's
    (105, 8),  // Apple Mail
    (106, 6),  // K-9
    (107, 5),  // FairEmail
    (108, 3),  // eM Client
    (109, 2),  // mutt, offlineimap and the like
];
/// Networks (/16) of providers that homes are in.
const PROVIDERS: usize = 30;
/// People of one office, at most; they share one address.
const OFFICE_PEOPLE: usize = 45;
/// Passwords everybody has heard of: ids below this.
pub(super) const COMMON_PASSWORDS: u64 = 3000;

/// One of our people.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub account: Account,
    pub address: Address,
    pub office: IpAddr,
    pub home: IpAddr,
    /// Which mobile network the phone is in.
    pub carrier: usize,
    pub desktop: DeviceTag,
    pub phone: DeviceTag,
    /// Read mail by POP3 at home.
    pub pop: bool,
    /// The password, by a number; the common ones are small.
    pub password: u64,
    pub people: Vec<Address>,
    pub mailbox: u32,
    /// Away for so many more days, and from there.
    pub away: Option<(u32, IpAddr)>,
    /// Sends newsletters, to so many.
    pub newsletter: Option<u32>,
}

/// Everything around.
pub(super) struct World {
    pub people: Vec<Person>,
    pub mobile: Vec<Vec<IpAddr>>,
    providers: Vec<[u8; 2]>,
    /// Machines that send us mail every day.
    pub senders: Vec<(IpAddr, Domain)>,
    /// Somebody who left; lists go on writing to him, and his telephone goes on asking.
    pub gone: Account,
}

impl World {
    pub(super) fn new(plan: &Plan, dice: &mut Dice) -> Self {
        let providers: Vec<[u8; 2]> = (0..PROVIDERS).map(|_| public(dice)).collect();
        let carriers = (0..4).map(|_| {
            let blocks = [public(dice), public(dice)];
            let gateways = (0..24).map(|number: usize| {
                let [a, b] = blocks[number % 2];
                v4([a, b, (number / 2) as u8, dice.below(250) as u8])
            });
            gateways.collect()
        });
        let mobile = carriers.collect();
        let senders = (0..300).filter_map(|number| {
            let [a, b] = public(dice);
            let ip = v4([a, b, dice.below(256) as u8, dice.below(256) as u8]);
            Some((ip, Domain::parse(&format!("sender{number}.example")).ok()?))
        });
        let mut world = Self {
            people: Vec::new(),
            mobile,
            senders: senders.collect(),
            providers,
            gone: account("gone"),
        };
        let offices = plan.users.div_ceil(OFFICE_PEOPLE).max(1);
        let offices: Vec<IpAddr> = (0..offices).map(|_| world.home(dice)).collect();
        for number in 0..plan.users {
            let person = world.person(number, &offices, dice);
            world.people.push(person);
        }
        world
    }

    fn person(&self, number: usize, offices: &[IpAddr], dice: &mut Dice) -> Person {
        let weak = dice.chance(0.06);
        let known = dice.between(15, 80);
        let colleague = |dice: &mut Dice| {
            address(
                &format!("user{}", dice.below(1 + number as u64 * 2)),
                DOMAIN,
            )
        };
        let people = (0..known).map(|_| {
            if dice.chance(0.4) {
                colleague(dice)
            } else {
                stranger(dice)
            }
        });
        let people = people.collect();
        Person {
            account: account(&format!("user{number}")),
            address: address(&format!("user{number}"), DOMAIN),
            office: offices[number % offices.len()],
            home: self.home(dice),
            carrier: dice.below(4) as usize,
            desktop: program(dice),
            phone: program(dice),
            pop: dice.chance(0.08),
            password: if weak {
                common(dice)
            } else {
                COMMON_PASSWORDS + dice.below(1 << 40)
            },
            people,
            mailbox: dice.between(200, 8000) as u32,
            away: None,
            newsletter: dice.chance(0.002).then(|| dice.between(80, 900) as u32),
        }
    }

    /// Somewhere people live: mostly behind an IPv4 address of a provider, some with IPv6.
    pub(super) fn home(&self, dice: &mut Dice) -> IpAddr {
        let [a, b] = *dice.pick(&self.providers);
        if dice.chance(0.25) {
            let high = u16::from_be_bytes([a, b]);
            return IpAddr::V6(Ipv6Addr::new(
                0x2a02,
                high,
                dice.below(65_536) as u16,
                dice.below(65_536) as u16,
                0,
                0,
                0,
                1,
            ));
        }
        v4([a, b, dice.below(256) as u8, dice.below(256) as u8])
    }

    /// A gateway of a mobile network: many share it, and a phone has another one every hour.
    pub(super) fn gateway(&self, carrier: usize, dice: &mut Dice) -> IpAddr {
        *dice.pick(&self.mobile[carrier])
    }

    /// A machine that somebody rents or has broken into: anywhere, sometimes at a provider of our people, sometimes behind the very
    /// gateway that our people's phones use.
    pub(super) fn bot(&self, dice: &mut Dice) -> IpAddr {
        if dice.chance(0.03) {
            let carrier = dice.below(4) as usize;
            return self.gateway(carrier, dice);
        }
        if dice.chance(0.15) {
            return self.home(dice);
        }
        let [a, b] = public(dice);
        v4([a, b, dice.below(256) as u8, dice.below(256) as u8])
    }

    /// What an attacker says his program is: his own, none, or one that our people have, too.
    pub(super) fn pretence(dice: &mut Dice) -> Option<DeviceTag> {
        match dice.below(10) {
            0..4 => Some(program(dice)),
            4..7 => None,
            _ => Some(DeviceTag(900 + dice.below(5) as u32)),
        }
    }
}

/// A common password; the commonest most often.
pub(super) fn common(dice: &mut Dice) -> u64 {
    let share = dice.share();
    (COMMON_PASSWORDS as f64 * share * share * share) as u64
}

/// A client program, as common as it is.
pub(super) fn program(dice: &mut Dice) -> DeviceTag {
    let mut number = dice.below(100);
    for (tag, percent) in PROGRAMS {
        if number < percent {
            return DeviceTag(tag);
        }
        number -= percent;
    }
    DeviceTag(PROGRAMS[0].0)
}

/// Somebody in the world.
pub(super) fn stranger(dice: &mut Dice) -> Address {
    let domain = dice.below(4000);
    address(
        &format!("p{}", dice.below(1 << 40)),
        &format!("d{domain}.example"),
    )
}

/// An account of ours, or a name that is none.
pub(super) fn account(local: &str) -> Account {
    Account::new(&format!("{local}@{DOMAIN}"), 255)
        .unwrap_or_else(|| unreachable!("the name is not empty"))
}

pub(super) fn address(local: &str, domain: &str) -> Address {
    Address::new(&format!("{local}@{domain}"))
        .unwrap_or_else(|| unreachable!("the address is not empty"))
}

fn public(dice: &mut Dice) -> [u8; 2] {
    [dice.between(11, 99) as u8, dice.below(256) as u8]
}

const fn v4(octets: [u8; 4]) -> IpAddr {
    let [a, b, c, d] = octets;
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}
