//! Earlier states of the model, kept beside its file. What is taken back was mostly said lately: then only what came behind it is learnt anew.
//!
//! A state follows from the lessons up to its place and from nothing else, so going on from it comes to the same model as learning the whole log. It is of
//! no use once a lesson before its place is taken back.

use std::path::{Path, PathBuf};

use learn::{Course, Key};

/// Lessons from one state to the next one that is left.
const STEP: i64 = 512;
/// Of the states between one and four steps back one is kept, of those between four and sixteen another, and so on, so many times.
const SPANS: u32 = 5;

/// The states there are.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The file of the model; without one nothing is kept.
    file: Option<PathBuf>,
    /// Their places in the log, the latest last.
    places: Vec<i64>,
    /// How often something was forgotten.
    turn: u64,
}

impl Trail {
    /// Those that lie beside a file.
    pub(super) fn beside(file: Option<PathBuf>) -> Self {
        let places = file.as_deref().map(found).unwrap_or_default();
        Self {
            file,
            places,
            turn: 0,
        }
    }

    /// What [`Trail::leave`] asks for, taken before the state is.
    pub(super) const fn turn(&self) -> u64 {
        self.turn
    }

    /// Keeps the state that was just written to the file, if the last one is far enough back, and nothing was forgotten since `turn`: what was taken then
    /// may know a lesson that is taken back.
    pub(super) fn leave(&mut self, place: i64, turn: u64) -> std::io::Result<()> {
        if turn != self.turn {
            return Ok(());
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        if place - self.places.last().copied().unwrap_or(0) < STEP {
            return Ok(());
        }
        // The file is replaced, never changed: a second name keeps what it is now.
        let state = named(file, place);
        if std::fs::hard_link(file, &state).is_err() {
            std::fs::copy(file, &state)?;
        }
        self.places.push(place);
        for gone in thinned(&mut self.places) {
            remove(file, gone);
        }
        Ok(())
    }

    /// The latest state before a lesson that is taken back, but not before `from`.
    pub(super) fn before(&mut self, lesson: i64, from: i64, key: &Key) -> Option<Course> {
        let file = self.file.as_deref()?;
        let mut earlier = self.places.partition_point(|place| *place < lesson);
        while let Some(at) = earlier.checked_sub(1) {
            let place = self.places[at];
            if place < from {
                return None;
            }
            let read = std::fs::read(named(file, place)).ok();
            match read.and_then(|bytes| Course::from_bytes(&bytes, key).ok()) {
                Some(course) if course.place() == place => return Some(course),
                // Cut short, of another version, or put there by somebody: an earlier one serves as well.
                _ => {
                    self.places.remove(at);
                    remove(file, place);
                    earlier = at;
                }
            }
        }
        None
    }

    /// Forgets the states that know a lesson that is taken back. Called when the model in use does not know it any more.
    pub(super) fn forget_from(&mut self, lesson: i64) {
        self.turn += 1;
        if let Some(file) = self.file.as_deref() {
            let known = self.places.extract_if(.., |place| *place >= lesson);
            known.for_each(|place| remove(file, place));
        }
    }
}

/// Leaves of each span of distances the furthest state, which is the one that goes over into the next; returns the others.
fn thinned(places: &mut Vec<i64>) -> Vec<i64> {
    let latest = places.last().copied().unwrap_or(0);
    let mut gone = Vec::new();
    let mut last_span = None;
    // The furthest first.
    places.retain(|place| {
        let steps = (latest - place) / STEP;
        let span = if steps < 1 { 0 } else { steps.ilog(4) + 1 };
        let keeps = span <= SPANS && last_span != Some(span);
        last_span = Some(span);
        if !keeps {
            gone.push(*place);
        }
        keeps
    });
    gone
}

fn named(file: &Path, place: i64) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".at-{place}"));
    PathBuf::from(name)
}

/// What cannot be removed is found again at the next start, and checked like all others.
fn remove(file: &Path, place: i64) {
    let path = named(file, place);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{} cannot be removed: {error}", path.display());
    }
}

fn found(file: &Path) -> Vec<i64> {
    let Some((folder, name)) = file.parent().zip(file.file_name()) else {
        return Vec::new();
    };
    let begins = format!("{}.at-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let place = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix(&begins)?.parse().ok()
    };
    let mut places: Vec<i64> = entries.flatten().filter_map(place).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::files::put_in_place;

    #[test]
    fn states_lie_further_apart_the_older_they_are() {
        let mut places = Vec::new();
        for step in 1..=3000 {
            places.push(step * STEP);
            thinned(&mut places);
            assert!(places.len() <= SPANS as usize + 1);
            let latest = step * STEP;
            for back in [1, 4, 16, 64].into_iter().filter(|back| *back * 4 < step) {
                let at = latest - back * STEP;
                let near = places
                    .iter()
                    .any(|place| (at - 3 * back * STEP..=at).contains(place));
                assert!(near, "{step}: none near {back} steps back in {places:?}");
            }
        }
    }

    #[test]
    fn only_sound_states_before_what_is_taken_back_are_gone_on_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("learner");
        let key = Key::new(b"test");
        let mut trail = Trail::beside(Some(file.clone()));
        for place in [512, 600, 1024, 3072, 4096] {
            let mut course = Course::new();
            course.skip_to(place);
            put_in_place(&file, |out| out.write_all(&course.to_bytes(&key))).expect("written");
            trail.leave(place, trail.turn()).expect("left");
        }
        assert_eq!(
            trail.places,
            [512, 3072, 4096],
            "600 is too near, 1024 too many"
        );
        let mut trail = Trail::beside(Some(file.clone()));
        let place = |course: Option<Course>| course.map(|course| course.place());
        assert_eq!(place(trail.before(5000, 0, &key)), Some(4096));
        assert_eq!(place(trail.before(4096, 0, &key)), Some(3072));
        let turn = trail.turn();
        trail.forget_from(4000);
        assert!(!named(&file, 4096).exists() && named(&file, 3072).exists());
        trail.leave(9000, turn).expect("nothing done");
        assert!(
            !named(&file, 9000).exists(),
            "taken before something was forgotten"
        );
        assert_eq!(
            place(trail.before(4000, 3073, &key)),
            None,
            "lessons are missing behind it"
        );
        std::fs::write(named(&file, 3072), b"cut").expect("written");
        assert_eq!(place(trail.before(4000, 0, &key)), Some(512));
        assert_eq!(place(trail.before(4000, 0, &Key::new(b"other"))), None);
        assert_eq!(found(&file), [0_i64; 0]);
    }
}
