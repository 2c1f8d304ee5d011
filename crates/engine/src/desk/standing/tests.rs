use std::sync::Arc;

use documents::Pool;
use mail::standing::{Counts, DayCounts, Delta, day_of};
use mail::{Limits, Secret, Site};
use store::{Store, StoreConfig};

use super::*;
use crate::clock::now;
use crate::{Author, Care, Role};

fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

async fn desk(folder: &std::path::Path) -> Desk {
    let settings = StoreConfig {
        database: Secret::new(format!("sqlite:{}/kept.db", folder.display())),
        bodies: folder.join("bodies"),
        audit_head: folder.join("head"),
        quarantine_bytes_max: 1 << 20,
        facts_bytes_max: 1 << 20,
    };
    let store = Store::open(&settings).await.expect("opens");
    let limits = Limits::default();
    let site = Site {
        local_domains: vec![domain("ours.example")],
        ..Site::default()
    };
    let readers = Arc::new(Pool::new(&limits));
    let author = Author::at_the_machine("ann");
    Desk::new(store, limits, site, Care::default(), None, readers, author)
}

/// So many messages a day, of which so many are unsigned.
async fn seen(desk: &Desk, name: &str, days_ago: u32, total: u64, unsigned: u64) {
    let counts = Counts {
        total,
        unsigned,
        authentic: total - unsigned,
        vouched: total,
        ..Counts::default()
    };
    let row = DayCounts {
        domain: domain(name),
        organisation: domain(name),
        server: "192.0.2.1/32".parse().expect("a network"),
        day: day_of(now()) - days_ago,
        counts,
    };
    let delta = Delta {
        days: vec![row],
        ..Delta::default()
    };
    let body = serde_json::to_string(&delta).expect("it can be written");
    let told = desk.store().append_standing(now(), "test", &body).await;
    told.expect("appended");
}

fn names(page: &DomainPage) -> Vec<&str> {
    page.views.iter().map(|view| view.domain.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_are_found_in_one_order_ours_and_others_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = desk(folder.path()).await;
    for (name, total) in [
        ("b.example", 5),
        ("a.example", 5),
        ("shop.ours.example", 9),
        ("yours.example", 1),
    ] {
        seen(&desk, name, 1, total, 0).await;
    }
    // Older than the window: nothing of it is told.
    seen(&desk, "old.example", 40, 100, 0).await;
    let filter = |name: &str, ours| DomainFilter {
        name: name.to_owned(),
        ours,
        skip: 0,
        limit: 10,
    };
    let all = desk.standings(&filter("", None)).await.expect("listed");
    let order = [
        "shop.ours.example",
        "a.example",
        "b.example",
        "yours.example",
        "ours.example",
    ];
    assert_eq!(names(&all), order);
    let ours = desk.standings(&filter("", Some(true))).await.expect("ours");
    assert_eq!(names(&ours), ["shop.ours.example", "ours.example"]);
    // Of our own there is a page before any mail came, of strangers not.
    let own = desk.standing_of(&domain("ours.example")).await;
    assert_eq!(own.expect("ours").view.counts, mail::Counts::default());
    let stranger = desk.standing_of(&domain("stranger.example")).await;
    assert!(
        matches!(stranger, Err(DeskError::NotFound(_))),
        "{stranger:?}"
    );
    let found = desk.standings(&filter(" OURS", Some(false))).await;
    assert_eq!(names(&found.expect("found")), ["yours.example"]);
    let second = DomainFilter {
        skip: 1,
        limit: 2,
        ..DomainFilter::default()
    };
    let second = desk.standings(&second).await.expect("listed");
    assert_eq!((names(&second), second.total), (order[1..3].to_vec(), 5));
    // What came since the last look is in the next.
    seen(&desk, "b.example", 1, 5, 0).await;
    let all = desk.standings(&filter("", None)).await.expect("listed");
    assert_eq!(names(&all)[..2], ["b.example", "shop.ours.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_for_a_domain_is_a_version_of_the_policy_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = desk(folder.path()).await;
    seen(&desk, "bank.example", 1, 100, 10).await;
    let bank = domain("bank.example");
    let before = desk.standing_of(&bank).await.expect("known");
    assert_eq!(before.view.share.map(|share| share.percent), Some(90.0));
    let net = "192.0.2.1/32".parse().expect("a network");
    let unsaid = desk.mark_server(&bank, net, Mark::NotOurs, None, " ").await;
    assert!(matches!(unsaid, Err(DeskError::NeedsReason)), "{unsaid:?}");
    let version = desk
        .mark_server(&bank, net, Mark::NotOurs, None, "a stranger")
        .await;
    let version = version.expect("marked");
    let pinned = desk
        .pin_stage(&bank, Some(Stage::Blocking), Some(version), "for the test")
        .await;
    let pinned = pinned.expect("pinned");
    let late = desk
        .wish_for(&bank, Some(Handling::Redirect), Some(version), "too late")
        .await;
    assert!(matches!(late, Err(DeskError::Conflict(_))), "{late:?}");
    let after = desk.standing_of(&bank).await.expect("known");
    assert_eq!(
        (after.view.stage, after.policy_version),
        (Stage::Blocking, pinned)
    );
    assert_eq!(after.view.servers[0].mark, Mark::NotOurs);
    assert_eq!((after.view.share, after.set_by), (None, Some(bank.clone())));
    let history = desk.policy_history(1).await.expect("a history");
    assert_eq!(history[0].reason, "for the test");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_the_policy_sets_nothing_and_what_is_unknown_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = desk(folder.path()).await;
    let new = domain("new.example");
    let unknown = desk.standing_of(&new).await;
    assert!(matches!(unknown, Err(DeskError::NotFound(_))));
    let auditor = desk.of(Author {
        role: Role::Auditor,
        ..Author::at_the_machine("olaf")
    });
    let refused = auditor
        .pin_stage(&new, Some(Stage::Observing), None, "why not")
        .await;
    assert!(matches!(refused, Err(DeskError::Forbidden(_))));
    // Something may be set before the first message comes.
    let pinned = desk
        .pin_stage(&new, Some(Stage::Observing), None, "they asked for it")
        .await;
    pinned.expect("pinned");
    let view = auditor.standing_of(&new).await.expect("it is set");
    assert_eq!(view.set.stage, Some(Stage::Observing));
    let filter = DomainFilter {
        limit: 1,
        ..DomainFilter::default()
    };
    let listed = auditor.standings(&filter).await.expect("listed");
    assert_eq!(names(&listed), ["new.example"]);
}
