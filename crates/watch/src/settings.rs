//! What a site says about watching: mode, thresholds and steps of each detector; strict TOML, every problem at once.

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
    /// One for each of [`DETECTORS`], in their order.
    pub detectors: Vec<Setting>,
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
    /// Every threshold where it stands by default, every detector in this mode.
    pub fn in_mode(mode: Mode) -> Self {
        let detectors = DETECTORS.iter().map(|detector| Setting {
            mode,
            values: detector.knobs.iter().map(|knob| knob.default).collect(),
            steps: detector.steps.to_vec(),
        });
        Self {
            enforce: true,
            freeze_at: FREEZE_AT,
            detectors: detectors.collect(),
        }
    }

    /// Reads a document:
    ///
    /// ```toml
    /// mode = "observe"            # of every detector that says nothing else
    /// enforce = true              # the kill switch
    /// freeze_at = 0.7
    /// [detectors."auth.bf.ip"]
    /// mode = "enforce"
    /// passwords = 60
    /// steps = ["block-source"]
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
        let detectors = root.section("detectors");
        for (detector, setting) in DETECTORS.iter().zip(&mut settings.detectors) {
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
        root.finish();
        let problems = written.into_problems();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }
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
