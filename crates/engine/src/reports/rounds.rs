//! Reports that go out: when, to whom, how many. Each letter is sent once, whichever node does it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use lookup::dns::Resolver;
use mail::{Address, Domain, Facts, Fate, Known, Limits, RecordId, Timestamp};
use reports::destination::{self, Agreement, Destination};
use reports::feedback::Redactor;
use reports::letter::{self, Letter, NotBuilt, Sender};

use super::aggregate::{Due, Gathered};
use super::failures::{self, Failed, Told};
use super::sessions;
use super::sources::Sources;
use super::{ReportSettings, SourceView, UsageOrder};
use crate::clock::now;
use crate::desk::{Desk, DeskError, Right};
use crate::release::{Courier, Submitted};

const DAY_SECS: i64 = 86_400;
const HOUR_SECS: i64 = 3600;
/// Hours that failures can still be reported about: what DNS could not tell is asked again as long.
const HOURS_BACK: i64 = 6;
/// Longest that one hour's places are asked about: whoever forges mail chooses whose DNS is asked.
const HOUR_PATIENCE: Duration = Duration::from_mins(5);
/// Longest SPF record quoted, bytes: a line of mail has no more than 998 (RFC 5322 §2.1.1).
const SPF_BYTES_MAX: usize = 600;
/// An hour's last records are in the store by then, seconds.
const LATE_SECS: i64 = 60;
/// What the names of hours begin with whose failures were reported.
const FAILURES_DONE: &str = "reports:failures:";
/// Days that can still be reported about: a service that was down over midnight catches up.
const DAYS_BACK: i64 = 2;
/// Records read at once.
const PIECE: u32 = 250;
/// Days in which a machine that was seen before is not new.
const KNOWN_DAYS: i64 = 30;
/// Machines named in one mail.
const NAMED_MAX: usize = 50;

/// What came of sending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// The mail server took them.
    pub sent: u64,
    /// They were sent before, by this node or another.
    pub known: u64,
    /// They may not be sent, each with why.
    pub refused: Vec<String>,
    /// They could not be sent now; the next round tries again.
    pub later: Vec<String>,
}

/// What sending needs beside a desk.
#[derive(Clone, Copy)]
pub struct Dispatch<'d> {
    /// What is sent, and by whom.
    pub settings: &'d ReportSettings,
    /// Whom to ask whether a place wants reports.
    pub resolver: Option<&'d Resolver>,
    /// Who carries them.
    pub courier: &'d dyn Courier,
}

impl std::fmt::Debug for Dispatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch")
            .field("settings", self.settings)
            .finish_non_exhaustive()
    }
}

impl Letters {
    fn add(&mut self, more: Self) {
        self.sent += more.sent;
        self.known += more.known;
        self.refused.extend(more.refused);
        self.later.extend(more.later);
    }
}

impl Desk {
    /// Sends everything that is due.
    pub async fn send_due_reports(&self, dispatch: Dispatch<'_>) -> Result<Letters, DeskError> {
        self.need(Right::ChangePolicy)?;
        let mut letters = Letters::default();
        let Some(sender) = dispatch.settings.sender() else {
            return Ok(letters);
        };
        if dispatch.settings.aggregate {
            for back in (1..=DAYS_BACK).rev() {
                let day = now().secs().div_euclid(DAY_SECS) - back;
                letters.add(self.send_day(dispatch, &sender, day).await?);
            }
        }
        if dispatch.settings.tls {
            for back in (1..=DAYS_BACK).rev() {
                let day = now().secs().div_euclid(DAY_SECS) - back;
                letters.add(self.send_tls_day(dispatch, &sender, day).await?);
            }
        }
        if dispatch.settings.failures {
            letters.add(self.send_failures(dispatch, &sender).await?);
        }
        for order in &dispatch.settings.usage {
            letters.add(self.send_usage(dispatch, &sender, order).await?);
        }
        if !dispatch.settings.alert.is_empty() {
            letters.add(self.alert(dispatch, &sender).await?);
        }
        Ok(letters)
    }

    /// The reports of one day, as they would be sent: domain, messages, of these authentic, where they are wanted.
    pub async fn reports_of_day(
        &self,
        settings: &ReportSettings,
        day: i64,
    ) -> Result<Vec<(Domain, reports::Aggregate, Vec<String>)>, DeskError> {
        self.need(Right::SeePolicy)?;
        self.need(Right::SeeRecords)?;
        let due = self.due(settings, day).await?;
        Ok(due
            .into_iter()
            .map(|due| (due.domain, due.report, due.wanted_at))
            .collect())
    }

    /// How a day's mail went out, by domain: sessions that were encrypted, and those that were not.
    pub async fn sessions_of_day(
        &self,
        settings: &ReportSettings,
        resolver: Option<&Resolver>,
        day: i64,
    ) -> Result<Vec<(Domain, reports::TlsReport, Vec<String>)>, DeskError> {
        self.need(Right::SeePolicy)?;
        let mut told = Vec::new();
        let Some(resolver) = resolver else {
            return Err(DeskError::Refused(
                "which servers are a domain's own, only DNS can tell: there is no server to ask (dns.servers)".to_owned(),
            ));
        };
        for (domain, counted) in sessions::of_day(self.store(), day, self.limits()).await? {
            let (mx, wanted) = resolver.tls_reporting(&domain).await;
            let Some(report) = sessions::report((&domain, counted), &mx, day, settings) else {
                continue;
            };
            let wanted = match wanted {
                Known::Yes(records) => destination::of_tls(&records, self.limits()),
                Known::Absent | Known::Unavailable(_) | Known::NotAsked => Vec::new(),
            };
            let wanted = wanted.iter().map(|place| place.address.to_string());
            told.push((domain, report, wanted.collect()));
        }
        Ok(told)
    }

    /// Goes through the records of a time.
    async fn each_facts(
        &self,
        begin: Timestamp,
        end: Timestamp,
        mut add: impl FnMut(Fate, &Facts),
    ) -> Result<(), DeskError> {
        let mut before = Some(RecordId::first_at(end));
        loop {
            let records = self.store().recorded(begin, before, &[], PIECE).await?;
            for record in &records {
                if let Some(facts) = &record.facts {
                    add(record.fate, facts);
                }
            }
            match records.last() {
                Some(last) if records.len() == PIECE as usize => before = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    /// Goes through the records of a day (of UTC, counted from 1970).
    async fn due(&self, settings: &ReportSettings, day: i64) -> Result<Vec<Due>, DeskError> {
        let begin = Timestamp::from_secs(day * DAY_SECS);
        let end = begin.plus_secs(DAY_SECS);
        let mut gathered = Gathered::default();
        let add = |fate, facts: &Facts| gathered.add(fate, facts, self.limits());
        self.each_facts(begin, end, add).await?;
        if gathered.left_out > 0 {
            tracing::warn!(
                "{} messages of {begin} are in no report (limits.reports_domains_max, limits.report_records_max)",
                gathered.left_out
            );
        }
        Ok(gathered.reports((begin, end.plus_secs(-1)), settings))
    }

    async fn send_day(
        &self,
        dispatch: Dispatch<'_>,
        sender: &Sender,
        day: i64,
    ) -> Result<Letters, DeskError> {
        let done = format!("reports:dmarc:{day}");
        if self.store().state(&done).await?.is_some() {
            return Ok(Letters::default());
        }
        let mut letters = Letters::default();
        for due in self.due(dispatch.settings, day).await? {
            let asked = (&due.domain, due.wanted_at.as_slice(), "rua");
            for place in self.places(dispatch, asked, &mut letters).await {
                let to = &place.address;
                let key = format!("report:dmarc:{day}:{}:{}", due.domain, to.key());
                let built = letter::aggregate(&due.report, sender, to, now());
                let fits = |letter: &Letter| place.takes(letter.bytes.len() as u64);
                letters.add(self.post(dispatch, &key, to, built, fits).await?);
            }
            if letters.sent as usize >= self.limits().report_letters_max {
                tracing::warn!(
                    "more reports than limits.report_letters_max were due; the rest is not sent"
                );
                break;
            }
        }
        if letters.later.is_empty() {
            self.store().set_state(&done, "done").await?;
        }
        Ok(letters)
    }

    /// TLS reports of a day (RFC 8460), to owners of domains that mail went to.
    async fn send_tls_day(
        &self,
        dispatch: Dispatch<'_>,
        sender: &Sender,
        day: i64,
    ) -> Result<Letters, DeskError> {
        let done = format!("reports:tls:{day}");
        if self.store().state(&done).await?.is_some() {
            return Ok(Letters::default());
        }
        let mut letters = Letters::default();
        for (domain, counted) in sessions::of_day(self.store(), day, self.limits()).await? {
            let Some(resolver) = dispatch.resolver else {
                letters.later.push("there is no DNS server to ask".into());
                break;
            };
            let (mx, wanted) = resolver.tls_reporting(&domain).await;
            let places = match (&mx, &wanted) {
                (Known::Unavailable(why), _) | (_, Known::Unavailable(why)) => {
                    letters.later.push(format!("about {domain}: {why}"));
                    continue;
                }
                (_, Known::Yes(records)) => destination::of_tls(records, self.limits()),
                (_, Known::Absent | Known::NotAsked) => continue,
            };
            let report = sessions::report((&domain, counted), &mx, day, dispatch.settings);
            let Some(report) = report else { continue };
            for place in places {
                let to = &place.address;
                let key = format!("report:tls:{day}:{domain}:{}", to.key());
                let built = letter::tls(&report, &domain, sender, to, now());
                let fits = |letter: &Letter| place.takes(letter.bytes.len() as u64);
                letters.add(self.post(dispatch, &key, to, built, fits).await?);
            }
            if letters.sent as usize >= self.limits().report_letters_max {
                tracing::warn!(
                    "more TLS reports than limits.report_letters_max were due; the rest is not sent"
                );
                break;
            }
        }
        if letters.later.is_empty() {
            self.store().set_state(&done, "done").await?;
        }
        Ok(letters)
    }

    /// Failure reports of the hours that are over (RFC 9991).
    async fn send_failures(
        &self,
        dispatch: Dispatch<'_>,
        sender: &Sender,
    ) -> Result<Letters, DeskError> {
        let newest = (now().secs() - LATE_SECS).div_euclid(HOUR_SECS) - 1;
        let oldest = newest - HOURS_BACK + 1;
        let mut letters = Letters::default();
        for hour in oldest..=newest {
            let done = format!("{FAILURES_DONE}{hour}");
            if self.store().state(&done).await?.is_some() {
                continue;
            }
            let of_hour = self.send_failures_of(dispatch, sender, hour).await?;
            // One domain whose DNS does not answer holds up neither the others nor the hours behind this one.
            if of_hour.later.is_empty() {
                self.store().set_state(&done, "done").await?;
            }
            letters.add(of_hour);
        }
        self.store()
            .remove_states(FAILURES_DONE, &format!("{FAILURES_DONE}{oldest}"))
            .await?;
        Ok(letters)
    }

    async fn send_failures_of(
        &self,
        dispatch: Dispatch<'_>,
        sender: &Sender,
        hour: i64,
    ) -> Result<Letters, DeskError> {
        let begin = Timestamp::from_secs(hour * HOUR_SECS);
        let mut failed = Failed::default();
        let add = |fate, facts: &Facts| failed.add(fate, facts, sender, self.limits());
        self.each_facts(begin, begin.plus_secs(HOUR_SECS), add)
            .await?;
        if failed.left_out > 0 {
            tracing::info!(
                "{} messages of the hour from {begin} are in no failure report (limits.failure_reports_max, limits.reports_domains_max)",
                failed.left_out
            );
        }
        let redactor = Redactor::new(self.store().secret("redaction").await?.reveal());
        let mut letters = Letters::default();
        let (started, letters_max) = (
            Instant::now(),
            self.limits().report_letters_max.div_ceil(24),
        );
        for due in failed.reports() {
            if started.elapsed() > HOUR_PATIENCE {
                tracing::warn!(
                    "whether places want failure reports took too long to find out; the rest of the hour from {begin} is not reported"
                );
                break;
            }
            let failures::Due {
                domain,
                wanted_at,
                told,
            } = due;
            let asked = (&domain, wanted_at.as_slice(), "ruf");
            let places = self.places(dispatch, asked, &mut letters).await;
            for (number, mut told) in told.into_iter().enumerate() {
                quote_spf(&mut told, dispatch.resolver).await;
                for place in &places {
                    let to = &place.address;
                    let key = format!("report:ruf:{hour}:{number}:{domain}:{}", to.key());
                    let id = format!("ruf.{hour}.{number}.{domain}@{}", sender.domain);
                    let (report, header) = (&told.report, &told.header);
                    let built = letter::feedback(report, header, &redactor, sender, to, now(), &id);
                    let fits = |letter: &Letter| place.takes(letter.bytes.len() as u64);
                    letters.add(self.post(dispatch, &key, to, built, fits).await?);
                }
            }
            if letters.sent as usize >= letters_max {
                tracing::warn!(
                    "more failure reports were due than a twenty-fourth of limits.report_letters_max; the rest of the hour from {begin} is not sent"
                );
                break;
            }
        }
        Ok(letters)
    }

    /// Where a domain's reports may be sent: where it asks, and elsewhere only who agreed (RFC 9990 §4). `tag` is the one it asks by.
    async fn places(
        &self,
        dispatch: Dispatch<'_>,
        (domain, wanted_at, tag): (&Domain, &[String], &str),
        letters: &mut Letters,
    ) -> Vec<Destination> {
        let mut places = Vec::new();
        for wanted in destination::parse(&wanted_at.join(","), self.limits()) {
            let asked = (domain, tag);
            match self.agreement(dispatch.resolver, asked, &wanted).await {
                Agreement::Agreed(agreed) => places.extend(agreed),
                Agreement::Refused(why) => {
                    letters
                        .refused
                        .push(format!("{domain} to {}: {why}", wanted.address));
                }
                Agreement::Later(why) => {
                    letters
                        .later
                        .push(format!("{domain} to {}: {why}", wanted.address));
                }
            }
        }
        places
    }

    async fn agreement(
        &self,
        resolver: Option<&Resolver>,
        (domain, tag): (&Domain, &str),
        wanted: &Destination,
    ) -> Agreement {
        if wanted.host == *domain {
            return Agreement::Agreed(vec![wanted.clone()]);
        }
        let Some(resolver) = resolver else {
            return Agreement::Later("there is no DNS server to ask".to_owned());
        };
        if resolver.same_organisation(domain, &wanted.host).await {
            return Agreement::Agreed(vec![wanted.clone()]);
        }
        let records = match destination::question(domain, wanted) {
            Some(name) => resolver.texts(&name).await,
            None => Known::Absent,
        };
        destination::answer(wanted, tag, &records, self.limits())
    }

    async fn send_usage(
        &self,
        dispatch: Dispatch<'_>,
        sender: &Sender,
        order: &UsageOrder,
    ) -> Result<Letters, DeskError> {
        let every = i64::from(order.every_days) * DAY_SECS;
        let slot = now().secs().div_euclid(every);
        let done = format!("reports:usage:{}", order.domain);
        let sent: Option<i64> = self
            .store()
            .state(&done)
            .await?
            .and_then(|slot| slot.parse().ok());
        let mut letters = Letters::default();
        match sent {
            // The first is due when a whole time has been counted, not on the day this is switched on.
            None => {
                self.store().set_state(&done, &slot.to_string()).await?;
                return Ok(letters);
            }
            Some(sent) if sent >= slot => return Ok(letters),
            Some(_) => {}
        }
        let Some(report) = self
            .usage(&order.domain, &dispatch.settings.organisation)
            .await?
        else {
            return Ok(letters);
        };
        for to in &order.to {
            let id = format!("usage.{slot}.{}@{}", order.domain, sender.domain);
            let built = letter::usage(&report, sender, to, now(), &id);
            let key = format!("report:usage:{slot}:{}:{}", order.domain, to.key());
            letters.add(self.post(dispatch, &key, to, built, |_| true).await?);
        }
        if letters.later.is_empty() {
            self.store().set_state(&done, &slot.to_string()).await?;
        }
        Ok(letters)
    }

    /// Once a day: tells of machines that newly send as a domain of ours and are not authentic.
    async fn alert(&self, dispatch: Dispatch<'_>, sender: &Sender) -> Result<Letters, DeskError> {
        let day = now().secs().div_euclid(DAY_SECS);
        let done = "reports:alerted";
        let last: Option<i64> = self
            .store()
            .state(done)
            .await?
            .and_then(|last| last.parse().ok());
        if last.is_some_and(|last| last >= day) {
            return Ok(Letters::default());
        }
        // What came since the last time; at first, since yesterday.
        let since = Timestamp::from_secs(last.unwrap_or(day - 1) * DAY_SECS);
        let most = self.limits().report_sources_max;
        let (mut fresh, mut before) = (Sources::default(), Sources::default());
        let known_since = since.plus_secs(-KNOWN_DAYS * DAY_SECS);
        self.each_report("aggregate", None, known_since, |row| {
            // Anybody can write a report: others neither raise an alarm nor make a machine known beforehand.
            let which = if row.id.at() < since {
                &mut before
            } else {
                &mut fresh
            };
            if row.trusted {
                which.add(row, most);
            }
        })
        .await?;
        let site = self.site();
        let mut new = fresh.new_failing(&before);
        new.retain(|view| {
            Domain::parse(&view.domain)
                .is_ok_and(|domain| site.local_domains.iter().any(|ours| domain.is_within(ours)))
        });
        let mut letters = Letters::default();
        if !new.is_empty() {
            tracing::warn!(
                "{} machines newly send as one of our domains and are not authentic",
                new.len()
            );
            let text = told(&new);
            for to in &dispatch.settings.alert {
                let id = format!("new-sources.{day}@{}", sender.domain);
                let subject = format!("{} machines newly send as your domains", new.len());
                let built = letter::notice(&subject, &text, sender, to, now(), &id);
                let key = format!("report:alert:{day}:{}", to.key());
                letters.add(self.post(dispatch, &key, to, built, |_| true).await?);
            }
        }
        if letters.later.is_empty() {
            self.store().set_state(done, &day.to_string()).await?;
        }
        Ok(letters)
    }

    /// Sends one letter, unless it was sent before.
    async fn post(
        &self,
        dispatch: Dispatch<'_>,
        key: &str,
        to: &Address,
        built: Result<Letter, NotBuilt>,
        fits: impl Fn(&Letter) -> bool,
    ) -> Result<Letters, DeskError> {
        let mut letters = Letters::default();
        let letter = match built {
            Ok(letter) => letter,
            Err(why) => {
                letters.refused.push(format!("to {to}: {why}"));
                return Ok(letters);
            }
        };
        if !fits(&letter) || too_large(&letter, self.limits()) {
            letters.refused.push(format!(
                "to {to}: {} bytes are more than is taken",
                letter.bytes.len()
            ));
            return Ok(letters);
        }
        if !self.store().claim_answer(key, "", now()).await? {
            letters.known += 1;
            return Ok(letters);
        }
        let sent = dispatch
            .courier
            .submit(
                "",
                Some(&letter.from),
                std::slice::from_ref(to),
                &letter.bytes,
            )
            .await;
        match sent {
            Submitted::Taken { refused, .. } if refused.is_empty() => letters.sent += 1,
            Submitted::Taken { refused, .. } => letters
                .refused
                .push(format!("to {to}: {}", refused.join("; "))),
            // It may have arrived: better once too few than twice.
            Submitted::Unknown { why } => letters.refused.push(format!("to {to}, perhaps: {why}")),
            Submitted::Refused { why } => {
                self.store().keep_answer(key, None).await?;
                letters.later.push(format!("to {to}: {why}"));
            }
        }
        Ok(letters)
    }
}

/// Puts the record into a report by which SPF did not allow the machine (RFC 6591 §3.2.5).
async fn quote_spf(told: &mut Told, resolver: Option<&Resolver>) {
    let (Some(resolver), Some(domain)) = (resolver, &told.spf_domain) else {
        return;
    };
    let record = resolver.spf_record(domain).await;
    let Some(record) = record.filter(|record| record.len() <= SPF_BYTES_MAX) else {
        return;
    };
    if let Some(failure) = &mut told.report.failure {
        failure.spf_records = vec![format!("txt : {domain} : \"{record}\"")];
    }
}

const fn too_large(letter: &Letter, limits: &Limits) -> bool {
    letter.bytes.len() > limits.report_letter_bytes_max
}

/// Machines that are new, for people.
fn told(new: &[SourceView]) -> String {
    let mut text = String::from(
        "Machines that newly send in the name of your domains, and whose mail is not authentic, as others report.\nOne of your own that is not set up yet, a service somebody hired, or forgery: `mailvigil report dmarc` shows all.\n\n",
    );
    for view in new.iter().take(NAMED_MAX) {
        let reporters: Vec<&str> = view.reporters.iter().map(String::as_str).take(3).collect();
        let reporters: String = reporters
            .join(", ")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{}  {} of {} messages as {}; told by {reporters}",
            view.ip, view.failed, view.messages, view.domain
        );
    }
    if new.len() > NAMED_MAX {
        let _ = writeln!(text, "and {} more", new.len() - NAMED_MAX);
    }
    text
}
