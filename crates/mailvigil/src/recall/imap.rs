//! Copies moved by IMAP: a user who may act as any other looks through the owner's folders.

use std::path::PathBuf;
use std::time::Duration;

use engine::{CopyToMove, RecallState};
use mail::{Limits, Secret};

use super::{Done, counted, folder_of, undone};
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
    /// The account that keeps them; `None` leaves them with their owners.
    pub keeper: Option<String>,
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
        let owner = copy.recall.mailbox.as_str();
        let mut session = self.session(owner)?;
        let mut kept = self.kept(&mut session, owner)?;
        let mut there = match &mut kept.keeper {
            Some(keeper) if kept.is_made => count(keeper, &kept.folder, copy)?,
            _ => 0,
        };
        let mut moved = 0;
        for folder in session.folders()? {
            if !folder.is_place || kept.is_here(&folder.name) {
                continue;
            }
            // Only looked into at first: opening to change would take the mark of new mail off.
            session.open_folder(&folder.name, false)?;
            let found = session.search(&found_by(copy))?;
            if found.is_empty() {
                continue;
            }
            session.open_folder(&folder.name, true)?;
            kept.make(&mut session)?;
            match &mut kept.keeper {
                None => session.move_to(&found, &kept.folder)?,
                Some(keeper) => carry(&mut session, &found, keeper, &kept.folder, &mut there)?,
            }
            moved += found.len();
        }
        let done = if moved > 0 {
            (RecallState::Recalled, counted(moved))
        } else if kept.is_made && kept.holds(&mut session, copy)? {
            // Something may have come between moving and noting it.
            (RecallState::Recalled, String::new())
        } else {
            let said = "no such copy is in the mailbox".to_owned();
            (RecallState::NotThere, said)
        };
        kept.logout();
        session.logout();
        Ok(done)
    }

    fn put_back(&self, copy: &CopyToMove) -> Result<(RecallState, String), Trouble> {
        let owner = copy.recall.mailbox.as_str();
        let mut session = self.session(owner)?;
        let mut kept = self.kept(&mut session, owner)?;
        let mut found = Vec::new();
        if kept.is_made {
            let from = kept.keeper.as_mut().unwrap_or(&mut session);
            from.open_folder(&kept.folder, true)?;
            found = from.search(&found_by(copy))?;
        }
        let done = if !found.is_empty() {
            match &mut kept.keeper {
                None => session.move_to(&found, b"INBOX")?,
                Some(keeper) => {
                    let mut there = count(&mut session, b"INBOX", copy)?;
                    carry(keeper, &found, &mut session, b"INBOX", &mut there)?;
                }
            }
            (RecallState::Back, String::new())
        } else if count(&mut session, b"INBOX", copy)? > 0 {
            (RecallState::Back, String::new())
        } else {
            let said = "it is not in the folder any more, and not in the mailbox".to_owned();
            (RecallState::Recalled, said)
        };
        kept.logout();
        session.logout();
        Ok(done)
    }

    fn session(&self, account: &str) -> Result<Session, Trouble> {
        let mut session = Session::open(&self.server, self.ca.as_deref(), PATIENCE, &self.limits)?;
        session.login(account, Some(&self.user), &self.password)?;
        Ok(session)
    }

    /// Where the copies of an owner are kept.
    fn kept(&self, session: &mut Session, owner: &str) -> Result<Kept, Trouble> {
        let (mut keeper, folder) = match &self.keeper {
            Some(keeper) if keeper != owner => {
                (Some(self.session(keeper)?), folder_of(owner, &self.folder))
            }
            _ => (None, self.folder.clone()),
        };
        let there = keeper.as_mut().unwrap_or(session);
        let prefix = there.prefix()?;
        let name = if folder.starts_with(&prefix) {
            folder
        } else {
            prefix + &folder
        };
        let folder = crate::imap::wire_name(&name);
        let is_made = there.folders()?.iter().any(|one| one.name == folder);
        Ok(Kept {
            keeper,
            folder,
            is_made,
        })
    }
}

/// Where copies are kept.
struct Kept {
    /// Of the account that keeps them; `None` leaves them with their owner.
    keeper: Option<Session>,
    folder: Vec<u8>,
    is_made: bool,
}

impl Kept {
    /// Is this folder of the owner the one?
    fn is_here(&self, folder: &[u8]) -> bool {
        self.keeper.is_none() && folder == self.folder
    }

    fn make(&mut self, owner: &mut Session) -> Result<(), Trouble> {
        if !self.is_made {
            let session = self.keeper.as_mut().unwrap_or(owner);
            session.create(&self.folder)?;
            self.is_made = true;
        }
        Ok(())
    }

    fn holds(&mut self, owner: &mut Session, copy: &CopyToMove) -> Result<bool, Trouble> {
        let session = self.keeper.as_mut().unwrap_or(owner);
        Ok(count(session, &self.folder, copy)? > 0)
    }

    fn logout(self) {
        if let Some(keeper) = self.keeper {
            keeper.logout();
        }
    }
}

/// Carries messages of the open folder into another account, and takes them out here once they are there. So many of them that are `there` already, because
/// something came in between the last time, are not carried twice.
fn carry(
    from: &mut Session,
    uids: &[u64],
    to: &mut Session,
    folder: &[u8],
    there: &mut usize,
) -> Result<(), Trouble> {
    from.must_take_out()?;
    for uid in uids {
        if *there > 0 {
            *there -= 1;
        } else if let Some(letter) = from.fetch(*uid)? {
            to.append(folder, &letter)?;
        }
    }
    from.take_out(uids)
}

/// How many there are in a folder.
fn count(session: &mut Session, folder: &[u8], copy: &CopyToMove) -> Result<usize, Trouble> {
    session.open_folder(folder, false)?;
    Ok(session.search(&found_by(copy))?.len())
}

/// What finds a copy, and none else.
fn found_by(copy: &CopyToMove) -> [(&'static str, &str); 2] {
    [
        ("Message-ID", &copy.message_id),
        ("Received", &copy.queue_id),
    ]
}
