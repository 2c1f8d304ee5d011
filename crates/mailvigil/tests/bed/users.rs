//! A morning of a few accounts as a running service would have written it down: the owner at work, somebody guessing, somebody who got in.

use std::path::Path;

use engine::watch::{Author, Decision, Scope, Step};
use mail::operation::{
    Act, Administer, Door, FailType, Login, LoginOutcome, Protocol, Retrieve, Source,
};
use mail::{Account, Address, Known, Operation, RecordId, Secret, Timestamp};
use store::{Concerned, DecisionRow, DetectionRow, OperationRow, Store, StoreConfig, Watched};

/// What a stranger called himself to do harm to whoever looks.
pub const HOSTILE: &str = "<script>alert(1)</script>@ours.example";

/// Writes it into the store of a service with this data folder.
pub fn seed(data: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(data).await;
        store.write_watched(&morning()).await.unwrap();
    });
}

/// The store of a service with this data folder.
pub async fn open(data: &Path) -> Store {
    let settings = StoreConfig {
        database: Secret::new(format!("sqlite:{}", data.join("mailvigil.db").display())),
        bodies: data.join("quarantine"),
        audit_head: data.join("audit-head"),
        quarantine_bytes_max: 1 << 30,
        facts_bytes_max: 1 << 20,
    };
    Store::open(&settings).await.unwrap()
}

fn morning() -> Watched {
    let now = engine::clock::now();
    let (ann, home, thief) = ("ann@ours.example", "198.51.100.7", "203.0.113.66");
    let failed = |kind| login(LoginOutcome::Failed(kind));
    let forward = Administer::Forward {
        target: Address::new("drop@elsewhere.example").unwrap(),
        ours: false,
    };
    let read = Retrieve {
        messages: 412,
        bytes: 96 << 20,
        mailbox_messages: None,
    };
    let mut operations = vec![
        (7_200, home, ann, login(LoginOutcome::Succeeded)),
        (900, thief, ann, login(LoginOutcome::Succeeded)),
        (880, thief, ann, Act::Retrieve(read)),
        (860, thief, ann, Act::Administer(forward)),
        (300, thief, "nobody@ours.example", failed(FailType::Account)),
        (200, thief, HOSTILE, failed(FailType::Account)),
    ];
    for number in 0..14 {
        operations.push((
            1_500 - number * 20,
            thief,
            ann,
            failed(FailType::Credentials),
        ));
    }
    let rows = operations
        .into_iter()
        .map(|(before, ip, account, act)| row(now.plus_secs(-before), ip, account, act));
    let words = "auth.hit: a login succeeded from where its account was never used, after guesses: the password is known to somebody else (pair_passwords 14 of 5)";
    let seen = |before: i64, detector: &str, account: &str, words: &str| DetectionRow {
        id: RecordId::random(now.plus_secs(-before)),
        detector: detector.to_owned(),
        who: Concerned {
            account: Some(account.to_owned()),
            ip: Some(thief.to_owned()),
            mailbox: None,
        },
        acts: true,
        body: serde_json::json!({ "words": words, "detection": { "score": 0.9, "evidence": [] } })
            .to_string(),
    };
    let account = Account::new(ann, 255).unwrap();
    let decided = [
        (Scope::Account(account.clone()), Step::Freeze, false),
        (Scope::Account(account), Step::ResetCredential, false),
        (
            Scope::Source(thief.parse().unwrap()),
            Step::BlockSource,
            true,
        ),
    ];
    let decisions = decided.map(|(scope, step, simulated)| {
        decision(now.plus_secs(-890), scope, step, simulated, words)
    });
    Watched {
        operations: rows.collect(),
        detections: vec![
            seen(899, "auth.hit", ann, words),
            seen(
                199,
                "auth.unknown",
                HOSTILE,
                "auth.unknown: <b>one</b> source asks for accounts that do not exist (accounts 2 of 3)",
            ),
        ],
        decisions: decisions.into(),
        ended: Vec::new(),
    }
}

const fn login(outcome: LoginOutcome) -> Act {
    Act::Login(Login::new(outcome))
}

fn row(at: Timestamp, ip: &str, account: &str, act: Act) -> OperationRow {
    let operation = Operation {
        id: RecordId::random(at),
        at,
        door: Door::AuthPolicy,
        protocol: Protocol::Imap,
        source: Source {
            ip: ip.parse().ok(),
            device: None,
            place: Known::NotAsked,
        },
        account: Account::new(account, 255),
        session: None,
        act,
    };
    OperationRow {
        id: operation.id,
        kind: "login".to_owned(),
        who: Concerned {
            account: Some(account.to_owned()),
            ip: Some(ip.to_owned()),
            mailbox: None,
        },
        body: serde_json::to_string(&operation).unwrap(),
    }
}

fn decision(at: Timestamp, scope: Scope, step: Step, simulated: bool, reason: &str) -> DecisionRow {
    let who = match &scope {
        Scope::Source(ip) => Concerned {
            ip: Some(ip.to_string()),
            ..Concerned::default()
        },
        Scope::Account(account) | Scope::Pair(_, account) => Concerned {
            account: Some(account.to_string()),
            ..Concerned::default()
        },
        Scope::Mailbox(_) => Concerned::default(),
    };
    let decision = Decision {
        id: RecordId::random(at),
        scope,
        step,
        author: Author::Detector("auth.hit".into()),
        reason: reason.to_owned(),
        evidence: Vec::new(),
        created: at,
        expires: at.plus_secs(86_400),
        simulated,
        held_back: None,
        strangers_only: false,
        good_users: 0,
    };
    DecisionRow {
        id: decision.id,
        step: step.name().to_owned(),
        who,
        simulated,
        expires: decision.expires,
        ended: None,
        body: serde_json::to_string(&decision).unwrap(),
    }
}
