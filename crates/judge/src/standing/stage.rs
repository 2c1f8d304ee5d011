//! A domain's way from being observed to blocking, and back.
//!
//! Up needs the higher share and a time of watching, down the lower share; between the two nothing changes. Each step is a [`Switch`] with the numbers it
//! rests on. An administrator's pin (`stage = …` for the domain) stands above: what is pinned is not moved, and goes on from there when unpinned.

use mail::Timestamp;
use mail::standing::{Share, Stage, Switch};

use super::days::Entry;
use super::settings::Settings;
use super::share::share;

/// A domain with less than this part of the messages needed has gone silent: nobody knows any more what its mail is like.
const SILENT_PART: u64 = 4;

/// Works out a domain's share and moves it, by one step at most.
pub(super) fn review(entry: &mut Entry, now: Timestamp, settings: &Settings) -> Option<Switch> {
    let set = settings.of(&entry.domain);
    let share = share(entry, &set.marks);
    entry.share = Some(share);
    if set.stage.is_some() {
        return None;
    }
    let (to, why) = next(entry, &share, now, settings)?;
    let switch = Switch {
        domain: entry.domain.clone(),
        at: now,
        from: entry.stage,
        to,
        share,
        why: format!("{why}: {share}"),
    };
    entry.stage = to;
    entry.since = now;
    Some(switch)
}

fn next(
    entry: &Entry,
    share: &Share,
    now: Timestamp,
    settings: &Settings,
) -> Option<(Stage, String)> {
    let enough = share.counted >= settings.messages_min;
    let silent = share.counted < settings.messages_min / SILENT_PART;
    let (enter, leave) = (settings.enter_percent, settings.leave_percent);
    match entry.stage {
        Stage::Observing if enough && share.percent >= enter => {
            let why = format!("at least {enter} % of its own mail is signed");
            Some((Stage::ReportOnly, why))
        }
        Stage::Observing => None,
        _ if silent => Some((
            Stage::Observing,
            "too little of its own mail is seen to know".to_owned(),
        )),
        _ if share.percent < leave => {
            let why = format!("less than {leave} % of its own mail is signed");
            Some((Stage::Observing, why))
        }
        Stage::ReportOnly => {
            let days = settings.report_only_days;
            let until = entry.since.plus_secs(i64::from(days) * 86_400);
            let holds = enough && share.percent >= enter && now >= until;
            holds.then(|| {
                let why = format!("watched for {days} days, and still signed");
                (Stage::Blocking, why)
            })
        }
        Stage::Blocking => None,
    }
}
