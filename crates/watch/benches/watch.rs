//! Plays several seeds and prints the figures of each: `cargo bench -p mailvigil-watch -- [first [last [users]]]`.

use std::time::Instant;

use watch::simulate::{Plan, Report, run};
use watch::{Mode, Settings, Watch};

/// Operations kept of each run, to be told again against the clock.
const REPLAYED: usize = 400_000;

fn main() {
    let mut numbers = std::env::args().filter_map(|arg| arg.parse::<u64>().ok());
    let first = numbers.next().unwrap_or(1);
    let last = numbers.next().unwrap_or(first);
    let users = numbers
        .next()
        .map_or(Plan::default().users, |users| users as usize);
    let seen = std::env::args().any(|arg| arg == "seen");
    for seed in first..=last {
        let plan = Plan {
            seed,
            users,
            passwords_seen: seen,
            ..Plan::default()
        };
        let mut kept = Vec::new();
        let started = Instant::now();
        let report = run(
            &plan,
            &Settings::in_mode(Mode::Enforce),
            &mut |one| {
                if kept.len() < REPLAYED {
                    kept.push(one.clone());
                }
            },
            &mut |_| (),
        );
        let played = started.elapsed().as_secs_f64();
        let mut watch = Watch::new(Settings::in_mode(Mode::Enforce), plan.bytes_max, 1);
        let started = Instant::now();
        for one in &kept {
            watch.apply(one);
        }
        let rate = kept.len() as f64 / started.elapsed().as_secs_f64();
        print(seed, &report, played, rate);
    }
}

fn print(seed: u64, report: &Report, played: f64, rate: f64) {
    println!(
        "seed {seed}: hurt {:.2}, owners {:.2}, waits {:.2}, put off {:.2}; {} operations in {played:.1} s, {rate:.0}/s, {} KiB; {:?}",
        report.benign_hurt_per_10k_day,
        report.owners_hurt_per_10k_day,
        report.benign_waits_per_10k_day,
        report.benign_mail_put_off_per_10k,
        report.operations,
        report.memory_bytes / 1024,
        report.hurt_by,
    );
    for one in &report.attacks {
        println!(
            "  {:<38} recall {:.2} alarmed {:.2} refused {:.2} precision {:.3} after {:>6.0} s (max {:>7.0}) recipients {:>4} (mean {:.1}) {}",
            one.name,
            one.recall_by_attacker,
            one.alarmed_by_attacker,
            one.refused_by_attacker,
            one.precision,
            one.seconds_to_detect.unwrap_or(f64::NAN),
            one.seconds_to_detect_max.unwrap_or(f64::NAN),
            one.recipients_before_stop,
            one.recipients_before_stop_mean,
            one.detectors.join(" "),
        );
    }
    for one in report.detectors.iter().filter(|one| one.false_alarms > 0) {
        println!(
            "  false: {} {} (true {})",
            one.id, one.false_alarms, one.true_alarms
        );
    }
}
