//! The messages of a folder, one after the other; nothing about them is changed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use mail::{Limits, Secret};

use super::{Place, Session, wire_name};
use crate::input::{Each, too_long};

/// How long reading a folder may take in all.
const PATIENCE: Duration = Duration::from_hours(24);

/// Who we are on a server.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// Whose certificates are believed; `None` those the system believes.
    pub ca: Option<PathBuf>,
}

/// Calls `each` with a name and the bytes of every message of a folder, the oldest first.
pub fn messages(text: &str, login: &Login, limits: &Limits, each: Each<'_>) -> anyhow::Result<()> {
    let place = Place::parse(text).map_err(|why| anyhow::anyhow!("{text} {why}"))?;
    let (Some(user), Some(folder)) = (&place.user, &place.folder) else {
        bail!("{text} must name user and folder: imaps://ann@mail.example.org/Junk");
    };
    let Some(file) = &login.password_file else {
        bail!("the password of {user} is read from a file: --imap-password-file FILE");
    };
    let password = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let password = Secret::new(password.trim_end_matches(['\r', '\n']).to_owned());
    let mut session = Session::open(&place.server, login.ca.as_deref(), PATIENCE, limits)?;
    session.login(user, None, &password)?;
    session.open_folder(&wire_name(folder), false)?;
    for (uid, size) in session.sizes()? {
        let name = format!("{}/{folder} message {uid}", place.server);
        if size > limits.message_bytes_max as u64 {
            each(&name, Err(too_long(limits.message_bytes_max)))?;
            continue;
        }
        // One that somebody removed meanwhile is no message of the folder any more.
        if let Some(letter) = session.fetch(uid)? {
            each(&name, Ok(letter.raw))?;
        }
    }
    session.logout();
    Ok(())
}
