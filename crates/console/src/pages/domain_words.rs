//! A domain's stage, and what its owner could mend, as sentences.

use engine::DomainView;
use engine::lookup::{Published, Remedy};
use ipnet::IpNet;
use judge::standing::Advice;
use mail::Known;
use mail::standing::{Share, Stage};

use crate::page::Page;
use crate::words_of_standing::network;

/// Bytes shown of one thing that is published.
const PUBLISHED_BYTES_MAX: usize = 1_000;

/// Why the domain is in its stage, and what would move it.
pub(super) fn stage_in_words(p: &Page, known: &DomainView) -> Vec<String> {
    let (view, settings) = (&known.view, &known.settings);
    let percent = |percent: f64| format!("{percent:.1}");
    let (enter, leave) = (
        percent(settings.enter_percent),
        percent(settings.leave_percent),
    );
    let counted = view.share.map_or(0, |share| share.counted);
    let mut why = vec![match view.share {
        Some(share) => share_in_words(p, &share),
        None => p.t("domains.share_unknown").to_owned(),
    }];
    if known.set.stage.is_some() {
        let by = known.set_by.as_ref().map(ToString::to_string);
        let by = by.unwrap_or_default();
        let stage = p.family("stage", view.stage.as_str());
        why.push(p.fill("domains.pinned_by", &[("stage", &stage), ("by", &by)]));
        return why;
    }
    why.push(match view.stage {
        Stage::Observing if counted < settings.messages_min => p.fill(
            "domains.observing_few",
            &[
                ("counted", &p.number(counted)),
                ("days", &settings.window_days.to_string()),
                ("min", &p.number(settings.messages_min)),
            ],
        ),
        Stage::Observing => p.fill("domains.observing", &[("enter", &enter)]),
        Stage::ReportOnly => {
            let days = i64::from(settings.report_only_days);
            let at = p.time(&view.since.plus_secs(days * 86_400));
            let values = [("at", at.as_str()), ("enter", &enter), ("leave", &leave)];
            p.fill("domains.report_only", &values)
        }
        Stage::Blocking => p.fill("domains.blocking", &[("leave", &leave)]),
    });
    why
}

fn share_in_words(p: &Page, share: &Share) -> String {
    p.fill(
        "domains.share_is",
        &[
            ("percent", &format!("{:.1}", share.percent)),
            ("counted", &p.number(share.counted)),
            ("servers", &p.number(u64::from(share.servers))),
            ("left_out", &p.number(share.left_out)),
        ],
    )
}

/// On what evidence the domain came to its stage, move by move.
pub(super) fn moves_in_words(p: &Page, known: &DomainView) -> Vec<String> {
    let reasons = known.switches.iter().map(|one| &one.act.reason);
    let told = |reason: &String| match Share::read(reason) {
        Some(share) => share_in_words(p, &share),
        None => p.safe(reason),
    };
    reasons.map(told).collect()
}

/// What could be mended, as a sentence.
pub(super) fn advice_in_words(p: &Page, advice: &Advice) -> String {
    let of_server = |key: &str, server: &IpNet, messages: u64, of: u64| {
        p.fill(
            key,
            &[
                ("server", &network(server)),
                ("n", &p.number(messages)),
                ("of", &p.number(of)),
            ],
        )
    };
    match advice {
        Advice::NoDmarc { messages } => p.count("domains.mend_dmarc", *messages),
        Advice::Unsigned {
            server,
            messages,
            of,
        } => of_server("domains.mend_unsigned", server, *messages, *of),
        Advice::Broken {
            server,
            messages,
            of,
        } => of_server("domains.mend_broken", server, *messages, *of),
        Advice::SpfDenies {
            server,
            messages,
            of,
        } => of_server("domains.mend_spf", server, *messages, *of),
        Advice::Unaligned {
            server,
            messages,
            of,
        } => of_server("domains.mend_unaligned", server, *messages, *of),
        Advice::ShortKey { selector, bits } => p.fill(
            "domains.mend_key",
            &[("selector", &p.safe(selector)), ("bits", &bits.to_string())],
        ),
        Advice::WhoseServer {
            server,
            messages,
            days,
        } => of_server("domains.mend_whose", server, *messages, *days as u64),
    }
}

/// What a domain publishes: the word's key, and what stands there.
pub(super) fn published_in_words(p: &Page, published: &Published) -> Vec<(&'static str, String)> {
    let told = |known: &Known<Vec<String>>| match known {
        Known::Yes(texts) => short(p, &texts.join("; ")),
        Known::Absent => p.t("overview.none").to_owned(),
        Known::Unavailable(why) => p.fill("published.unavailable", &[("why", &short(p, why))]),
        Known::NotAsked => p.t("published.not_asked").to_owned(),
    };
    let mut lines = vec![
        ("published.mx", told(&published.mx)),
        ("published.spf", told(&published.spf)),
    ];
    let check = &published.spf_check;
    if published.spf.yes().is_some() {
        let (used, void) = (check.lookups.to_string(), check.void_lookups.to_string());
        let used = p.fill("published.lookups_used", &[("n", &used), ("void", &void)]);
        lines.push(("published.lookups", used));
    }
    lines.push((
        "published.dmarc",
        match &published.dmarc {
            Ok(policy) => short(p, &format!("{} ({})", policy.record, policy.domain)),
            Err(None) => p.t("overview.none").to_owned(),
            Err(Some(why)) => short(p, why),
        },
    ));
    for key in &published.keys {
        let what = match &key.bits {
            Some(Ok(bits)) => p.count("published.key_bits", u64::from(*bits)),
            Some(Err(why)) => short(p, why),
            None => told(&key.records),
        };
        let selector = short(p, &key.selector);
        lines.push(("published.key", format!("{selector}: {what}")));
    }
    lines.push(("published.tls_reports", told(&published.tls_reports)));
    lines.push(("published.mta_sts", told(&published.mta_sts)));
    lines
}

/// What mends what it publishes, as sentences.
pub(super) fn remedies_in_words(p: &Page, remedies: &[Remedy]) -> Vec<String> {
    let words = |remedy: &Remedy| {
        let values = remedy.values();
        let safe: Vec<(&str, String)> = values
            .iter()
            .map(|(name, value)| (*name, short(p, value)))
            .collect();
        let values: Vec<(&str, &str)> = safe
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        p.fill(&format!("remedy.{}", remedy.id()), &values)
    };
    remedies.iter().map(words).collect()
}

/// What a stranger published, made harmless, and no longer than a page bears: a record may have 64 KB.
fn short(p: &Page, text: &str) -> String {
    let end = mail::address::floor_char_boundary(text, PUBLISHED_BYTES_MAX);
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", p.safe(&text[..end]))
}

#[cfg(test)]
mod tests {
    use judge::standing::{DomainSettings, Settings, View};
    use mail::standing::Share;
    use mail::{Domain, Timestamp};

    use super::*;
    use crate::words::Language;

    fn page(language: Language) -> Page {
        Page {
            language,
            theme: "auto",
            csrf: String::new(),
            author: None,
            here: "/domains".into(),
            site_name: String::new(),
            now: Timestamp::from_secs(1_790_000_000),
            notice: None,
        }
    }

    fn known(stage: Stage, counted: u64) -> DomainView {
        let domain = Domain::parse("example.org").expect("a domain");
        let settings = Settings::default();
        let mut view = View::unseen(&domain, &settings);
        view.stage = stage;
        view.since = Timestamp::from_secs(1_790_000_000);
        view.share = (counted > 0).then_some(Share {
            percent: 97.25,
            counted,
            ..Share::default()
        });
        DomainView {
            view,
            is_ours: false,
            set: DomainSettings::default(),
            set_by: None,
            advice: Vec::new(),
            switches: Vec::new(),
            settings,
            policy_version: 1,
        }
    }

    #[test]
    fn each_stage_says_what_it_waits_for() {
        let p = page(Language::En);
        for (stage, counted, told) in [
            (Stage::Observing, 0, "not known"),
            (Stage::Observing, 12, "200 are needed"),
            (Stage::Observing, 500, "From 95.0 % on"),
            (Stage::ReportOnly, 500, "From 2026-09-28"),
            (Stage::Blocking, 500, "Below 90.0 %"),
        ] {
            let lines = stage_in_words(&p, &known(stage, counted)).join(" ");
            assert!(lines.contains(told), "{told}: {lines}");
            assert!(!lines.contains(['{', '}']), "{lines}");
        }
        let mut pinned = known(Stage::Blocking, 500);
        pinned.set.stage = Some(Stage::Blocking);
        pinned.set_by = Some(pinned.view.domain.clone());
        let lines = stage_in_words(&p, &pinned).join(" ");
        assert!(lines.contains("set for example.org"), "{lines}");
    }

    #[test]
    fn advice_is_filled_in_in_every_language() {
        let server: IpNet = "192.0.2.1/32".parse().expect("a network");
        let (messages, of) = (3, 7);
        let all = [
            Advice::NoDmarc { messages },
            Advice::Unsigned {
                server,
                messages,
                of,
            },
            Advice::Broken {
                server,
                messages,
                of,
            },
            Advice::SpfDenies {
                server,
                messages,
                of,
            },
            Advice::Unaligned {
                server,
                messages,
                of,
            },
            Advice::ShortKey {
                selector: "a\u{202e}b".to_owned(),
                bits: 1024,
            },
            Advice::WhoseServer {
                server,
                messages,
                days: 9,
            },
        ];
        for (language, ..) in Language::ALL {
            let p = page(language);
            for advice in &all {
                let line = advice_in_words(&p, advice);
                for hole in [
                    "{server}",
                    "{n}",
                    "{of}",
                    "{selector}",
                    "{bits}",
                    "\u{202e}",
                ] {
                    assert!(!line.contains(hole), "{line}");
                }
                let told =
                    line.contains("192.0.2.1") || line.contains("1024") || line.contains('3');
                assert!(told, "{line}");
            }
        }
    }

    #[test]
    fn every_remedy_has_words_in_every_language() {
        let text = || "a\u{202e}b".to_owned();
        let domain = || Domain::parse("example.org").expect("a domain");
        let all = [
            Remedy::PublishSpf,
            Remedy::OneSpfRecord,
            Remedy::MendSpf(text()),
            Remedy::SpfNearLimit(9),
            Remedy::SpfLetsAnybody,
            Remedy::ShortKey {
                selector: text(),
                bits: 512,
            },
            Remedy::UselessKey {
                selector: text(),
                why: text(),
            },
            Remedy::MissingKey(text()),
            Remedy::PublishDmarc(domain()),
            Remedy::MendDmarc(text()),
            Remedy::NameReports,
            Remedy::AskMore,
            Remedy::EndTesting,
            Remedy::AskTlsReports(domain()),
            Remedy::DemandTls,
        ];
        for (language, ..) in Language::ALL {
            let lines = remedies_in_words(&page(language), &all);
            assert_eq!(lines.len(), all.len());
            for (line, remedy) in lines.iter().zip(&all) {
                assert!(line.chars().count() > 8, "{remedy:?}: {line}");
                for hole in ["{selector}", "{n}", "{why}", "{domain}", "\u{202e}"] {
                    assert!(!line.contains(hole), "{line}");
                }
                assert!(!line.starts_with("remedy."), "{line}");
            }
        }
    }

    #[test]
    fn a_huge_record_is_shown_short() {
        let p = page(Language::En);
        let shown = short(&p, &"ä".repeat(40_000));
        assert!(shown.len() <= PUBLISHED_BYTES_MAX + 3 && shown.ends_with('…'));
        assert_eq!(short(&p, "v=spf1 -all"), "v=spf1 -all");
    }
}
