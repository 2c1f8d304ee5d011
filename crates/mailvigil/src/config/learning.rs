//! `[learning]`: from whom the site's own learner learns without being told. What its word is worth is policy.

use engine::LearnSetup;
use mail::Address;
use written::Section;

/// Messages people are asked about each day when nothing is said.
const QUESTIONS: u32 = 20;

/// Reads the section; where the model is kept is not in it.
pub fn read(section: Section<'_, '_>) -> LearnSetup {
    let setup = LearnSetup {
        traps: section
            .texts(
                "traps",
                "addresses nobody has, such as \"old.sales@example.org\"",
                trap,
            )
            .unwrap_or_default(),
        replies: section.flag("replies").unwrap_or(true),
        questions_per_day: section
            .number("questions_per_day", 0..=1000)
            .map_or(QUESTIONS, |questions| questions as u32),
        file: None,
    };
    section.finish();
    setup
}

fn trap(text: &str) -> Result<Address, &'static str> {
    let address = Address::new(text).filter(|address| address.domain().is_some());
    address.ok_or("is no address with a domain")
}
