//! Whatever comes, nothing panics and what is kept is bounded. The fuzz targets `dns_records` and `authentication` look
//! further; this is their short round, from the same seeds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lookup::dns::{Record, Resolver, Zone};
use lookup::{Acceptance, Settings, Verifier, results};
use mail::{Address, Envelope, Limits, Message, Timestamp};
use proptest::prelude::*;
use tokio::time::Instant;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("seeds");
    entries
        .map(|entry| std::fs::read(entry.expect("a seed").path()).expect("a seed"))
        .collect()
}

/// A seed with pieces of it and other bytes put in and taken out.
fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b";".to_vec()),
        Just(b"=".to_vec()),
        Just(b"%{ir128/}".to_vec()),
        Just(b"\"(\\".to_vec()),
        Just(vec![0xff, 0]),
        proptest::collection::vec(any::<u8>(), 0..8),
        "[a-z0-9:;=/*%{}.@ -]{0,40}".prop_map(String::into_bytes),
    ];
    let change = (any::<prop::sample::Index>(), 0_usize..30, piece);
    let changes = proptest::collection::vec(change, 0..6);
    (prop::sample::select(seeds(target)), changes).prop_map(|(mut bytes, changes)| {
        for (place, length, piece) in changes {
            let start = place.index(bytes.len() + 1);
            let end = bytes.len().min(start + length);
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

fn verifier() -> Verifier {
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let zone = Zone::default()
        .txt("one._domainkey.example.org", key)
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .txt(
            "example.org",
            "v=spf1 a mx ptr exists:%{ir}.%{l1r-}.%{h} include:example.org -all",
        )
        .with("example.org", Record::A([192, 0, 2, 1].into()));
    let settings = Settings {
        authserv_id: "mx.example.net".to_owned(),
        trusted_sealers: vec![mail::Domain::parse("example.org").expect("a domain")],
        acceptance: Acceptance {
            dkim_sha1: true,
            domain_keys: true,
            partial_body: true,
        },
        ..Settings::default()
    };
    Verifier::new(Arc::new(Resolver::new(zone, &Limits::default())), settings)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn records(data in mutated("dns_records")) {
        let _ = lookup::spf::check_syntax(&data);
        let _ = lookup::dmarc::check_syntax(&data);
        let _ = lookup::sign::check_record(&data);
        let limits = Limits { authentication_items_max: 3, authentication_text_bytes_max: 64, ..Limits::default() };
        if let Some(read) = results::read(&String::from_utf8_lossy(&data), &limits) {
            prop_assert!(read.claims.len() <= 3);
            prop_assert!(read.claims.iter().all(|claim| claim.result.len() <= 64 && claim.properties.len() <= 3));
        }
    }

    #[test]
    fn messages(data in mutated("authentication")) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let limits = Limits::default();
        let message = Message::read(&data, &limits);
        let mut envelope = Envelope::new(Timestamp::from_secs(1_528_400_000), "test");
        envelope.peer.ip = Some([192, 0, 2, 77].into());
        envelope.helo_name = message.header("x-helo").map(str::to_owned);
        envelope.envelope_from = message.header("return-path").and_then(|path| Address::from_path(path, 1024));
        let verifier = verifier();
        let found = runtime.block_on(async {
            verifier.verify(&envelope, &data, &message, Instant::now() + Duration::from_mins(1)).await
        });
        let written = results::write(&found, &envelope, "mx.example.net");
        prop_assert!(written.is_ascii());
        prop_assert_eq!(written.matches('\n').count(), written.matches("\r\n\t").count());
        let read = results::read(&written, &limits).expect("our own field");
        prop_assert_eq!(read.authserv_id.as_str(), "mx.example.net");
        // The untouched seed passes, so that what is tried is not only what fails at once.
        if seeds("authentication").contains(&data) && data.starts_with(b"DKIM-Signature: v=1; a=ed25519") {
            prop_assert_eq!(found.passing().count(), 1);
        }
    }
}
