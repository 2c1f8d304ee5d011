use super::*;

fn small(seed: u64) -> Plan {
    Plan {
        seed,
        users: 120,
        learning_days: 6,
        days: 4,
        attackers: 1,
        passwords_seen: false,
        bytes_max: 16 << 20,
    }
}

#[test]
fn the_same_plan_gives_the_same_report() {
    let settings = Settings::in_mode(Mode::Enforce);
    let play = |seed| {
        let report = run(&small(seed), &settings, &mut |_| (), &mut |_| ());
        serde_json::to_string(&report).expect("plain data")
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

#[test]
fn a_watch_that_only_observes_refuses_nobody() {
    let report = run(&small(3), &Settings::default(), &mut |_| (), &mut |_| ());
    assert!(report.hurt_by.is_empty() && report.benign_hurt_per_10k_day < 1e-9);
    assert!(
        report
            .attacks
            .iter()
            .all(|one| one.refused_by_attacker < 1e-9)
    );
    assert!(
        report
            .attacks
            .iter()
            .map(|one| one.recipients_before_stop)
            .max()
            > Some(100)
    );
}

#[test]
fn operations_told_again_bring_about_the_same() {
    let settings = Settings::in_mode(Mode::Enforce);
    let mut kept = Vec::new();
    run(
        &small(4),
        &settings,
        &mut |one| kept.push(one.clone()),
        &mut |_| (),
    );
    let replay = || {
        let mut watch = Watch::new(settings.clone(), 16 << 20, SECRET);
        kept.iter().map(|one| watch.apply(one)).collect::<Vec<_>>()
    };
    assert!(kept.len() > 1000);
    assert!(replay() == replay());
}
