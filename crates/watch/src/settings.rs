//! What a site says about watching: mode, thresholds and steps of each detector; strict TOML, every problem at once.

use std::collections::BTreeMap;

use mail::Timestamp;
use written::{Section, Written};

pub use written::Problem;

use crate::detectors::DETECTORS;
use crate::response::Step;

/// How far a detector may go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does not look.
    Off,
    /// It tells, and what it would do is written down as simulated.
    Observe,
    /// It acts.
    Enforce,
}

impl Mode {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "enforce" => Ok(Self::Enforce),
            other => Err(format!("{other:?} is no mode")),
        }
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The kill switch: `false` lets everything pass, and what would be done is only written down.
    pub enforce: bool,
    /// What findings must add up to before mail of an account is frozen, 0 to 1.
    pub freeze_at: f32,
    /// Days that the watch must have looked on before any detector acts.
    pub observe_days: u32,
    /// While the site is attacked as badly as it gets, counts that may fall stand at one in so many.
    pub attack_factor: f64,
    /// One for each of [`DETECTORS`], in their order.
    pub detectors: Vec<Setting>,
    /// The same for single accounts and mailboxes, by their names in lower case.
    accounts: BTreeMap<String, Vec<Setting>>,
    /// Do any of theirs look at what is searched for? Asked at each look into a folder, so it is not looked up among thousands.
    accounts_read_searches: bool,
}

/// What is set for one detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// How far it may go.
    pub mode: Mode,
    /// Where its thresholds stand, in their order.
    pub values: Vec<f64>,
    /// What is done about a finding that is sure enough.
    pub steps: Vec<Step>,
}

/// Above two findings of .4 with an unusual login (1 − .6 · .6 · .8 = .71), below one with two unusual things (.62).
const FREEZE_AT: f32 = 0.7;
/// Before a week is over nobody is known well enough to be told from a stranger (`Contacts::settled`).
const OBSERVE_DAYS: u32 = 7;
/// Behaviour.md 3, anti-noise rule e: at most twice.
const ATTACK_FACTOR: f64 = 2.0;
/// Accounts with limits of their own.
const ACCOUNTS_MAX: usize = 10_000;
/// How a mode is written.
const MODES: &str = "\"off\", \"observe\" or \"enforce\"";

impl Default for Settings {
    /// A fresh installation observes: for the first week nothing is known yet, and whoever switches it on should have seen first what
    /// it would have done.
    fn default() -> Self {
        Self::in_mode(Mode::Observe)
    }
}

impl Settings {
    /// Every threshold where it stands by default, every detector in this mode but those that look only when they are named.
    pub fn in_mode(mode: Mode) -> Self {
        let detectors = DETECTORS.iter().map(|detector| Setting {
            mode: if detector.when_named { Mode::Off } else { mode },
            values: detector.knobs.iter().map(|knob| knob.default).collect(),
            steps: detector.steps.to_vec(),
        });
        Self {
            enforce: true,
            freeze_at: FREEZE_AT,
            observe_days: OBSERVE_DAYS,
            attack_factor: ATTACK_FACTOR,
            detectors: detectors.collect(),
            accounts: BTreeMap::new(),
            accounts_read_searches: false,
        }
    }

    /// The same, acting from the first operation on.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self {
            observe_days: 0,
            ..self
        }
    }

    /// What holds for an account or a mailbox.
    pub fn of(&self, name: Option<&str>) -> &[Setting] {
        let own = name.filter(|_| self.has_accounts());
        own.and_then(|name| self.accounts.get(name))
            .unwrap_or(&self.detectors)
    }

    /// Does any account have settings of its own?
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// Accounts and mailboxes with settings of their own.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Does any detector look at what is searched for?
    pub fn reads_searches(&self) -> bool {
        self.accounts_read_searches || read_searches(&self.detectors)
    }

    /// Until when nothing automatic is done, for a watch that has looked on since `began`.
    pub fn observes_until(&self, began: Option<Timestamp>) -> Option<Timestamp> {
        began.map(|began| began.plus_secs(i64::from(self.observe_days) * 86_400))
    }

    /// Is everything automatic only written down?
    pub(crate) fn only_observes(&self, began: Option<Timestamp>, at: Timestamp) -> bool {
        !self.enforce || self.observes_until(began).is_none_or(|until| at < until)
    }

    /// Reads a document:
    ///
    /// ```toml
    /// mode = "observe"            # of every detector that says nothing else
    /// enforce = true              # the kill switch
    /// freeze_at = 0.7
    /// observe_days = 7            # nothing is done before the watch has looked on so long
    /// attack_factor = 2           # counts marked with an arrow fall to one in so many while the site is attacked
    /// [detectors."auth.bf.ip"]
    /// mode = "enforce"
    /// passwords = 60
    /// steps = ["block-source"]
    /// [accounts."news@example.org"."out.volume"]
    /// hour = 20000
    /// ```
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let written = Written::new(text);
        let table = written.parse();
        let root = Section::root(&written, table.get_ref());
        let mode = root
            .text("mode", MODES, Mode::read)
            .unwrap_or(Mode::Observe);
        let mut settings = Self::in_mode(mode);
        settings.enforce = root.flag("enforce").unwrap_or(true);
        if let Some(freeze_at) = root.decimal("freeze_at", 0.1..=1.0) {
            settings.freeze_at = freeze_at as f32;
        }
        if let Some(days) = root.number("observe_days", 0..=90) {
            settings.observe_days = days as u32;
        }
        if let Some(factor) = root.decimal("attack_factor", 1.0..=4.0) {
            settings.attack_factor = factor;
        }
        read_detectors(root.section("detectors"), &mut settings.detectors);
        for (name, section) in root.section("accounts").named_sections() {
            if settings.accounts.len() >= ACCOUNTS_MAX {
                section.complain(
                    "",
                    "is one account too many",
                    &format!("{ACCOUNTS_MAX} at most"),
                );
                break;
            }
            let mut own = settings.detectors.clone();
            read_detectors(section, &mut own);
            settings.accounts_read_searches |= read_searches(&own);
            settings.accounts.insert(name.to_lowercase(), own);
        }
        root.finish();
        let problems = written.into_problems();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }
}

fn read_searches(settings: &[Setting]) -> bool {
    let number = crate::detectors::number_of("mbx.recon");
    number.is_some_and(|number| settings[number].mode != Mode::Off)
}

/// What a table of detectors says, over what holds without it.
fn read_detectors(detectors: Section<'_, '_>, settings: &mut [Setting]) {
    for (detector, setting) in DETECTORS.iter().zip(settings) {
        let Some(section) = detectors.maybe_section(detector.id) else {
            continue;
        };
        if let Some(mode) = section.text("mode", MODES, Mode::read) {
            setting.mode = mode;
        }
        for (knob, value) in detector.knobs.iter().zip(&mut setting.values) {
            let allowed = knob.allowed.0..=knob.allowed.1;
            *value = section.decimal(knob.name, allowed).unwrap_or(*value);
        }
        if let Some(steps) = section.texts("steps", &Step::all_names(), Step::read) {
            setting.steps = steps;
        }
        section.finish();
    }
    detectors.finish();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::number_of;

    #[test]
    fn reads_what_is_set_and_leaves_the_rest() {
        let text = "mode = \"enforce\"\n[detectors.\"auth.bf.ip\"]\nmode = \"observe\"\npasswords = 60\nsteps = [\"note\"]\n";
        let settings = Settings::parse(text).expect("good settings");
        let source = &settings.detectors[number_of("auth.bf.ip").expect("a detector")];
        assert_eq!(source.mode, Mode::Observe);
        assert_eq!(source.steps, [Step::Note]);
        assert!(source.values.contains(&60.0) && source.values.contains(&20.0));
        let other = &settings.detectors[number_of("auth.hit").expect("a detector")];
        assert_eq!(other.mode, Mode::Enforce);
        assert_eq!(
            Settings::parse("").expect("nothing set"),
            Settings::default()
        );
    }

    #[test]
    fn accounts_have_limits_of_their_own() {
        let text = "[detectors.\"out.volume\"]\nday = 700\n[accounts.\"News@example.org\".\"out.volume\"]\nhour = 20000\nmode = \"off\"\n";
        let settings = Settings::parse(text).expect("good settings");
        let number = number_of("out.volume").expect("a detector");
        let (own, others) = (
            &settings.of(Some("news@example.org"))[number],
            &settings.of(Some("ann@example.org"))[number],
        );
        assert_eq!(
            (own.mode, &own.values[..2]),
            (Mode::Off, &[20_000.0, 700.0][..])
        );
        assert_eq!(
            (others.mode, &others.values[..2]),
            (Mode::Observe, &[500.0, 700.0][..])
        );
        assert_eq!(settings.of(None), settings.detectors);
        let text = "[accounts.\"a@example.org\".\"out.volum\"]\nhour = 2\n[accounts]\nb = 3\n";
        let said: Vec<String> = Settings::parse(text)
            .expect_err("bad settings")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            said.iter()
                .any(|one| one.contains("did you mean out.volume?")),
            "{said:#?}"
        );
    }

    #[test]
    fn what_reads_searches_looks_only_when_it_is_named() {
        let number = number_of("mbx.recon").expect("a detector");
        let mode =
            |text: &str| Settings::parse(text).expect("good settings").detectors[number].mode;
        assert_eq!(mode("mode = \"enforce\"\n"), Mode::Off);
        assert_eq!(
            mode("[detectors.\"mbx.recon\"]\nmode = \"observe\"\n"),
            Mode::Observe
        );
        let reads = |text: &str| {
            let settings = Settings::parse(text).expect("good settings");
            settings.reads_searches()
        };
        assert!(!reads("mode = \"enforce\"\n"));
        assert!(reads("[detectors.\"mbx.recon\"]\nmode = \"observe\"\n"));
        assert!(reads(
            "[accounts.\"ann@example.org\".\"mbx.recon\"]\nmode = \"observe\"\n[accounts.\"bob@example.org\".\"mbx.recon\"]\nmode = \"off\"\n"
        ));
    }

    #[test]
    fn every_problem_at_once() {
        let text = "mode = \"loud\"\n[detectors.\"auth.bf.ip\"]\npasswords = 0\npasword = 3\nsteps = [\"shoot\"]\n[detectors.\"auth.bfip\"]\n";
        let problems = Settings::parse(text).expect_err("bad settings");
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(
            said.iter()
                .any(|one| one.contains("did you mean passwords?")),
            "{said:#?}"
        );
        assert!(
            said.iter()
                .any(|one| one.contains("did you mean auth.bf.ip?")),
            "{said:#?}"
        );
    }
}
