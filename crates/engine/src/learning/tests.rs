use std::path::Path;

use judge::policy::PhaseSettings;
use learn::Summary;
use mail::learnt::Progress;
use mail::{Reason, Secret, Site};
use store::{LessonFilter, Store, StoreConfig};

use super::*;
use crate::{
    Authenticity, Author, Care, Desk, DeskError, Engine, OnFailure, Readers, Settings, Taught,
    Teacher,
};

async fn open(folder: &Path) -> Store {
    let config = StoreConfig {
        database: Secret::new(format!("sqlite:{}/kept.db", folder.display())),
        bodies: folder.join("bodies"),
        audit_head: folder.join("audit-head"),
        quarantine_bytes_max: 1_000_000,
        facts_bytes_max: 100_000,
    };
    Store::open(&config).await.expect("a store")
}

async fn node(store: &Store, learn: LearnSetup) -> Arc<Engine> {
    let settings = Settings {
        site: site(),
        limits: Limits::default(),
        on_failure: OnFailure::Tempfail,
        node: "one".into(),
        authenticity: Arc::new(Authenticity::default()),
        report_inbox: Vec::new(),
        complaints_from: Vec::new(),
        watch: crate::WatchSetup::default(),
        learn,
        hub: None,
        recalls: false,
    };
    let readers = Arc::new(Readers::new(&settings.limits));
    Engine::start(
        settings,
        store.clone(),
        Arc::new(Metrics::default()),
        readers,
    )
    .await
    .expect("an engine")
}

fn site() -> Site {
    Site {
        local_domains: vec![mail::Domain::parse("here.example").expect("a domain")],
        ..Site::default()
    }
}

fn desk(store: &Store) -> Desk {
    let limits = Limits::default();
    let readers = Arc::new(Readers::new(&limits));
    Desk::new(
        store.clone(),
        limits,
        site(),
        Care::default(),
        None,
        readers,
        Author::at_the_machine("ann"),
    )
}

fn mail(number: u32, spam: bool) -> Vec<u8> {
    let words = if spam {
        "casino bonus winner claim"
    } else {
        "meeting report lunch agenda"
    };
    format!(
        "From: Someone <s{number}@there.example>\r\nTo: bob@here.example\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}-{spam}@there.example>\r\nSubject: {words} {number}\r\n\r\nabout the {words} of day {number}, please read\r\n"
    )
    .into_bytes()
}

const TRUSTED: Teacher = Teacher {
    trusted: true,
    source: "files",
    who: String::new(),
    class: None,
};

fn reported(who: &str) -> Teacher {
    Teacher {
        trusted: false,
        source: "door",
        who: who.into(),
        class: None,
    }
}

/// Teaches so many of each kind, and lets a node learn them.
async fn teach(engine: &Engine, desk: &Desk, from: u32, count: u32) {
    for spam in [false, true] {
        let mails: Vec<Vec<u8>> = (from..from + count)
            .map(|number| mail(number, spam))
            .collect();
        desk.learn(&mails, !spam, &TRUSTED).await.expect("entered");
    }
    engine.keep_learning().await.expect("learnt");
}

/// Lets a message come; its record, and what the learner adds to its verdict.
async fn come(engine: &Engine, raw: &[u8], to: &str) -> (RecordId, Option<Reason>) {
    come_from(engine, raw, to, "192.0.2.9").await
}

async fn come_from(engine: &Engine, raw: &[u8], to: &str, ip: &str) -> (RecordId, Option<Reason>) {
    let mut envelope = Envelope::new(now(), "test");
    envelope.peer.ip = ip.parse().ok();
    envelope.envelope_from = Address::new("s@there.example");
    envelope
        .recipients
        .extend(to.split(',').filter_map(Address::new));
    let question = crate::Question {
        envelope,
        raw: raw.to_vec(),
        not_read: None,
        abilities: crate::Abilities::ADVICE,
    };
    let answer = engine.question(question).await;
    let verdict = answer.verdict.expect("a verdict");
    let learnt = verdict
        .reasons
        .iter()
        .find(|reason| reason.name.starts_with("learnt"));
    (answer.record, learnt.cloned())
}

fn summary(engine: &Engine) -> Summary {
    engine.learning().course().summary()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taught_is_said_of_the_next_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    assert_eq!(
        come(&engine, &mail(1, true), "bob@here.example").await.1,
        None,
        "nobody has said anything yet"
    );
    teach(&engine, &desk, 100, 150).await;
    let observed = come(&engine, &mail(2, true), "bob@here.example")
        .await
        .1
        .expect("an opinion");
    assert_eq!(
        (observed.name.as_str(), observed.score),
        ("learnt-likely-unwanted", 0.0)
    );
    assert!(observed.evidence[1].text.contains("only observes"));
    teach(&engine, &desk, 1000, 60).await;
    let tagged = come(&engine, &mail(3, true), "bob@here.example")
        .await
        .1
        .expect("an opinion");
    assert_eq!(
        (tagged.name.as_str(), tagged.score),
        ("learnt-likely-unwanted", 2.5)
    );
    let wanted = come(&engine, &mail(4, false), "bob@here.example")
        .await
        .1
        .expect("an opinion");
    assert_eq!(
        (wanted.name.as_str(), wanted.score),
        ("learnt-wanted", -1.0)
    );
    let learner = desk.learner().await.expect("told");
    let state = learner.state.expect("it has learnt");
    assert_eq!(state.summary.trusted, [210, 210]);
    assert_eq!(state.summary.standing.progress(), Progress::Tagging);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_wants_holds_for_mail_to_that_person_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    teach(&engine, &desk, 1000, 210).await;
    let told = async |engine: &Engine, to: &str| {
        let reason = come(engine, &mail(7, true), to).await.1;
        reason.expect("an opinion")
    };
    assert_eq!(
        told(&engine, "bob@here.example").await.name,
        "learnt-likely-unwanted"
    );
    // Servers write names of people as they please.
    let bob = reported("Bob@here.example");
    for number in 0..30 {
        desk.learn(&[mail(number, true)], true, &bob)
            .await
            .expect("entered");
    }
    engine.keep_learning().await.expect("learnt");
    let his = told(&engine, "BOB@here.example").await;
    assert!(
        ["learnt-personal", "learnt-wanted"].contains(&his.name.as_str()),
        "{his:?}"
    );
    let own_words = |reason: &Reason| {
        let texts = reason.evidence.iter();
        texts
            .filter(|one| one.text.contains("with the 30 labels of who it is for"))
            .count()
    };
    assert_eq!(own_words(&his), 1, "{his:?}");
    let others = told(&engine, "carl@here.example").await;
    assert_eq!(
        (others.name.as_str(), own_words(&others)),
        ("learnt-likely-unwanted", 0)
    );
    let both = told(&engine, "bob@here.example,carl@here.example").await;
    assert_eq!(own_words(&both), 0, "one verdict for two people: {both:?}");
    // A node that begins later thinks the same, and what is taken back is as if it had never been said.
    let later = node(&store, LearnSetup::default()).await;
    later.keep_learning().await.expect("learnt");
    assert!(*later.learning().course() == *engine.learning().course());
    let of_bob = LessonFilter {
        who: Some("bob@here.example".into()),
        ..LessonFilter::default()
    };
    assert_eq!(
        desk.take_back(&of_bob, "a slip").await.expect("taken back"),
        30
    );
    engine.keep_learning().await.expect("learnt");
    assert_eq!(
        told(&engine, "bob@here.example").await.name,
        "learnt-likely-unwanted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_taught_as_it_was_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    let (id, _) = come(&engine, &mail(1, true), "bob@here.example").await;
    assert!(
        engine
            .recorder()
            .flush(std::time::Duration::from_secs(5))
            .await
    );
    engine.keep_learning().await.expect("written");
    assert_eq!(desk.teach(id, false).await.expect("taught"), Taught::Learnt);
    assert_eq!(desk.teach(id, false).await.expect("taught"), Taught::Known);
    engine.keep_learning().await.expect("learnt");
    assert_eq!(summary(&engine).trusted, [0, 1]);
    // The other word takes the place of the first.
    assert_eq!(desk.teach(id, true).await.expect("taught"), Taught::Learnt);
    engine.keep_learning().await.expect("learnt");
    assert_eq!(summary(&engine).trusted, [1, 0]);
    // A user's word stands beside it, and each user's by itself.
    for who in ["carl", "dora"] {
        desk.teach_as(id, false, &reported(who), None)
            .await
            .expect("taught");
    }
    engine.keep_learning().await.expect("learnt");
    assert_eq!(
        (summary(&engine).trusted, summary(&engine).reported),
        ([1, 0], [0, 2])
    );
    let labels = store.labels(id).await.expect("labels");
    assert_eq!(labels.len(), 3);
    let unknown = desk.teach(RecordId::random(now()), true).await;
    assert!(matches!(unknown, Err(DeskError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_learn_one_model_and_forget_as_if_it_had_never_been() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (one, two) = (
        node(&store, LearnSetup::default()).await,
        node(&store, LearnSetup::default()).await,
    );
    let desk = desk(&store);
    teach(&one, &desk, 0, 30).await;
    two.keep_learning().await.expect("learnt");
    let before = one.learning().course().clone();
    assert!(*two.learning().course() == before);
    // Somebody teaches nonsense from a file, and it is taken back.
    let wrong = Teacher {
        who: "eve".into(),
        ..TRUSTED
    };
    let mails: Vec<Vec<u8>> = (500..520).map(|number| mail(number, true)).collect();
    desk.learn(&mails, true, &wrong).await.expect("entered");
    one.keep_learning().await.expect("learnt");
    assert_eq!(summary(&one).trusted, [50, 30]);
    let of_eve = LessonFilter {
        who: Some("eve".into()),
        ..LessonFilter::default()
    };
    assert!(matches!(
        desk.take_back(&LessonFilter::default(), "why").await,
        Err(DeskError::Unfit(_))
    ));
    assert!(matches!(
        desk.take_back(&of_eve, " ").await,
        Err(DeskError::NeedsReason)
    ));
    assert_eq!(
        desk.take_back(&of_eve, "a wrong folder")
            .await
            .expect("taken back"),
        20
    );
    assert!(matches!(
        desk.take_back(&of_eve, "again").await,
        Err(DeskError::NotFound(_))
    ));
    for node in [&one, &two] {
        node.keep_learning().await.expect("learnt");
        let mut now = node.learning().course().clone();
        now.skip_to(before.place());
        assert!(now == before, "as if it had never been");
    }
    let three = node(&store, LearnSetup::default()).await;
    assert!(
        *three.learning().course() == *one.learning().course(),
        "whoever begins later comes to the same"
    );
    let log = desk
        .lessons(&LessonFilter {
            limit: 500,
            ..of_eve
        })
        .await
        .expect("the log");
    assert!(log.len() == 20 && log.iter().all(|lesson| lesson.taken_back.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_the_file_or_from_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let setup = LearnSetup {
        file: Some(folder.path().join("learner")),
        ..LearnSetup::default()
    };
    let (one, desk) = (node(&store, setup.clone()).await, desk(&store));
    teach(&one, &desk, 0, 20).await;
    one.keep_model().await.expect("written");
    teach(&one, &desk, 100, 20).await;
    let all = one.learning().course().clone();
    drop(one); // as if killed: the file has the first half
    let two = node(&store, setup.clone()).await;
    assert!(*two.learning().course() == all);
    std::fs::write(folder.path().join("learner"), b"mailvigil model\n, cut").expect("written");
    let three = node(&store, setup.clone()).await;
    assert!(
        *three.learning().course() == all,
        "a broken file is passed over"
    );
    // A file that knows more than the log was made by another database.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = open(elsewhere.path()).await;
    let four = node(&other, LearnSetup::default()).await;
    assert_eq!(four.learning().course().place(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_back_what_was_said_lately_learns_only_that_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let setup = LearnSetup {
        file: Some(folder.path().join("learner")),
        ..LearnSetup::default()
    };
    let (one, desk) = (node(&store, setup.clone()).await, desk(&store));
    teach(&one, &desk, 0, 700).await;
    one.keep_model().await.expect("written, and a state left");
    teach(&one, &desk, 2000, 20).await;
    let relearnt = |engine: &Engine| engine.metrics().lessons_relearnt.get();
    let say = |who: &str, from: u32| {
        let teacher = Teacher {
            who: who.to_owned(),
            ..TRUSTED
        };
        let mails: Vec<Vec<u8>> = (from..from + 5).map(|number| mail(number, true)).collect();
        let desk = &desk;
        async move { desk.learn(&mails, true, &teacher).await.expect("entered") }
    };
    say("eve", 3000).await;
    one.keep_learning().await.expect("learnt");
    let of = |who: &str| LessonFilter {
        who: Some(who.into()),
        ..LessonFilter::default()
    };
    desk.take_back(&of("eve"), "wrong").await.expect("back");
    // After a start, too: the state lies beside the file.
    drop(one);
    let one = node(&store, setup.clone()).await;
    let few = relearnt(&one);
    assert!((20..60).contains(&few), "{few}");
    let anew = node(&store, LearnSetup::default()).await;
    assert!(
        *one.learning().course() == *anew.learning().course(),
        "the same as from the first lesson on"
    );
    // What is older than the state is learnt from the start, and the state is of no use any more.
    let early = LessonFilter {
        until: Some(now()),
        ..of(TRUSTED.who.as_str())
    };
    desk.take_back(&early, "all of it").await.expect("back");
    one.keep_learning().await.expect("learnt");
    let anew = node(&store, LearnSetup::default()).await;
    assert!(*one.learning().course() == *anew.learning().course());
    let left = std::fs::read_dir(folder.path()).expect("read");
    let states = left
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains(".at-"));
    assert_eq!(states.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_folded_is_still_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (one, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    let old = |number: u32| NewLesson {
        at: now().plus_secs(-500 * DAY_SECS),
        label: if number.is_multiple_of(2) {
            "unwanted"
        } else {
            "wanted"
        }
        .into(),
        trust: "trusted".into(),
        source: "files".into(),
        seen: Some({
            let raw = mail(number, number.is_multiple_of(2));
            let envelope = Envelope::new(now(), "test");
            let phases = PhaseSettings::default();
            let (looked, _) = one
                .learning()
                .look(&raw, &Known::NotAsked, &envelope, &phases);
            looked.sight.seen.to_bytes()
        }),
        ..NewLesson::default()
    };
    let lessons: Vec<NewLesson> = (0..40).map(old).collect();
    store.add_lessons(&lessons, None).await.expect("entered");
    teach(&one, &desk, 100, 20).await;
    let before = one.learning().course().clone();
    one.learning().fold(&store, 400).await.expect("folded");
    assert_eq!(store.lesson_base_place().await.expect("asked"), 40);
    assert_eq!(store.lessons_after(0).await.expect("rows").len(), 40);
    let two = node(&store, LearnSetup::default()).await;
    assert!(*two.learning().course() == before);
    one.learning()
        .fold(&store, 400)
        .await
        .expect("nothing to fold");
    assert_eq!(store.lesson_base_place().await.expect("asked"), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_and_replies_teach() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let setup = LearnSetup {
        traps: vec![Address::new("trap@here.example").expect("an address")],
        replies: true,
        ..LearnSetup::default()
    };
    let engine = node(&store, setup).await;
    let (trapped, _) = come(&engine, &mail(1, true), "Trap@Here.example").await;
    let (answered, _) = come(&engine, &mail(2, false), "bob@here.example").await;
    assert!(
        engine
            .recorder()
            .flush(std::time::Duration::from_secs(5))
            .await
    );
    engine.keep_learning().await.expect("learnt");
    let reply = b"From: bob@here.example\r\nTo: s2@there.example\r\nDate: Sun, 29 Nov 2026 11:00:00 +0000\r\nMessage-ID: <r@here.example>\r\nIn-Reply-To: <2-false@there.example>\r\nSubject: Re: meeting\r\n\r\nyes, gladly\r\n";
    let mut envelope = Envelope::new(now(), "test");
    envelope.account = Some("bob".into());
    envelope.envelope_from = Address::new("bob@here.example");
    envelope.recipients.extend(Address::new("s2@there.example"));
    let question = |envelope: &Envelope| crate::Question {
        envelope: envelope.clone(),
        raw: reply.to_vec(),
        not_read: None,
        abilities: crate::Abilities::ADVICE,
    };
    engine.question(question(&envelope)).await;
    engine.keep_learning().await.expect("learnt");
    let said = |record| LessonFilter {
        record: Some(record),
        limit: 9,
        ..LessonFilter::default()
    };
    let of_trap = store.lessons(&said(trapped)).await.expect("lessons");
    assert_eq!(
        (
            of_trap[0].label.as_str(),
            of_trap[0].source.as_str(),
            of_trap[0].who.as_str()
        ),
        ("unwanted", "trap", "trap@here.example")
    );
    let of_reply = store.lessons(&said(answered)).await.expect("lessons");
    assert_eq!(
        (
            of_reply[0].label.as_str(),
            of_reply[0].source.as_str(),
            of_reply[0].who.as_str()
        ),
        ("wanted", "reply", "bob")
    );
    assert_eq!(summary(&engine).trusted, [1, 1]);
    // A second reply says nothing new, and a reply by somebody it did not come to says nothing.
    engine.question(question(&envelope)).await;
    engine.keep_learning().await.expect("nothing new");
    assert_eq!(summary(&engine).trusted, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_make_wanted_mail_look_unwanted_are_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    teach(&engine, &desk, 0, 30).await;
    let honest: Vec<Vec<u8>> = (300..320).map(|number| mail(number, true)).collect();
    desk.learn(&honest, false, &reported("carl"))
        .await
        .expect("entered");
    engine.keep_learning().await.expect("learnt");
    assert_eq!(
        summary(&engine).reported,
        [0, 20],
        "what does no harm is let in"
    );
    let before = engine.learning().course().clone();
    // A flood of accounts calls wanted mail unwanted.
    for number in 0..400 {
        let raw = [mail(number % 30, false)];
        desk.learn(&raw, false, &reported(&format!("bot{number}")))
            .await
            .expect("entered");
    }
    engine.keep_learning().await.expect("learnt");
    engine.keep_learning().await.expect("taken back");
    let mut after = engine.learning().course().clone();
    after.skip_to(before.place());
    assert!(after == before, "{:?}", after.summary());
    // Also right behind a restart, and with somebody who takes his own word back at the same moment.
    let again = node(&store, LearnSetup::default()).await;
    let own = [mail(900, true)];
    desk.learn(&own, false, &reported("mallory"))
        .await
        .expect("entered");
    let of_mallory = LessonFilter {
        who: Some("mallory".into()),
        ..LessonFilter::default()
    };
    desk.take_back(&of_mallory, "his own")
        .await
        .expect("taken back");
    for number in 0..400 {
        let raw = [mail(number % 30, false)];
        let bot = reported(&format!("bot{number}"));
        desk.learn(&raw, false, &bot).await.expect("entered");
    }
    again.keep_learning().await.expect("learnt");
    again.keep_learning().await.expect("taken back");
    let mut after = again.learning().course().clone();
    after.skip_to(before.place());
    assert!(after == before, "{:?}", after.summary());
    let filter = LessonFilter {
        who: Some("bot7".into()),
        limit: 9,
        ..LessonFilter::default()
    };
    let log = store.lessons(&filter).await.expect("the log");
    let by = log[0].taken_back.as_ref().map(|(who, _)| who.as_str());
    assert_eq!(by, Some("mailvigil gate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_about_what_nobody_is_sure_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let setup = LearnSetup {
        questions_per_day: 5,
        ..LearnSetup::default()
    };
    let (engine, desk) = (node(&store, setup).await, desk(&store));
    for number in 0..40 {
        come(&engine, &mail(number, number % 2 == 0), "bob@here.example").await;
    }
    assert!(
        engine
            .recorder()
            .flush(std::time::Duration::from_secs(5))
            .await
    );
    engine.keep_learning().await.expect("written");
    let asked = desk.questions(50).await.expect("questions");
    assert!((1..=5).contains(&asked.len()), "{}", asked.len());
    let first = asked[0].record.id;
    desk.teach(first, true).await.expect("taught");
    engine.keep_learning().await.expect("learnt");
    let left = desk.questions(50).await.expect("questions");
    assert_eq!(left.len(), asked.len() - 1);
    assert!(left.iter().all(|one| one.record.id != first));
    // Somebody who looks after another domain is asked nothing, and does not see the log.
    let part = Author {
        scope: vec!["@elsewhere.example".into()],
        ..Author::at_the_machine("paul")
    };
    let part = desk.of(part);
    assert!(part.questions(50).await.expect("questions").is_empty());
    let log = part.lessons(&LessonFilter::default()).await;
    assert!(matches!(log, Err(DeskError::Forbidden(_))));
    assert!(part.learn(&[mail(1, true)], true, &TRUSTED).await.is_err());
}

#[test]
fn a_day_asks_no_more_than_its_questions() {
    let mut day = Day::new(0, 10, 200);
    let mut envelope = Envelope::new(now(), "test");
    envelope.direction = Direction::Inbound;
    let unsure = learn::Opinion {
        settled: true,
        ..learn::Opinion::of(0.1)
    };
    let sure = learn::Opinion::of(8.0);
    let mut number = 0;
    let mut asks = |opinion, fate| {
        number += 1;
        let sender = Some(format!("s{number}@there.example"));
        day.asks(&envelope, sender, RecordId::random(now()), opinion, fate)
    };
    let refused = (0..50)
        .filter(|_| asks(&unsure, Fate::Rejected).is_some())
        .count();
    assert_eq!(refused, 0, "nobody here has it");
    let asked: Vec<&str> = (0..1000)
        .filter_map(|_| asks(&unsure, Fate::Delivered))
        .collect();
    assert_eq!(asked, ["unsure"; 7]);
    let explored: Vec<&str> = (0..2000)
        .filter_map(|_| asks(&sure, Fate::Quarantined))
        .collect();
    assert_eq!(explored, ["explored"; 3]);
    day.turn(Timestamp::from_secs(3 * DAY_SECS), 7);
    assert_eq!((day.number, day.expected), (3, 3000));
    let twice = [0, 1].map(|_| {
        let sender = Some("one@there.example".to_owned());
        day.asks(
            &envelope,
            sender,
            RecordId::random(now()),
            &unsure,
            Fate::Delivered,
        )
    });
    assert_eq!(twice, [Some("unsure"), None], "one letter of each sender");
}

/// One letter to many people, from so many networks.
async fn spread(engine: &Engine, from: u8, count: u8) -> Vec<(RecordId, Vec<String>)> {
    let mut come = Vec::new();
    for number in from..from + count {
        let raw = format!(
            "From: Offers <o{number}@shop{number}.example>\r\nTo: bob@here.example\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@shop.example>\r\nSubject: For you, customer {number}\r\n\r\nThe finest carpets of the old town now at half their price, delivery before the holidays and no risk at all\r\n"
        );
        let mut envelope = Envelope::new(now(), "test");
        envelope.peer.ip = format!("198.51.{number}.7").parse().ok();
        envelope.envelope_from = Address::new("s@there.example");
        envelope.recipients.extend(Address::new("bob@here.example"));
        let question = crate::Question {
            envelope,
            raw: raw.into_bytes(),
            not_read: None,
            abilities: crate::Abilities::ADVICE,
        };
        let answer = engine.question(question).await;
        let verdict = answer.verdict.expect("a verdict");
        let reasons = verdict.reasons.iter().map(|reason| reason.name.clone());
        come.push((answer.record, reasons.collect()));
    }
    let flushed = engine
        .recorder()
        .flush(std::time::Duration::from_secs(5))
        .await;
    assert!(flushed);
    engine.keep_learning().await.expect("written");
    come
}

fn has(one: &(RecordId, Vec<String>), name: &str) -> bool {
    one.1.iter().any(|reason| reason == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_text_from_many_networks_is_a_campaign_with_who_got_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    let come = spread(&engine, 1, 14).await;
    let spreading: Vec<bool> = come
        .iter()
        .map(|one| has(one, "campaign-spreading"))
        .collect();
    assert!(
        !spreading[..5].contains(&true) && spreading[12] && spreading[13],
        "{spreading:?}"
    );
    let listed = desk.campaigns(9).await.expect("campaigns");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].row.name, listed[0].row.messages),
        (come[0].0, 14)
    );
    assert_eq!(
        listed[0].first.id, come[0].0,
        "what came before it was recognised is listed, too"
    );
    let got = desk.campaign(come[0].0).await.expect("who got it");
    assert_eq!(got.len(), 14);

    // One word about any of them holds of all, after a restart, too; and a word for it silences everything.
    desk.teach(come[4].0, false).await.expect("taught");
    engine.keep_learning().await.expect("learnt");
    let known = spread(&engine, 40, 1).await;
    assert!(has(&known[0], "campaign-known"), "{known:?}");
    let again = node(&store, LearnSetup::default()).await;
    let known = spread(&again, 41, 1).await;
    assert!(has(&known[0], "campaign-known"), "{known:?}");
    desk.teach(come[4].0, true).await.expect("taught");
    again.keep_learning().await.expect("learnt");
    let wanted = spread(&again, 42, 1).await;
    assert!(
        !wanted[0]
            .1
            .iter()
            .any(|reason| reason.starts_with("campaign")),
        "{wanted:?}"
    );
    // Somebody who looks after another domain sees nothing of it.
    let part = desk.of(Author {
        scope: vec!["@elsewhere.example".into()],
        ..Author::at_the_machine("paul")
    });
    assert!(part.campaigns(9).await.expect("campaigns").is_empty());
    assert!(matches!(
        part.campaign(come[0].0).await,
        Err(DeskError::NotFound(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_scores_otherwise_than_before_is_told_once_by_whoever_sees_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (one, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    teach(&one, &desk, 100, 5).await;
    let spread = |engine: &Engine, most: f64| {
        for number in 0..2000 {
            engine
                .learning()
                .follow_drift(f64::from(number) / 2000.0 * most);
        }
    };
    let shifted = async || {
        desk.learner()
            .await
            .expect("told")
            .state
            .expect("it has learnt")
            .shifted
    };
    spread(&one, 1.0);
    spread(&one, 1.0);
    one.keep_learning().await.expect("told");
    assert_eq!(shifted().await, None, "the same as before");
    spread(&one, 0.3);
    one.keep_learning().await.expect("told");
    let told = shifted().await.expect("it is other mail");
    assert!(told.index > learn::drift::SHIFTED, "{told:?}");
    assert!(one.metrics().text().contains("mailvigil_scores_shift "));
    // A node that has seen nothing, and learns something, does not take it back.
    let two = node(&store, LearnSetup::default()).await;
    teach(&two, &desk, 200, 2).await;
    assert_eq!(shifted().await, Some(told));
}

/// Which classifier has a say is policy, and what people call a type of mail is a class of the one in two phases.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_chooses_the_classifier_and_people_name_its_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (engine, desk) = (node(&store, LearnSetup::default()).await, desk(&store));
    teach(&engine, &desk, 100, 210).await;
    let lottery = |number: u32| {
        format!("From: L <l{number}@far.example>\r\nTo: bob@here.example\r\nSubject: ticket {number}\r\n\r\nyour ticket number drew the grand jackpot, state your ballot and pay the transfer fee {number}\r\n").into_bytes()
    };
    let of_type = |class: &str| Teacher {
        class: Some(class.to_owned()),
        ..TRUSTED
    };
    let mails: Vec<Vec<u8>> = (0..30).map(lottery).collect();
    desk.learn(&mails, false, &of_type("lottery"))
        .await
        .expect("entered");
    let refused = desk.learn(&mails, false, &of_type("Lottery!")).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("no class of message")));
    engine.keep_learning().await.expect("learnt");
    let classes = summary(&engine).classes;
    assert!(
        classes.contains(&("lottery".to_owned(), true, 30)),
        "{classes:?}"
    );
    // Another node that reads the log has the same classes.
    let two = node(&store, LearnSetup::default()).await;
    assert!(*two.learning().course() == *engine.learning().course());

    let choose = async |text: &str| {
        desk.apply_policy(text, "test", None)
            .await
            .expect("applied");
        engine.policy_changed().await;
        engine.refresh_policy().await.expect("read");
    };
    choose("[learning]\nclassifier = \"bayes\"\n").await;
    let (_, reason) = come(&engine, &lottery(900), "bob@here.example").await;
    let reason = reason.expect("an opinion");
    assert_eq!(
        (reason.name.as_str(), reason.score),
        ("learnt-likely-unwanted", 2.5)
    );
    assert!(
        reason.evidence[0].text.contains("class lottery"),
        "{reason:?}"
    );
    let (_, reason) = come(&engine, &mail(901, false), "bob@here.example").await;
    assert_eq!(reason.expect("an opinion").name, "learnt-wanted");

    choose("[learning]\nclassifier = \"two-phase\"\nmatched_tokens = 4\n").await;
    let mut names = Vec::new();
    for number in 0..8 {
        let ip = format!("198.51.{number}.7");
        let (_, reason) = come_from(&engine, &lottery(910 + number), "bob@here.example", &ip).await;
        names.push(reason.map(|reason| reason.name));
    }
    // Four sources are none too many; the sixth message finds five before it.
    assert_eq!(names[..4], [const { None }; 4]);
    assert_eq!(names[7].as_deref(), Some("learnt-sudden"), "{names:?}");
    // One source that sends a great deal is no campaign.
    for number in 0..8 {
        let raw = mail(930 + number, false);
        let (_, reason) = come(&engine, &raw, "bob@here.example").await;
        assert_eq!(reason, None);
    }
    // A node that starts now knows what came before it.
    engine.keep_learning().await.expect("written");
    let three = node(&store, LearnSetup::default()).await;
    let (_, reason) = come_from(&three, &lottery(980), "bob@here.example", "198.51.98.7").await;
    assert_eq!(reason.expect("an opinion").name, "learnt-sudden");
    // What the classifier found is a fact of the record: another policy is tried on it without any model.
    let (id, _) = come_from(&engine, &lottery(990), "bob@here.example", "198.51.99.7").await;
    let record = loop {
        // Records are written by the side.
        if let Some(record) = store.get(id).await.expect("asked") {
            break record;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let phases = record
        .facts
        .and_then(|facts| facts.learnt)
        .and_then(|learnt| learnt.phases);
    let phases = phases.expect("found");
    assert_eq!((phases.class.as_str(), phases.unwanted), ("lottery", true));
    assert!(phases.hot > 4 && phases.values.len() == 3, "{phases:?}");
}
