//! `[recall]`: how delivered copies are taken out of mailboxes and put back.

use written::Section;

/// What the section means: Dovecot's `doveadm`, and where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallConfig {
    /// The program by its whole path, with what stands before its command.
    pub doveadm: Vec<String>,
    /// A doveadm server that carries it out (`-S`): a socket or HOST:PORT.
    pub server: Option<String>,
    /// The folder copies are moved into.
    pub folder: String,
    /// The account that keeps them; `None` leaves them with their owners.
    pub keeper: Option<String>,
}

/// Reads the section; `None` is a node that calls nothing back.
pub fn read(section: Section<'_, '_>) -> Option<RecallConfig> {
    let right = "a program by its whole path, such as [\"/usr/bin/doveadm\"]";
    let doveadm = section.texts("doveadm", "texts", |word| Ok::<_, &str>(word.to_owned()));
    let server = section.text("server", "a socket or HOST:PORT", word);
    let folder = section.text("folder", "a name without dots and slashes", |text| {
        let good = !text.is_empty()
            && !text.starts_with('-')
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "-_ ".contains(c));
        good.then(|| text.to_owned()).ok_or("is no such name")
    });
    let keeper = section.text("keeper", "the name of an account", word);
    let is_written = server.is_some() || folder.is_some() || keeper.is_some();
    let named = doveadm.filter(|words| words.first().is_some_and(|one| one.starts_with('/')));
    if named.is_none() && (is_written || section.has("doveadm")) {
        section.complain("doveadm", "names no program", right);
    }
    section.finish();
    named.map(|doveadm| RecallConfig {
        doveadm,
        server,
        folder: folder.unwrap_or_else(|| "Recalled".to_owned()),
        keeper,
    })
}

fn word(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty() && !text.contains(['*', '?']) && !text.starts_with('-');
    good.then(|| text.to_owned())
        .ok_or("is empty, begins with a dash or has a wildcard in it")
}
