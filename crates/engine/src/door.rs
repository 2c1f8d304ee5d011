//! The doors of this node, as the overview shows them: which are open, when somebody came last, and which cannot take anybody.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::now;

/// One open door.
#[derive(Debug)]
pub struct Door {
    name: String,
    /// When somebody came last, microseconds; 0 is never.
    last: AtomicI64,
    stuck: AtomicBool,
}

impl Door {
    /// Somebody came in.
    pub fn entered(&self) {
        self.last.store(now().0, Relaxed);
        self.stuck.store(false, Relaxed);
    }

    /// Nobody can come in: there are no more files, say.
    pub fn is_stuck(&self) {
        self.stuck.store(true, Relaxed);
    }
}

/// How a door is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorState {
    /// What is spoken there, and where it is.
    pub name: String,
    /// When somebody came last, since the start.
    pub last: Option<Timestamp>,
    /// The last one who wanted to come in could not.
    pub stuck: bool,
}

/// All doors of a node.
#[derive(Debug, Default)]
pub struct Doors(Mutex<Vec<Arc<Door>>>);

impl Doors {
    /// A door that opens now.
    pub fn open(&self, name: String) -> Arc<Door> {
        let door = Arc::new(Door {
            name,
            last: AtomicI64::new(0),
            stuck: AtomicBool::new(false),
        });
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.push(door.clone());
        door
    }

    /// How they are, in the order they were opened.
    pub fn states(&self) -> Vec<DoorState> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |door: &Arc<Door>| {
            let last = door.last.load(Relaxed);
            DoorState {
                name: door.name.clone(),
                last: (last > 0).then_some(Timestamp(last)),
                stuck: door.stuck.load(Relaxed),
            }
        };
        doors.iter().map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_tells_of_its_last_visitor_and_of_nobody_coming_in() {
        let doors = Doors::default();
        let (one, other) = (doors.open("milter a".into()), doors.open("spamd b".into()));
        one.entered();
        other.is_stuck();
        let states = doors.states();
        assert!(states[0].last.is_some() && !states[0].stuck);
        assert!(states[1].last.is_none() && states[1].stuck);
        other.entered();
        assert!(!doors.states()[1].stuck);
    }
}
