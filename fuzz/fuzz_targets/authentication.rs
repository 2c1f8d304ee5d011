//! Any bytes as a message whose sender is to be found out, with a DNS that has records worth evaluating: no panic, the same
//! twice, and the field we would write says what was found and nothing else.
#![no_main]

use std::panic;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use lookup::dns::{Record, Resolver, Zone};
use lookup::{Acceptance, Settings, Verifier, results};
use mail::{Address, Envelope, Limits, Message, Timestamp};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    signatures_max: 4,
    arc_sets_max: 4,
    ..Limits::default()
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let resolver = Arc::new(Resolver::new(zone(), &LIMITS));
    let acceptance = Acceptance {
        dkim_sha1: true,
        domain_keys: true,
        partial_body: true,
    };
    let settings = Settings {
        authserv_id: "mx.example.net".to_owned(),
        trusted_relays: vec!["192.0.2.0/24".parse().expect("a network")],
        trusted_sealers: vec![mail::Domain::parse("example.org").expect("a domain")],
        acceptance,
        ..Settings::default()
    };
    Verifier::new(resolver, settings)
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
});

/// The key of RFC 8463 §A, under the name the seeds use.
fn zone() -> Zone {
    let ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    Zone::default()
        .txt("one._domainkey.example.org", ed25519)
        .txt("_dmarc.example.com", "v=DMARC1; p=reject; np=reject; psd=n")
        .txt(
            "example.org",
            "v=spf1 a mx ptr include:%{d2}.test exists:%{ir}.%{l1r-}.%{h} -all exp=e.test",
        )
        .txt("org.test", "v=spf1 redirect=example.org")
        .txt("e.test", "%{i} is %{p} at %{t}, not %{S}")
        .with("example.org", Record::A([192, 0, 2, 1].into()))
        .broken("broken.example.org")
}

fuzz_target!(
    // The reader of messages survives a panic of the library it builds on; libFuzzer's hook would end the process before that.
    init: { let _ = panic::take_hook(); },
    |data: &[u8]| {
        let message = Message::read(data, &LIMITS);
        let mut envelope = Envelope::new(Timestamp::from_secs(1_528_400_000), "fuzz");
        envelope.peer.ip = Some([192, 0, 2, 77].into());
        envelope.helo_name = message.header("x-helo").map(str::to_owned);
        envelope.envelope_from = message
            .header("return-path")
            .and_then(|path| Address::from_path(path, LIMITS.address_bytes_max));
        let verify = || {
            let deadline = Instant::now() + Duration::from_secs(60);
            VERIFIER.verify(&envelope, data, &message, deadline)
        };
        let found = RUNTIME.block_on(async { verify().await });
        let again = RUNTIME.block_on(async { verify().await });
        assert_eq!(found.signatures, again.signatures);
        assert_eq!(
            (&found.spf, &found.dmarc, &found.arc),
            (&again.spf, &again.dmarc, &again.arc)
        );
        let written = results::write(&found, &envelope, "mx.example.net");
        assert!(written.is_ascii());
        assert_eq!(
            written.matches('\n').count(),
            written.matches("\r\n\t").count()
        );
        let read = results::read(&written, &Limits::default()).expect("our own field");
        assert_eq!(read.authserv_id, "mx.example.net");
        let passing = read
            .claims
            .iter()
            .filter(|claim| claim.method == "dkim" && claim.result == "pass");
        let found_passing = found
            .passing()
            .filter(|one| one.scheme == mail::authentication::Scheme::Dkim);
        assert_eq!(passing.count(), found_passing.count());
    }
);
