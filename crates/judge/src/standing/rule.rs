//! What a domain's standing says about one message (R4.36 to R4.44).

use ipnet::IpNet;
use mail::authentication::{
    Alignment, Authentication, Disposition, DmarcResult, Signed, SpfResult,
};
use mail::standing::{Handling, Ruling, Stage};
use mail::verdict::{Demand, Evidence};
use mail::{Domain, Facts, Known, Mark, Reason};

use super::days::Entry;
use super::settings::{DomainSettings, Settings, mark_of};
use super::share::share;
use super::{Standing, soften, source};

/// Days on which a server must have sent mail as the domain to be no stranger.
pub(super) const STEADY_DAYS: usize = 7;

/// What is found for a message, step by step.
struct Found {
    /// What would be done, all told.
    would: Handling,
    /// What of it does not wait for the domain to block: it rests on this message alone.
    at_once: Handling,
    why: Vec<String>,
}

impl Found {
    fn at_once(would: Handling, why: Vec<String>) -> Self {
        Self {
            would,
            at_once: would,
            why,
        }
    }

    /// Nothing is done where something stands in for a signature.
    fn excused(mut self, stands_in: Option<&'static str>) -> Self {
        if let Some(why) = stands_in {
            self.each(|_| Handling::Forward);
            self.why.push(why.to_owned());
        }
        self
    }

    /// Applies to both.
    fn each(&mut self, change: impl Fn(Handling) -> Handling) {
        self.would = change(self.would);
        self.at_once = change(self.at_once);
    }
}

impl Standing {
    /// What the domain's standing says about a message. `suspect`: the spam mechanisms think ill of it (R4.40). Nothing is counted.
    pub fn rule(&self, facts: &Facts, suspect: bool, settings: &Settings) -> Ruling {
        let found = match &facts.authentication {
            Known::Yes(found) => found,
            Known::Unavailable(why) => return nothing(format!("nobody could say: {why}")),
            Known::Absent | Known::NotAsked => return nothing("nobody asked".to_owned()),
        };
        let Some(domain) = &found.alleged.domain else {
            return nothing("it does not say it comes from one domain".to_owned());
        };
        let set = settings.of(domain);
        let entry = self.domains.get(domain);
        let stage = set
            .stage
            .unwrap_or_else(|| entry.map_or(Stage::Observing, |entry| entry.stage));
        let servers_known = entry.is_some_and(|entry| {
            let share = entry.share.unwrap_or_else(|| share(entry, &set.marks));
            share.counted >= settings.messages_min
        });
        let source = source::look(facts, found, entry, set, servers_known);
        let mut ruling = Ruling {
            domain: Some(domain.clone()),
            stage,
            source,
            ..Ruling::default()
        };
        let mut step = match found.signed {
            Signed::Unknown => {
                ruling.why =
                    vec!["DNS could not say whether it is signed; that blocks nothing".into()];
                return ruling;
            }
            Signed::Authentic => {
                let why = format!("signed by {domain}, and authentic");
                Found::at_once(Handling::Forward, vec![why])
            }
            Signed::Unauthentic => {
                let why = format!("signed in the name of {domain}, and not authentic");
                let step = Found::at_once(Handling::Block, vec![why]);
                step.excused(stands_in(found, set, settings))
            }
            Signed::Unsigned => {
                let step = unsigned(domain, suspect, &ruling);
                if stage == Stage::Observing {
                    step
                } else {
                    unsigned_of_signing(domain, entry, found, &ruling, step)
                        .excused(stands_in(found, set, settings))
                }
            }
        };
        if settings.honour_dmarc {
            honour(found, &mut step);
        }
        if step.would == Handling::Block
            && let Some(why) = soften::explanation(facts, found, self, settings)
        {
            step.each(|handling| match handling {
                Handling::Block => settings.softened,
                other => other,
            });
            step.why.push(why);
        }
        if let Some(wish) = set.wish
            && wish < step.would
        {
            step.each(|handling| handling.min(wish));
            let wish = wish.as_str();
            step.why
                .push(format!("for {domain} no more than {wish} is wished"));
        }
        ruling.would = step.would;
        ruling.at_once = step.at_once;
        ruling.handling = handling(&ruling, settings);
        ruling.why = step.why;
        ruling
    }
}

/// What is done, under these settings: tomorrow's policy may be tried on yesterday's ruling.
fn handling(ruling: &Ruling, settings: &Settings) -> Handling {
    match (settings.enforce, ruling.stage) {
        (false, _) => Handling::Forward,
        (true, Stage::Blocking) => ruling.would,
        (true, Stage::Observing | Stage::ReportOnly) => ruling.at_once,
    }
}

fn nothing(why: String) -> Ruling {
    Ruling {
        why: vec![why],
        ..Ruling::default()
    }
}

/// Unsigned, though the domain signs (R4.37). `apart` is what the message would meet with if the domain did not sign: that does not wait.
fn unsigned_of_signing(
    domain: &Domain,
    entry: Option<&Entry>,
    found: &Authentication,
    ruling: &Ruling,
    apart: Found,
) -> Found {
    let share = entry.and_then(|entry| entry.share);
    let signs = share.map_or_else(
        || format!("{domain} is set to be treated as signing its mail"),
        |share| format!("{domain} signs its mail ({share})"),
    );
    let mut why = vec![format!("not signed, and {signs}")];
    if apart.at_once > Handling::Forward {
        why.extend(apart.why);
    }
    let is_known = entry.is_some_and(|entry| is_steady(entry, found));
    let would = if is_known && !ruling.source.is_certain {
        why.push("its server has sent such mail for long: mark whether it is the domain's".into());
        Handling::Redirect
    } else {
        Handling::Block
    };
    Found {
        would: would.max(apart.at_once),
        at_once: apart.at_once,
        why,
    }
}

/// What stands in for a good signature: the server is the domain's by an administrator's word or by the domain's own.
fn stands_in(
    found: &Authentication,
    set: &DomainSettings,
    settings: &Settings,
) -> Option<&'static str> {
    let server = found.outbound.ip.map(|ip| IpNet::from(ip.to_canonical()));
    match server.map(|server| mark_of(&set.marks, &server)) {
        Some(Mark::Own | Mark::Authorised) => return Some("its server is marked as the domain's"),
        Some(Mark::NotOurs) => return None,
        Some(Mark::Unmarked) | None => {}
    }
    if !settings.spf_is_enough {
        return None;
    }
    let spf = found.spf.as_ref().map(|spf| spf.result);
    if spf == Some(SpfResult::TempError) {
        return Some("DNS could not say whether SPF names its server");
    }
    (found.dmarc.spf > Alignment::None).then_some("SPF of the domain itself names its server")
}

/// The same machine has sent mail as the domain on many days, and most of it was no spam.
fn is_steady(entry: &Entry, found: &Authentication) -> bool {
    let Some(ip) = found.outbound.ip else {
        return false;
    };
    let server = IpNet::from(ip.to_canonical());
    let known = entry.servers.iter().find(|known| known.net == server);
    known.is_some_and(|known| {
        let counts = known.sum();
        known.days.len() >= STEADY_DAYS && counts.suspect * 2 < counts.total
    })
}

/// Unsigned, and the domain does not sign, or nobody knows (R4.39, R4.40).
fn unsigned(domain: &Domain, suspect: bool, ruling: &Ruling) -> Found {
    let source = &ruling.source;
    if !source.is_forged() {
        let why = format!("not signed, and nothing speaks against its server sending for {domain}");
        return Found::at_once(Handling::Forward, vec![why]);
    }
    let mut why = source.against_it.clone();
    let would = if source.is_certain {
        Handling::Block
    } else if suspect {
        why.push("and it looks like spam".to_owned());
        Handling::Block
    } else {
        why.push("which alone may have another explanation".to_owned());
        Handling::Redirect
    };
    Found::at_once(would, why)
}

/// What the domain asks by DMARC, besides (R4.43).
fn honour(found: &Authentication, step: &mut Found) {
    if found.dmarc.result != DmarcResult::Fail {
        return;
    }
    let asked = match found.dmarc.asked {
        Disposition::None => return,
        Disposition::Quarantine => Handling::Redirect,
        Disposition::Reject => Handling::Block,
    };
    step.each(|handling| handling.max(asked));
    step.why.push(format!(
        "its DMARC policy asks for {}",
        found.dmarc.asked.as_str()
    ));
}

/// The ruling as an entry of a verdict's ledger; `None` when it changes nothing and would change nothing. What is only reported demands nothing.
pub fn reason(ruling: &Ruling, settings: &Settings) -> Option<Reason> {
    if ruling.would == Handling::Forward {
        return None;
    }
    let done = handling(ruling, settings);
    let action = match done {
        Handling::Forward => None,
        Handling::Redirect => Some(settings.redirect.clone()),
        Handling::Block => Some(settings.block.clone()),
    };
    let domain = ruling.domain.as_ref();
    let domain = domain.map_or_else(String::new, ToString::to_string);
    let text = match ruling.would {
        Handling::Block => format!("It says it comes from {domain}, and does not"),
        Handling::Redirect | Handling::Forward => {
            format!("It says it comes from {domain}, and probably does not")
        }
    };
    let reported = (done < ruling.would).then(|| "only reported".to_owned());
    let why = ruling.why.iter().cloned().chain(reported);
    Some(Reason {
        name: format!("standing-{}", ruling.would.as_str()),
        score: 0.0,
        text,
        evidence: why.map(Evidence::of).collect(),
        demands: action.map(Demand::Action),
    })
}
