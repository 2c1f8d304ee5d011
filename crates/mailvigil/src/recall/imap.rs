//! Copies moved by IMAP: a user who may act as any other looks through the owner's folders.

use std::path::PathBuf;
use std::time::Duration;

use engine::{CopyToMove, RecallState};
use mail::{Limits, Secret};

use super::{Done, counted, undone};
use crate::imap::{Server, Session, Trouble};

/// How long one copy may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and who we are there.
#[derive(Clone, Debug)]
pub struct Imap {
    pub server: Server,
    /// Who may act as any user.
    pub user: String,
    pub password: Secret<String>,
    pub ca: Option<PathBuf>,
    /// The folder copies go to.
    pub folder: String,
    pub limits: Limits,
}

impl Imap {
    /// Blocks until it is done.
    pub fn carry_out(&self, copy: &CopyToMove) -> Done {
        let done = if copy.recall.state == RecallState::BackWanted {
            self.put_back(copy)
        } else {
            self.take(copy)
        };
        match done {
            Ok((state, said)) => Done::Is(state, said),
            Err(Trouble::Passing(why)) => Done::Later(why),
            Err(Trouble::Lasting(why)) => Done::Is(undone(copy.recall.state), why),
        }
    }

    fn take(&self, copy: &CopyToMove) -> Result<(RecallState, String), Trouble> {
        let mut session = self.session(copy)?;
        let target = self.target(&mut session)?;
        let folders = session.folders()?;
        let is_made = folders.iter().any(|folder| folder.name == target);
        let mut moved = 0;
        for folder in folders
            .iter()
            .filter(|folder| folder.is_place && folder.name != target)
        {
            // Only looked into at first: opening to change would take the mark of new mail off.
            session.open_folder(&folder.name, false)?;
            let found = session.search(&found_by(copy))?;
            if found.is_empty() {
                continue;
            }
            session.open_folder(&folder.name, true)?;
            if moved == 0 && !is_made {
                session.create(&target)?;
            }
            session.move_to(&found, &target)?;
            moved += found.len();
        }
        let done = if moved > 0 {
            (RecallState::Recalled, counted(moved))
        } else if is_made && is_in(&mut session, &target, copy)? {
            // Something may have come between moving and noting it.
            (RecallState::Recalled, String::new())
        } else {
            let said = "no such copy is in the mailbox".to_owned();
            (RecallState::NotThere, said)
        };
        session.logout();
        Ok(done)
    }

    fn put_back(&self, copy: &CopyToMove) -> Result<(RecallState, String), Trouble> {
        let mut session = self.session(copy)?;
        let target = self.target(&mut session)?;
        let folders = session.folders()?;
        let mut found = Vec::new();
        if folders.iter().any(|folder| folder.name == target) {
            session.open_folder(&target, true)?;
            found = session.search(&found_by(copy))?;
        }
        let done = if !found.is_empty() {
            session.move_to(&found, b"INBOX")?;
            (RecallState::Back, String::new())
        } else if is_in(&mut session, b"INBOX", copy)? {
            (RecallState::Back, String::new())
        } else {
            let said = "it is not in the folder any more, and not in the mailbox".to_owned();
            (RecallState::Recalled, said)
        };
        session.logout();
        Ok(done)
    }

    fn session(&self, copy: &CopyToMove) -> Result<Session, Trouble> {
        let mut session = Session::open(&self.server, self.ca.as_deref(), PATIENCE, &self.limits)?;
        session.login(&copy.recall.mailbox, Some(&self.user), &self.password)?;
        Ok(session)
    }

    fn target(&self, session: &mut Session) -> Result<Vec<u8>, Trouble> {
        let prefix = session.prefix()?;
        let name = if self.folder.starts_with(&prefix) {
            self.folder.clone()
        } else {
            prefix + &self.folder
        };
        Ok(crate::imap::wire_name(&name))
    }
}

fn is_in(session: &mut Session, folder: &[u8], copy: &CopyToMove) -> Result<bool, Trouble> {
    session.open_folder(folder, false)?;
    Ok(!session.search(&found_by(copy))?.is_empty())
}

/// What finds a copy, and none else.
fn found_by(copy: &CopyToMove) -> [(&'static str, &str); 2] {
    [
        ("Message-ID", &copy.message_id),
        ("Received", &copy.queue_id),
    ]
}
