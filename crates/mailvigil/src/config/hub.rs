//! `[hub]`: the server over which the nodes of one installation tell one another what happens.

use std::path::PathBuf;

use anyhow::Context;
use engine::hub::{Address, Place};
use mail::Secret;
use written::Section;

use super::path;

/// What the section means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubConfig {
    /// Where it is; may hold a password.
    url: Secret<String>,
    /// A file with the password.
    password_file: Option<PathBuf>,
}

/// Reads the section; `None` is a node that is alone. `is_shared` says whether nodes share the store.
pub fn read(section: Section<'_, '_>, is_shared: bool) -> Option<HubConfig> {
    let right = "such as \"valkey://127.0.0.1:6379\", \"valkeys://HOST\" (TLS), \"redis://HOST\" or \"unix:///run/valkey/valkey.sock\"";
    let url = section.text("url", right, |text| {
        Address::parse(text, None).map(|_| Secret::new(text.to_owned()))
    });
    let password_file = section.text("password_file", "a file that holds the password", path);
    if url.is_some() && !is_shared {
        section.complain(
            "url",
            "needs a store that the nodes share",
            "store.database = \"postgres://…\", the same on every node",
        );
    }
    if url.is_none() && password_file.is_some() {
        section.complain("url", "is missing", right);
    }
    section.finish();
    url.map(|url| HubConfig { url, password_file })
}

impl std::fmt::Display for HubConfig {
    /// Where it is, without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Address::parse(self.url.reveal(), None) {
            Ok(address) => write!(f, "{address:?}"),
            Err(why) => f.write_str(&why),
        }
    }
}

impl HubConfig {
    /// Over what nodes hear each other.
    pub fn place(&self) -> anyhow::Result<Place> {
        let password = match &self.password_file {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| {
                    format!("{} (hub.password_file) cannot be read", file.display())
                })?;
                Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        };
        let address = Address::parse(self.url.reveal(), password.as_ref())
            .map_err(|why| anyhow::anyhow!("hub.url {why}"))?;
        Ok(Place::Valkey(address))
    }
}
