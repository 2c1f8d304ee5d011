//! Of dates.

use super::{Answer, Arguments, Context, pattern, yes};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// Names of zones, in minutes east.
const ZONES: &[(&str, i64)] = &[
    ("UT", 0),
    ("UTC", 0),
    ("NDT", -150),
    ("AST", -240),
    ("ADT", -180),
    ("NST", -210),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("HST", -600),
    ("AKST", -540),
    ("AKDT", -480),
    ("HADT", -540),
    ("HAST", -600),
    ("GMT", 0),
    ("BST", 60),
    ("IST", 60),
    ("WET", 0),
    ("WEST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("MSD", 240),
    ("MET", 60),
    ("MEZ", 60),
    ("MEST", 120),
    ("MESZ", 120),
    ("BRST", -120),
    ("BRT", -180),
    ("AEST", 600),
    ("AEDT", 660),
    ("ACST", 570),
    ("ACDT", 630),
    ("AWST", 480),
    ("NZST", 720),
    ("NZDT", 780),
    ("JST", 540),
    ("KST", 540),
    ("HKT", 480),
    ("SGT", 480),
    ("PHT", 480),
    ("IDT", 180),
];

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_for_shifted_date" => |context, arguments| {
            let hours =
                *context.date_difference.get_or_init(|| difference(context)) as f64 / 3600.0;
            yes(arguments.bound(0).is_none_or(|min| hours >= min)
                && arguments.bound(1).is_none_or(|max| hours < max))
        },
        "check_outlook_message_id" => outlook_message_id,
        _ => return None,
    })
}

/// Seconds the letter's date lies behind the nearest date of its path.
fn difference(context: &Context<'_>) -> i64 {
    let headers = context.view.headers();
    let mut dates = ["resent-date", "date"]
        .into_iter()
        .flat_map(|name| headers.values(name));
    let Some(date) = dates.find_map(read) else {
        return 0;
    };
    let mut fields: Vec<String> = context
        .view
        .get("Received")
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    // What one's own machine wrote on fetching says nothing of the path.
    let own = |field: &String| {
        pattern!(r"\bfrom (?:localhost\s|(?:\S+ ){1,2}\S*\b127\.0\.0\.1\b)").is_match(field)
            || pattern!(r"qmail \d+ invoked by uid \d+").is_match(field)
    };
    let fetched =
        |field: &String| pattern!(r"\bby localhost with \w+ \(fetchmail-[\d.]+").is_match(field);
    let first_is_own = usize::from(fields.first().is_some_and(own));
    if fields.get(first_is_own).is_some_and(fetched) {
        fields.drain(..=first_is_own);
    }
    let stamp = pattern!(r"(\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+)");
    let stamps = fields
        .iter()
        .filter_map(|field| read(&stamp.captures(field)?[1]));
    let mut differences: Vec<i64> = stamps.map(|stamp| date - stamp).collect();
    if differences.len() > 1 && differences.last() == Some(&0) {
        differences.pop();
    }
    differences
        .into_iter()
        .min_by_key(|difference| difference.abs())
        .unwrap_or(0)
}

/// Outlook writes the time into the message id; a forger does not know how.
fn outlook_message_id(context: &Context<'_>, _: &Arguments) -> f64 {
    let id = context.view.get("MESSAGEID");
    let Some(found) =
        pattern!(r"(?m)\A<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@").captures(&id)
    else {
        return 0.0;
    };
    let token = i64::from_str_radix(&found[1], 16).unwrap_or(0);
    // Its clock counts steps of 2^32 times 100 ns, since 1601.
    let is_near = |time: i64| {
        let expected = (time as f64 * 0.002_328_306_436_538_7 + 27_111_902.832_984_9) as i64;
        (token - expected).abs() < 250
    };
    let received = context.view.get("Received");
    let stamp = pattern!(r"(\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+)")
        .find(&received)
        .map(|found| found.as_str());
    let received = stamp.and_then(|_| read(&received)).unwrap_or(0);
    yes(!is_near(read(&context.view.get("Date")).unwrap_or(0)) && !is_near(received))
}

/// A date as mail writes it, also badly; seconds since 1970.
fn read(text: &str) -> Option<i64> {
    let text = format!(" {} ", text.replace(',', ", "));
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(", ", " ")
        .replace(',', " ");
    let text = format!(" {text} ");
    let usual = pattern!(r"(?i) (\d+) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) ");
    let unix = pattern!(
        r"(?i) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d+) \d+:\d+:\d+ (\d{4}) "
    );
    let short =
        pattern!(r"(?i) (\d+) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{2,3}) ");
    let (day, month, year, rest) = if let Some(found) = usual.captures(&text) {
        (
            found[1].to_owned(),
            found[2].to_owned(),
            found[3].to_owned(),
            usual.replace(&text, " "),
        )
    } else if let Some(found) = unix.captures(&text) {
        (
            found[2].to_owned(),
            found[1].to_owned(),
            found[3].to_owned(),
            std::borrow::Cow::Borrowed(text.as_str()),
        )
    } else {
        let found = short.captures(&text)?;
        (
            found[1].to_owned(),
            found[2].to_owned(),
            found[3].to_owned(),
            short.replace(&text, " "),
        )
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let mut year = match (year.len(), number(&year)?) {
        (2, short @ ..50) => short + 2000,
        (2 | 3, short) => short + 1900,
        (_, year) => year,
    };
    let mut month = MONTHS
        .iter()
        .position(|name| month.eq_ignore_ascii_case(name))? as i64
        + 1;
    let mut day = number(&day)?;
    let time = pattern!(r" (\d?\d):(\d\d)(?::(\d\d))? ").captures(&rest);
    let of_time = |group: usize, max: i64| {
        time.as_ref()
            .and_then(|found| found.get(group))
            .and_then(|group| number(group.as_str()))
            .unwrap_or(0)
            .min(max)
    };
    let seconds = of_time(1, 23) * 3600 + of_time(2, 59) * 60 + of_time(3, 59);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    if day > days {
        day = 1;
        month += 1;
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
    let year = year.clamp(1970, 2037);
    Some((days_since_1970(year, month, day) * 86_400 + seconds - zone(&rest) * 60).max(0))
}

/// Minutes east.
fn zone(text: &str) -> i64 {
    if let Some(found) = pattern!(r" ([-+])(\d\d)(\d\d) ").captures(text) {
        let minutes =
            found[2].parse::<i64>().unwrap_or(0) * 60 + found[3].parse::<i64>().unwrap_or(0);
        return if &found[1] == "-" { -minutes } else { minutes };
    }
    let name = pattern!(r"\b([A-Z]{2,4})(?:-DST)?\b").captures(text);
    let known = name.and_then(|found| ZONES.iter().find(|(name, _)| *name == &found[1]));
    known.map_or(0, |(_, minutes)| *minutes)
}

/// Days of the Gregorian calendar (Hinnant, chrono-compatible low-level date algorithms).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn dates_are_read() {
        for (text, seconds) in [
            ("Thu, 1 Jan 1970 00:00:10 +0000", 10),
            ("Mon, 2 Sep 2002 10:00:00 +0100 (IST)", 1_030_957_200),
            ("2 Sep 02 09:00 GMT", 1_030_957_200),
            ("Mon,2 Sep 2002 05:00:00 EDT", 1_030_957_200),
            ("Sep  2 09:00:00 2002", 1_030_957_200),
            ("31 Feb 2001 00:00:00 -0000", 983_404_800),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
        assert_eq!(read("yesterday"), None);
    }
}
