//! `[recall]`: how delivered copies are taken out of mailboxes and put back.

use std::path::PathBuf;

use anyhow::Context;
use mail::{Limits, Secret};
use written::Section;

use super::path;
use crate::imap::{Place, Server};
use crate::recall::{Doveadm, Imap, Mover};

/// Where copies go when nothing is said.
const FOLDER: &str = "Recalled";

/// What the section means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecallConfig {
    /// Dovecot's own program moves them.
    Doveadm(Doveadm),
    /// Somebody who may act as any user moves them by IMAP.
    Imap(ImapConfig),
}

/// An IMAP server, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImapConfig {
    server: Server,
    user: String,
    password_file: PathBuf,
    ca: Option<PathBuf>,
    folder: String,
    keeper: Option<String>,
}

/// Reads the section; `None` is a node that calls nothing back.
pub fn read(section: Section<'_, '_>) -> Option<RecallConfig> {
    let right =
        "a folder's name, such as \"Recalled\", for doveadm with the prefix of its namespace";
    let folder = section.text("folder", right, |text| {
        let good = !text.starts_with('-')
            && text.split(['.', '/']).all(|part| !part.is_empty())
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "-_ ./".contains(c));
        good.then(|| text.to_owned()).ok_or("is no such name")
    });
    let folder_is_named = folder.is_some();
    let folder = folder.unwrap_or_else(|| FOLDER.to_owned());
    let config = if section.has("imap") {
        by_imap(&section, folder).map(RecallConfig::Imap)
    } else {
        by_doveadm(&section, folder, folder_is_named).map(RecallConfig::Doveadm)
    };
    section.finish();
    config
}

fn by_doveadm(section: &Section<'_, '_>, folder: String, is_written: bool) -> Option<Doveadm> {
    let right =
        "a program by its whole path, such as [\"/usr/bin/doveadm\"], or imap = \"imaps://HOST\"";
    let doveadm = section.texts("doveadm", "texts", |word| Ok::<_, &str>(word.to_owned()));
    let server = section.text("server", "a socket or HOST:PORT", word);
    let keeper = section.text("keeper", "the name of an account", word);
    let is_written = is_written || server.is_some() || keeper.is_some();
    let named = doveadm.filter(|words| words.first().is_some_and(|one| one.starts_with('/')));
    if named.is_none() && (is_written || section.has("doveadm")) {
        section.complain("doveadm", "names no program", right);
    }
    named.map(|command| Doveadm {
        command,
        server,
        folder,
        keeper,
    })
}

fn by_imap(section: &Section<'_, '_>, folder: String) -> Option<ImapConfig> {
    let right = "such as \"imaps://mail.example.org\", without user and folder";
    let server = section.text("imap", right, |text| {
        let place = Place::parse(text)?;
        let bare = place.user.is_none() && place.folder.is_none();
        bare.then_some(place.server)
            .ok_or("names more than a server")
    });
    for other in ["doveadm", "server"] {
        if section.has(other) {
            section.complain(other, "does not go with imap", "either doveadm or imap");
        }
    }
    let keeper = section.text("keeper", "the name of an account", word);
    let user = section.required("user", "who may act as any user (SASL authorization)", word);
    let password_file = section.required("password_file", "a file that holds the password", path);
    let ca = section.text("ca", "a file of certificates in PEM", path);
    Some(ImapConfig {
        server: server?,
        user: user?,
        password_file: password_file?,
        ca,
        folder,
        keeper,
    })
}

impl RecallConfig {
    /// What moves copies.
    pub fn mover(&self, limits: &Limits) -> anyhow::Result<Mover> {
        Ok(match self {
            Self::Doveadm(doveadm) => Mover::Doveadm(doveadm.clone()),
            Self::Imap(config) => {
                let file = &config.password_file;
                let password = std::fs::read_to_string(file).with_context(|| {
                    format!("{} (recall.password_file) cannot be read", file.display())
                })?;
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                Mover::Imap(std::sync::Arc::new(Imap {
                    server: config.server.clone(),
                    user: config.user.clone(),
                    password: Secret::new(password),
                    ca: config.ca.clone(),
                    folder: config.folder.clone(),
                    keeper: config.keeper.clone(),
                    limits: limits.clone(),
                }))
            }
        })
    }
}

impl std::fmt::Display for RecallConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (by, to) = match self {
            Self::Doveadm(doveadm) => {
                let to = doveadm.keeper.as_ref().unwrap_or(&doveadm.folder);
                (doveadm.command.join(" "), to)
            }
            Self::Imap(config) => (
                format!("{} as {}", config.server, config.user),
                config.keeper.as_ref().unwrap_or(&config.folder),
            ),
        };
        write!(f, "{by}, copies go to {to}")
    }
}

fn word(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty() && !text.contains(['*', '?']) && !text.starts_with('-');
    good.then(|| text.to_owned())
        .ok_or("is empty, begins with a dash or has a wildcard in it")
}
