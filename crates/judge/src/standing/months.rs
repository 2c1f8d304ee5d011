//! Months of simulated mail: what standing makes of domains that sign, of who floods, of lists, of a DNS outage, of a million names.

use mail::authentication::{SignatureProblem, SpfResult};
use mail::standing::{Handling, Ruling, Stage};
use mail::{Facts, Known, Timestamp};

use super::tests::{
    DAY, authentic, domain, enforcing, message, pass, start, unauthentic, with_header, with_spf,
};
use super::*;

/// A number generator of its own, so that a month is the same month everywhere (SplitMix64, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// What happened to messages of one kind.
#[derive(Default, Debug)]
struct Fared {
    forwarded: u64,
    redirected: u64,
    blocked: u64,
}

impl Fared {
    fn note(&mut self, ruling: &Ruling) {
        match ruling.handling {
            Handling::Forward => self.forwarded += 1,
            Handling::Redirect => self.redirected += 1,
            Handling::Block => self.blocked += 1,
        }
    }
}

/// A bank: three servers, named by SPF, 99 of 100 messages signed.
fn bank(dice: &mut Dice, at: Timestamp) -> Facts {
    let ip = format!("192.0.2.{}", 1 + dice.roll(3));
    let facts = with_spf(
        message("bank.example", &ip, at),
        "bank.example",
        SpfResult::Pass,
    );
    if dice.roll(100) == 0 {
        facts
    } else {
        authentic(facts)
    }
}

/// Somebody who writes the bank's name, from machines everywhere.
fn forger(dice: &mut Dice, at: Timestamp) -> Facts {
    let ip = std::net::Ipv4Addr::from(0x5000_0000 + dice.roll(1 << 24) as u32).to_string();
    message("bank.example", &ip, at)
}

/// A customer's letter to the bank's list, coming back over the list with a footer.
fn list(at: Timestamp) -> Facts {
    let facts = message("bank.example", "198.51.100.25", at);
    let facts = with_header(facts, "List-Id", "<talk.list.example>");
    let facts = unauthentic(facts, SignatureProblem::BodyHash);
    with_spf(facts, "list.example", SpfResult::Pass)
}

#[test]
fn two_months_of_a_bank_its_forgers_and_a_list() {
    let settings = enforcing();
    let mut standing = Standing::new(32 << 20, 3);
    let mut dice = Dice(42);
    let (mut own, mut over_list) = (Fared::default(), Fared::default());
    let (mut before, mut after) = (Fared::default(), Fared::default());
    let mut switches = Vec::new();
    for day in 0..60 {
        for number in 0..60 {
            let at = start().plus_secs(day * DAY + number * 1400);
            own.note(&pass(&mut standing, &bank(&mut dice, at), &settings));
            let ruling = pass(&mut standing, &forger(&mut dice, at), &settings);
            if ruling.stage == Stage::Blocking {
                after.note(&ruling);
            } else {
                before.note(&ruling);
            }
            if number % 20 == 0 {
                over_list.note(&pass(&mut standing, &list(at), &settings));
            }
        }
        switches.extend(standing.review(start().plus_secs((day + 1) * DAY), &settings));
    }
    let steps: Vec<Stage> = switches.iter().map(|switch| switch.to).collect();
    assert_eq!(steps, [Stage::ReportOnly, Stage::Blocking], "{switches:#?}");
    assert_eq!((own.blocked, own.redirected), (0, 0), "{own:?}");
    assert_eq!(over_list.blocked, 0, "{over_list:?}");
    assert_eq!((after.forwarded, after.redirected), (0, 0), "{after:?}");
    assert_eq!(after.blocked, 49 * 60, "from the twelfth day on: {after:?}");
    assert_eq!(before.blocked, 0, "nothing before its time: {before:?}");
}

#[test]
fn a_flood_of_unsigned_mail_does_not_lower_the_share() {
    let settings = enforcing();
    let name = domain("bank.example");
    let share_after = |forged_per_mail: u64, of: fn(&mut Dice, Timestamp) -> Facts| {
        let mut standing = Standing::new(32 << 20, 3);
        let mut dice = Dice(7);
        for day in 0..40 {
            for number in 0..40 {
                let at = start().plus_secs(day * DAY + number);
                // The bank's mail is the same with and without a flood.
                let mut mail = Dice(day as u64 * 1000 + number as u64);
                pass(&mut standing, &bank(&mut mail, at), &settings);
                if day >= 25 {
                    for _ in 0..forged_per_mail {
                        pass(&mut standing, &of(&mut dice, at), &settings);
                    }
                }
            }
            standing.review(start().plus_secs((day + 1) * DAY), &settings);
        }
        let view = standing.view(&name, &settings).expect("known");
        (view.stage, view.share.expect("worked out"))
    };
    let (quiet_stage, quiet) = share_after(0, forger);
    assert_eq!(quiet_stage, Stage::Blocking);
    let (stage, flooded) = share_after(20, forger);
    assert_eq!(stage, Stage::Blocking);
    assert!(flooded.left_out > 10_000, "{flooded}");
    assert!(
        (flooded.percent - quiet.percent).abs() < 1e-9,
        "{flooded} / {quiet}"
    );
    assert_eq!(flooded.counted, quiet.counted);

    // One machine that sends every day, mixing replays of the bank's authentic mail into its forgeries, which SPF denies.
    let (stage, replayed) = share_after(20, |dice, at| {
        let facts = with_spf(
            message("bank.example", "203.0.113.66", at),
            "bank.example",
            SpfResult::Fail,
        );
        if dice.roll(4) == 0 {
            authentic(facts)
        } else {
            facts
        }
    });
    assert_eq!(stage, Stage::Blocking);
    assert!(
        (replayed.percent - quiet.percent).abs() < 1e-9,
        "{replayed}"
    );
}

/// A domain without SPF, whose servers are known by what they sign alone: replays can cost it no more than they are many.
#[test]
fn replays_cost_no_more_than_they_are_many() {
    let settings = enforcing();
    let name = domain("shop.example");
    let mut standing = Standing::new(32 << 20, 3);
    for day in 0..14 {
        for number in 0..100 {
            let at = start().plus_secs(day * DAY + number);
            pass(
                &mut standing,
                &authentic(message("shop.example", "192.0.2.1", at)),
                &settings,
            );
            let forged = message("shop.example", "203.0.113.66", at);
            pass(&mut standing, &forged, &settings);
            pass(&mut standing, &forged, &settings);
        }
        let replayed = authentic(message(
            "shop.example",
            "203.0.113.66",
            start().plus_secs(day * DAY),
        ));
        pass(&mut standing, &replayed, &settings);
        standing.review(start().plus_secs((day + 1) * DAY), &settings);
    }
    let share = standing
        .view(&name, &settings)
        .expect("known")
        .share
        .expect("worked out");
    // 13 replays among 2,613 messages of the forger's machine, against 1,300 of the shop's.
    assert!(share.percent > 98.0, "{share}");
}

#[test]
fn a_dns_outage_blocks_nothing_and_changes_nothing() {
    let settings = enforcing();
    let mut standing = Standing::new(32 << 20, 3);
    let mut dice = Dice(5);
    let run =
        |standing: &mut Standing, dice: &mut Dice, days: std::ops::Range<i64>, outage: bool| {
            let mut fared = Fared::default();
            for day in days {
                for number in 0..60 {
                    let at = start().plus_secs(day * DAY + number);
                    for mut facts in [bank(dice, at), forger(dice, at), list(at)] {
                        if outage {
                            facts.authentication = Known::Unavailable("DNS does not answer".into());
                        }
                        fared.note(&pass(standing, &facts, &settings));
                    }
                }
                standing.review(start().plus_secs((day + 1) * DAY), &settings);
            }
            fared
        };
    run(&mut standing, &mut dice, 0..20, false);
    let stage = |standing: &Standing| {
        let view = standing.view(&domain("bank.example"), &settings);
        view.expect("known").stage
    };
    assert_eq!(stage(&standing), Stage::Blocking);
    let fared = run(&mut standing, &mut dice, 20..23, true);
    assert_eq!((fared.blocked, fared.redirected), (0, 0));
    assert_eq!(stage(&standing), Stage::Blocking);
    let fared = run(&mut standing, &mut dice, 23..25, false);
    assert_eq!(fared.blocked, 120, "forgeries again");
}

/// Half of a look-up may fail too: the signature is known, SPF is not.
#[test]
fn half_a_dns_outage_holds_nothing_against_a_server() {
    let settings = enforcing();
    let mut standing = Standing::new(32 << 20, 3);
    for day in 0..14 {
        for number in 0..100 {
            let at = start().plus_secs(day * DAY + number);
            let facts = message("shop.example", "192.0.2.1", at);
            let facts = with_spf(facts, "shop.example", SpfResult::Pass);
            pass(&mut standing, &facts, &settings);
        }
        standing.review(start().plus_secs((day + 1) * DAY), &settings);
    }
    let at = start().plus_secs(14 * DAY);
    let stranger = message("shop.example", "203.0.113.7", at);
    assert_eq!(
        standing.rule(&stranger, true, &settings).handling,
        Handling::Block
    );
    let nobody_knows = with_spf(stranger, "shop.example", SpfResult::TempError);
    let ruling = standing.rule(&nobody_knows, true, &settings);
    assert_eq!(ruling.handling, Handling::Forward, "{:?}", ruling.why);
}

/// A blocking domain's unsigned mail is not blocked either while SPF, which might stand in, cannot be asked.
#[test]
fn nothing_is_blocked_while_spf_cannot_be_asked() {
    let settings = Settings {
        domains: [(
            domain("shop.example"),
            DomainSettings {
                stage: Some(Stage::Blocking),
                ..DomainSettings::default()
            },
        )]
        .into(),
        ..enforcing()
    };
    let standing = Standing::new(1 << 20, 3);
    let forged = message("shop.example", "203.0.113.7", start());
    let broken = unauthentic(forged.clone(), SignatureProblem::BodyHash);
    for facts in [forged, broken] {
        let ruling = standing.rule(&facts, true, &settings);
        assert_eq!(ruling.handling, Handling::Block);
        let unknown = with_spf(facts, "shop.example", SpfResult::TempError);
        let ruling = standing.rule(&unknown, true, &settings);
        assert_eq!(ruling.would, Handling::Forward, "{:?}", ruling.why);
    }
}

/// A million invented names, each once, then a hundred thousand more, each twice, over a few days.
#[test]
fn a_million_invented_domains_keep_to_the_budget_and_push_out_nobody() {
    const BUDGET: usize = 8 << 20;
    let settings = enforcing();
    let mut standing = Standing::new(BUDGET, 11);
    let real: Vec<String> = (0..200)
        .map(|number| format!("real{number}.example"))
        .collect();
    let of_real = |standing: &mut Standing, day: i64| {
        for (number, name) in real.iter().enumerate() {
            let ip = format!("192.0.{}.1", number % 200);
            let at = start().plus_secs(day * DAY);
            pass(standing, &authentic(message(name, &ip, at)), &settings);
        }
    };
    for day in 0..10 {
        of_real(&mut standing, day);
        standing.review(start().plus_secs((day + 1) * DAY), &settings);
        standing.take_delta();
    }
    let mut template = message("invented.example", "203.0.113.5", start());
    let mut most = 0;
    for number in 0..1_200_000_u32 {
        let which = match number {
            0..1_000_000 => number,
            again => 1_000_000 + (again - 1_000_000) / 2,
        };
        let name = domain(&format!("x{which}.invented{}.example", which % 977));
        let at = start().plus_secs(10 * DAY + i64::from(number) / 4);
        template.envelope.received_at = at;
        let found = super::tests::found(&mut template);
        found.alleged.organisation = Some(name.clone());
        found.alleged.domain = Some(name);
        let seen = Observation::of(&template, &Ruling::default(), false, Handling::Forward);
        standing.apply(&seen.expect("it says where it comes from"));
        if number % 1000 == 0 {
            most = most.max(standing.bytes());
        }
        if number % 100_000 == 0 {
            standing.take_delta();
        }
    }
    assert!(most <= BUDGET, "{most} bytes");
    assert!(standing.evicted() > 0);
    standing.review(start().plus_secs(13 * DAY), &settings);
    let kept = real.iter().filter(|name| {
        let view = standing.view(&domain(name), &settings);
        view.is_some_and(|view| view.counts.authentic >= 9)
    });
    assert_eq!(kept.count(), real.len());
}
