//! What the day came to: notable verdicts, then a table.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Color};
use mail::{Fate, Level, Record, Timestamp};
use store::{Query, Store, StoreError};
use wire::milter::Answer;

use super::day::{Kind, Letter};
use super::play::Played;
use crate::show;

/// Notable verdicts shown of each kind, so that a bomb does not fill the screen.
const SHOWN_PER_KIND: usize = 4;

/// The records of the day by Message-ID.
pub async fn records(
    store: &Store,
    since: Timestamp,
) -> Result<BTreeMap<String, Record>, StoreError> {
    let query = Query {
        since: Some(since.plus_secs(-1)),
        limit: 10_000,
        ..Query::default()
    };
    let records = store.find(&query).await?;
    Ok(records
        .into_iter()
        .filter_map(|record| Some((record.message_id.clone()?, record)))
        .collect())
}

/// Counts while the day is played.
#[derive(Default)]
pub struct Summary {
    kinds: BTreeMap<Kind, Counts>,
    times: Vec<Duration>,
    letters: Vec<(Kind, String, Option<String>)>,
}

#[derive(Default)]
struct Counts {
    delivered: usize,
    held_or_deleted: usize,
    refused: usize,
}

impl Summary {
    /// One message more.
    pub fn count(&mut self, letter: &Letter, played: &Played) {
        self.times.push(played.took);
        let counts = self.kinds.entry(letter.kind).or_default();
        match &played.answer {
            Answer::Accept | Answer::Continue => counts.delivered += 1,
            Answer::Discard => counts.held_or_deleted += 1,
            Answer::Tempfail | Answer::Reject | Answer::Custom(_) => counts.refused += 1,
        }
        let id = message_id(&letter.raw);
        let answer = match &played.answer {
            Answer::Custom(reply) => Some(format!(
                "{} {} {}",
                reply.code(),
                reply.enhanced(),
                reply.lines().join(" ")
            )),
            _ => None,
        };
        self.letters.push((letter.kind, id, answer));
    }

    /// One line for each verdict worth a look: everything that was not simply delivered.
    pub fn print_notable(&self, records: &BTreeMap<String, Record>, all: bool) {
        let mut shown: BTreeMap<Kind, usize> = BTreeMap::new();
        for (kind, id, refusal) in &self.letters {
            let record = records.get(id);
            let verdict = record.and_then(|record| record.verdict.as_ref());
            let notable =
                refusal.is_some() || verdict.is_some_and(|verdict| verdict.level > Level::Ordinary);
            let count = shown.entry(*kind).or_default();
            if !all && (!notable || *count >= SHOWN_PER_KIND) {
                continue;
            }
            *count += 1;
            match (record, verdict, refusal) {
                (Some(record), Some(verdict), _) => {
                    println!(
                        "{:<11} {:>5.1}  {} {}",
                        record.fate.as_str(),
                        verdict.score,
                        show::column(&record.subject, 44),
                        show::why(verdict, 100)
                    );
                }
                (_, _, Some(refusal)) => println!(
                    "{:<11}        {:<44} {}",
                    "refused",
                    kind.label(),
                    show::safe(refusal)
                ),
                _ => {}
            }
        }
        if !all {
            println!("(at most {SHOWN_PER_KIND} of each kind; --all shows every one)");
        }
    }

    /// The table, wanted mail first.
    pub fn print_table(&self, letters: &[Letter], records: &BTreeMap<String, Record>) {
        let mut table = show::table(&[
            "kind",
            "messages",
            "accepted",
            "quarantined",
            "discarded",
            "refused or deferred",
        ]);
        let fates = self.fates(records);
        let mut totals = [0_usize; 5];
        let mut wrong = [(0_usize, 0_usize); 2];
        for (kind, counts) in &self.kinds {
            let count = |fate| fates.get(&(*kind, fate)).copied().unwrap_or(0);
            let all = counts.delivered + counts.held_or_deleted + counts.refused;
            let row = [
                all,
                counts.delivered,
                count(Fate::Quarantined),
                count(Fate::Discarded),
                counts.refused,
            ];
            for (total, number) in totals.iter_mut().zip(row) {
                *total += number;
            }
            let odd = if kind.is_wanted() {
                all - counts.delivered
            } else {
                counts.delivered
            };
            let side = &mut wrong[usize::from(kind.is_wanted())];
            *side = (side.0 + odd, side.1 + all);
            let name = Cell::new(kind.label());
            let name = if kind.is_wanted() {
                name
            } else {
                name.fg(Color::Yellow)
            };
            let mut cells = vec![name];
            cells.extend(row.map(|number| {
                Cell::new(if number == 0 {
                    "·".to_owned()
                } else {
                    number.to_string()
                })
                .set_alignment(CellAlignment::Right)
            }));
            table.add_row(cells);
        }
        let mut cells = vec![Cell::new("all")];
        cells.extend(totals.map(|number| Cell::new(number).set_alignment(CellAlignment::Right)));
        table.add_row(cells);
        println!("\n{table}\n");
        let [(missed, junk), (stopped, wanted)] = wrong;
        println!(
            "{} of {junk} unwanted messages were stopped, {stopped} of {wanted} wanted ones.",
            junk - missed
        );
        let bytes: usize = letters.iter().map(|letter| letter.raw.len()).sum();
        let mut times = self.times.clone();
        times.sort_unstable();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        let sum: Duration = times.iter().sum();
        let mean = sum.as_secs_f64() * 1000.0 / times.len() as f64;
        println!(
            "Time per message, from its last byte to the answer: {mean:.2} ms on average, {:.2} ms median, {:.2} ms for 99 %. {} kB in all.",
            at(0.5),
            at(0.99),
            bytes / 1000
        );
    }

    fn fates(&self, records: &BTreeMap<String, Record>) -> BTreeMap<(Kind, Fate), usize> {
        let mut fates = BTreeMap::new();
        for (kind, id, _) in &self.letters {
            if let Some(record) = records.get(id) {
                *fates.entry((*kind, record.fate)).or_default() += 1;
            }
        }
        fates
    }
}

fn message_id(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Message-ID: <"));
    line.map(|line| line.trim_end_matches('>').to_owned())
        .unwrap_or_default()
}
