//! Of letters that say to come from a large provider, and whose path says they do not.

use super::{Answer, Context, pattern, yes};

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "gated_through_received_hdr_remover" => |context, _| yes(path_is_removed(context)),
        "check_for_fake_aol_relay_in_rcvd" => |context, _| yes(fake_aol(&received(context))),
        "check_for_forged_hotmail_received_headers" => {
            |context, _| yes(hotmail(context) == Some(true))
        }
        "check_for_no_hotmail_received_headers" => {
            |context, _| yes(hotmail(context) == Some(false))
        }
        "check_for_forged_yahoo_received_headers" => |context, _| yes(yahoo(context)),
        "check_for_forged_juno_received_headers" => |context, _| yes(juno(context)),
        "check_for_forged_gmail_received_headers" => |context, _| yes(gmail(context)),
        "check_for_forged_eudoramail_received_headers" => |context, _| yes(eudoramail(context)),
        "check_for_msn_groups_headers" => |context, _| yes(msn_groups(context)),
        "check_for_forged_gw05_received_headers" => |context, _| {
            let received = context.view.get("Received");
            let found = pattern!(r"\nfrom\s\S+\sby\s(\S+)\swith\sESMTP;\s+\S\S\S,\s+\d+\s+\S\S\S\s+\d{4}\s+\d\d:\d\d:\d\d\s+[-+]*\d{4}\n$").captures(&received);
            yes(found.is_some_and(|found| !found[1].contains('.')))
        },
        _ => return None,
    })
}

/// All `Received` fields, white space as single spaces.
fn received(context: &Context<'_>) -> String {
    squeezed(&context.view.get("Received"))
}

fn squeezed(text: &str) -> String {
    pattern!(r"\s+").replace_all(text, " ").into_owned()
}

fn is_from(context: &Context<'_>, domain: &str) -> bool {
    let from = context.view.get("From:addr").to_ascii_lowercase();
    let before = from
        .strip_suffix(domain)
        .and_then(|before| before.chars().next_back());
    before.is_some_and(|before| !before.is_alphanumeric() && before != '_')
}

fn has_ip(text: &str) -> bool {
    crate::view::relay::first_ip(text).is_some()
}

/// Did a list or a group take the path away?
pub(super) fn path_is_removed(context: &Context<'_>) -> bool {
    let received = context.view.get("Received");
    let list = context.view.get("Mailing-List");
    let ezmlm = pattern!(r"(?m)^contact \S+@\S+; run by ezmlm$").is_match(&list)
        && pattern!(r"(?m)^mailing list \S+@\S+").is_match(&context.view.get("Delivered-To"))
        && pattern!(r"qmail \d+ invoked (?:from network|by .{3,20})\); \d+ ... \d+")
            .is_match(&received);
    ezmlm
        || received.is_empty()
        || pattern!(r"from groups\.msn\.com \(\S+\.msn\.com ").is_match(&received)
}

fn fake_aol(received: &str) -> bool {
    pattern!(r"(?i) rly-[a-z][a-z]\d\d\.").is_match(received)
        && !pattern!(r"/AOL-\d+\.\d+\.\d+\)").is_match(received)
        && !pattern!(r"ESMTP id (?:RELAY|MAILRELAY|MAILIN)").is_match(received)
}

/// True: a machine says to be Hotmail's and is not; false: only the sender does.
fn hotmail(context: &Context<'_>) -> Option<bool> {
    let path = received(context);
    let ip = has_ip(&context.view.get("X-Originating-Ip"));
    let organisation =
        pattern!(r"hotmail\.com|msonline-outlook").is_match(&context.view.get("X-OriginatorOrg"));
    let pickup = path.contains("from mail pickup service by hotmail.com with Microsoft SMTPSVC;");
    if pickup || msn_groups(context) || path_is_removed(context) {
        return None;
    }
    let known = ip
        && (pattern!(r"from (?:\S*\.)?hotmail.com \(\S+\.hotmail(?:\.msn)?\.com[ )]")
            .is_match(&path)
            || pattern!(r"from \S*\.hotmail.com \(\[[0-9a-fA-F.:]+\][ ):]").is_match(&path)
            || pattern!(r"from \S+ by \S+\.hotmail(?:\.msn)?\.com with HTTP;").is_match(&path)
            || pattern!(r"from \[66\.218.\S+\] by \S+\.yahoo\.com").is_match(&path));
    let outlook = organisation
        && (pattern!(r"from \S*\.outbound\.protection\.outlook\.com \(\S+\.outbound\.protection\.outlook\.com[ )]").is_match(&path)
            || pattern!(r"from \S*\.(?:eur|nam)prd\d+\.prod\.outlook\.com \([0-9a-fA-F.:]+\)").is_match(&path));
    if known || outlook {
        return None;
    }
    if pattern!(r"(?:from |HELO |helo=)\S*hotmail\.com\b").is_match(&path) {
        return Some(true);
    }
    is_from(context, "hotmail.com").then_some(false)
}

fn msn_groups(context: &Context<'_>) -> bool {
    let (to, received, id) = (
        context.view.get("To"),
        context.view.get("Received"),
        context.view.get("Message-Id"),
    );
    let Some(list) = pattern!(r"(?i)<(\S+)@groups\.msn\.com>")
        .captures(&to)
        .map(|found| found[1].to_owned())
    else {
        return false;
    };
    let Some(server) =
        pattern!(r"from mail pickup service by (p\d\d\.groups\.msn\.com)\b").captures(&received)
    else {
        return false;
    };
    if list == "notifications" {
        return id.starts_with('<') && id.contains(&format!("@{}", &server[1]));
    }
    id.starts_with(&format!("<{list}-"))
        && id.contains("@groups.msn.com>")
        && context
            .view
            .get("EnvelopeFrom:addr")
            .contains(&format!("{list}-bounce@groups.msn.com"))
}

fn yahoo(context: &Context<'_>) -> bool {
    if !is_from(context, "yahoo.com") {
        return false;
    }
    let view = context.view;
    let forwarded = view.get("X-Received");
    let resent = !view.get("Resent-From").is_empty()
        && !view.get("Resent-To").is_empty()
        && !forwarded.is_empty();
    let path = if resent {
        squeezed(&forwarded)
    } else {
        received(context)
    };
    let of_yahoo = |name: &str| name.to_ascii_lowercase().ends_with(".yahoo.com");
    let handed = view
        .relays
        .trusted
        .iter()
        .chain(view.relays.untrusted.first())
        .any(|relay| of_yahoo(&relay.rdns));
    let known = pattern!(r"by web\S+\.mail\S*\.yahoo\.com via HTTP").is_match(&path)
        || pattern!(r"by sonic\S+\.consmr\.mail\S*\.yahoo\.com with HTTP").is_match(&path)
        || pattern!(r"by smtp\S+\.yahoo\.com with SMTP").is_match(&path)
        || pattern!(r"from \[[0-9a-fA-F.:]+\] by \S+\.(?:groups|scd|dcn)\.yahoo\.com with NNFMP")
            .is_match(&path)
        || pattern!(r"\bmailer\d+\.bulk\.scd\.yahoo\.com\b").is_match(&path)
            && is_from(context, "@reply.yahoo.com")
        || pattern!(
            r"by \w+\.\w+\.yahoo\.com \(\d+\.\d+\.\d+/\d+\.\d+\.\d+\)(?: with ESMTP)? id \w+"
        )
        .is_match(&path);
    !path_is_removed(context) && !handed && !known
}

fn juno(context: &Context<'_>) -> bool {
    if !is_from(context, "juno.com") || path_is_removed(context) {
        return false;
    }
    let view = context.view;
    let (origin, program, path) = (
        view.get("X-Originating-IP"),
        view.get("X-Mailer"),
        view.get("Received"),
    );
    if !origin.is_empty() {
        let of_juno = pattern!(r"from.*\b(?:juno|untd)\.com.*[\[(][0-9a-fA-F.:]+[\])].*by")
            .is_match(&path)
            || pattern!(r" cookie\.(?:juno|untd)\.com ").is_match(&path);
        return !of_juno || !program.contains("Juno ");
    }
    // Neither way of sending leaves the field out.
    true
}

fn gmail(context: &Context<'_>) -> bool {
    if !is_from(context, "gmail.com") {
        return false;
    }
    let view = context.view;
    let forwarded = view.get("X-Received");
    let known = pattern!(r"by 10\.\S+ with SMTP id \S+").is_match(&forwarded)
        || pattern!(r"by 2002:a\d\d:\w+:\S+ with SMTP id \S+").is_match(&forwarded)
        || pattern!(r"by smtp\.googlemail\.com with ESMTPSA id \S+")
            .is_match(&view.get("Received"))
        || view.get("X-Gm-Message-State").len() >= 60
            && view.get("X-Google-Smtp-Source").len() >= 60;
    !known
}

fn eudoramail(context: &Context<'_>) -> bool {
    let whowhere = pattern!(r"by \S*whowhere.com;").is_match(&received(context))
        && has_ip(&context.view.get("X-Sender-Ip"));
    is_from(context, "eudoramail.com") && !path_is_removed(context) && !whowhere
}
