//! Reads `[standing]`: what follows from how a domain's mail is signed.

use ipnet::IpNet;
use mail::standing::{Handling, Stage};
use mail::{Action, Domain, Mark};
use written::Section;

use super::actions::action;
use crate::condition::read::network;
use crate::standing::{DomainSettings, Settings};

pub(super) fn read(root: &Section<'_, '_>) -> Settings {
    let section = root.section("standing");
    let usual = Settings::default();
    let number = |key, usual: u32, allowed| {
        let number = section.number(key, allowed);
        number.map_or(usual, |number| number as u32)
    };
    let mut settings = Settings {
        enforce: section.flag("enforce").unwrap_or(usual.enforce),
        window_days: number("window_days", usual.window_days, 2..=60),
        messages_min: section
            .number("messages_min", 10..=10_000_000)
            .unwrap_or(usual.messages_min),
        enter_percent: section
            .decimal("enter_percent", 50.0..=100.0)
            .unwrap_or(usual.enter_percent),
        leave_percent: section
            .decimal("leave_percent", 0.0..=100.0)
            .unwrap_or(usual.leave_percent),
        report_only_days: number("report_only_days", usual.report_only_days, 0..=365),
        honour_dmarc: section.flag("honour_dmarc").unwrap_or(usual.honour_dmarc),
        spf_is_enough: section.flag("spf_is_enough").unwrap_or(usual.spf_is_enough),
        softened: section
            .text("softened", "\"redirect\" or \"forward\"", softened)
            .unwrap_or(usual.softened),
        block: section
            .text("block", "\"reject\", \"discard\" or \"quarantine\"", block)
            .unwrap_or(usual.block),
        redirect: section
            .text(
                "redirect",
                "\"quarantine\", \"tag\" or \"redirect:ADDRESS\"",
                redirect,
            )
            .unwrap_or(usual.redirect),
        forwarders: networks(&section, "forwarders"),
        domains: usual.domains,
    };
    if settings.leave_percent > settings.enter_percent {
        let right = "standing.enter_percent or less";
        section.complain("leave_percent", "is above enter_percent", right);
    }
    for one in section.sections("domains") {
        let domain = one.required("domain", "a domain such as \"example.org\"", Domain::parse);
        let set = domain_settings(&one);
        if let Some(domain) = domain
            && settings.domains.insert(domain, set).is_some()
        {
            one.complain("domain", "stands twice", "each domain once");
        }
        one.finish();
    }
    section.finish();
    settings
}

fn domain_settings(section: &Section<'_, '_>) -> DomainSettings {
    let stages = "\"observing\", \"report-only\" or \"blocking\"";
    let stage = section.text("stage", stages, |word| match word {
        "observing" => Ok(Stage::Observing),
        "report-only" => Ok(Stage::ReportOnly),
        "blocking" => Ok(Stage::Blocking),
        _ => Err("is no stage"),
    });
    let wishes = "\"block\", \"redirect\" or \"forward\"";
    let wish = section.text("wish", wishes, |word| match word {
        "block" => Ok(Handling::Block),
        "redirect" => Ok(Handling::Redirect),
        "forward" => Ok(Handling::Forward),
        _ => Err("is nothing to wish for"),
    });
    let marks = [
        ("own", Mark::Own),
        ("authorised", Mark::Authorised),
        ("not_ours", Mark::NotOurs),
    ];
    let marks = marks.into_iter().flat_map(|(key, mark)| {
        let networks = networks(section, key).into_iter();
        networks.map(move |network| (network, mark))
    });
    DomainSettings {
        stage,
        wish,
        marks: marks.collect(),
    }
}

fn networks(section: &Section<'_, '_>, key: &'static str) -> Vec<IpNet> {
    let right = "addresses or networks such as \"192.0.2.0/24\"";
    section.texts(key, right, network).unwrap_or_default()
}

fn softened(word: &str) -> Result<Handling, &'static str> {
    match word {
        "redirect" => Ok(Handling::Redirect),
        "forward" => Ok(Handling::Forward),
        _ => Err("does not soften a block"),
    }
}

fn block(word: &str) -> Result<Action, &'static str> {
    match action(word)? {
        block @ (Action::Reject | Action::Discard | Action::Quarantine) => Ok(block),
        Action::Accept | Action::Tag | Action::Redirect(_) | Action::Defer => {
            Err("does not keep mail out")
        }
    }
}

fn redirect(word: &str) -> Result<Action, &'static str> {
    match action(word)? {
        redirect @ (Action::Quarantine | Action::Tag | Action::Redirect(_)) => Ok(redirect),
        Action::Accept | Action::Defer | Action::Reject | Action::Discard => {
            Err("does not send mail elsewhere")
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Limits;

    use super::*;
    use crate::Policy;

    fn settings(text: &str) -> Settings {
        let policy = Policy::parse(text, &Limits::default());
        let policy = policy.unwrap_or_else(|problems| panic!("{problems:?}"));
        policy.standing().clone()
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = Policy::parse(text, &Limits::default()).err();
        let problems = problems.into_iter().flatten();
        problems.map(|problem| problem.key).collect()
    }

    #[test]
    fn a_policy_that_says_nothing_only_reports() {
        assert_eq!(settings(""), Settings::default());
        assert!(!settings("").enforce);
        assert!(!settings(crate::DEFAULT_POLICY).enforce);
    }

    #[test]
    fn everything_that_can_be_said() {
        let settings = settings(
            r#"
            [standing]
            enforce = true
            window_days = 30
            messages_min = 1000
            enter_percent = 98
            leave_percent = 92.5
            report_only_days = 14
            honour_dmarc = false
            spf_is_enough = false
            softened = "forward"
            block = "discard"
            redirect = "redirect:junk@example.org"
            forwarders = ["198.51.100.0/24", "2001:db8::1"]
            [[standing.domains]]
            domain = "example.org"
            stage = "blocking"
            wish = "redirect"
            own = ["192.0.2.0/25"]
            not_ours = "192.0.2.9"
            "#,
        );
        assert_eq!((settings.window_days, settings.messages_min), (30, 1000));
        assert_eq!(settings.block, Action::Discard);
        assert_eq!(settings.forwarders.len(), 2);
        let domain = Domain::parse("mail.example.org").expect("a domain");
        let set = settings.of(&domain);
        assert_eq!(set.stage, Some(Stage::Blocking));
        assert_eq!(set.wish, Some(Handling::Redirect));
        assert_eq!(set.marks.len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        assert_eq!(
            problems(
                "[standing]\nenter_percent = 90\nleave_percent = 95\nblock = \"accept\"\nredirect = \"reject\"\nthreshold = 3\n\
                 [[standing.domains]]\nstage = \"soon\"\nown = [\"here\"]\n"
            ),
            [
                "standing.leave_percent",
                "standing.block",
                "standing.redirect",
                "standing.threshold",
                "standing.domains[1].domain",
                "standing.domains[1].stage",
                "standing.domains[1].own",
            ]
        );
    }
}
