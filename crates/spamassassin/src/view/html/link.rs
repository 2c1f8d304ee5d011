//! Links of a page, and the texts that lead there.

use super::Renderer;
use crate::limits::ADDRESS_BYTES_MAX;

/// A link of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub address: String,
    pub elements: Vec<String>,
    /// Texts that lead there.
    pub shown: Vec<String>,
}

impl Renderer {
    pub(super) fn show_link(&mut self, text: &str) {
        let Some(address) = &self.anchor else {
            return;
        };
        if let Some(link) = self
            .page
            .links
            .iter_mut()
            .rfind(|link| link.address == *address)
            && let Some(last) = link.shown.last_mut()
        {
            last.push_str(text);
        }
    }

    pub(super) fn note_links(&mut self, name: &str, attributes: &[(String, String)]) {
        let value = |wanted: &str| {
            attributes
                .iter()
                .find(|(key, _)| key == wanted || key.ends_with(&format!("/{wanted}")))
                .map(|(_, value)| value.clone())
        };
        let address = match name {
            "body" | "table" | "tr" | "td" => value("background"),
            "a" | "area" | "link" => value("href"),
            "img" | "frame" | "iframe" | "embed" | "script" | "bgsound" => value("src"),
            "form" => value("action"),
            "base" => value("href"),
            "meta" => {
                let refresh = value("http-equiv")
                    .is_some_and(|key| key.to_ascii_lowercase().contains("refresh"));
                let content = value("content").unwrap_or_default();
                let lower = content.to_ascii_lowercase();
                lower.find("url").filter(|_| refresh).and_then(|place| {
                    let rest = content.get(place + 3..)?.trim_start().strip_prefix('=')?;
                    Some(rest.split(';').next().unwrap_or_default().trim().to_owned())
                })
            }
            _ => None,
        };
        let Some(address) = address else {
            return;
        };
        let address = self.cut(&address);
        self.add_link(name, &address);
        if name == "base"
            && ["http:", "https:", "ftp:"]
                .iter()
                .any(|scheme| address.to_ascii_lowercase().starts_with(scheme))
        {
            self.base = if address.ends_with('/') {
                address
            } else {
                format!("{address}/")
            };
        }
    }

    pub(super) fn cut(&mut self, address: &str) -> String {
        let trimmed = address.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}');
        if trimmed.len() <= ADDRESS_BYTES_MAX {
            return trimmed.to_owned();
        }
        self.page.truncated_link = true;
        let end = (0..=ADDRESS_BYTES_MAX)
            .rev()
            .find(|at| trimmed.is_char_boundary(*at))
            .unwrap_or(0);
        trimmed[..end].to_owned()
    }

    pub(super) fn add_link(&mut self, name: &str, address: &str) {
        if address.is_empty() {
            return;
        }
        let target = self.target(address);
        if target.is_empty() {
            return;
        }
        match self
            .page
            .links
            .iter_mut()
            .find(|link| link.address == target)
        {
            Some(link) if !link.elements.iter().any(|known| known == name) => {
                link.elements.push(name.to_owned());
            }
            Some(_) => {}
            None => self.page.links.push(Link {
                address: target,
                elements: vec![name.to_owned()],
                shown: Vec::new(),
            }),
        }
    }

    /// Where an address leads from this page.
    pub(super) fn target(&self, address: &str) -> String {
        let scheme_end = address.find(':').unwrap_or(0);
        let has_scheme = scheme_end > 0
            && address[..scheme_end]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        if has_scheme || self.base.is_empty() {
            return address.to_owned();
        }
        if let Some(rest) = address.strip_prefix('/') {
            let start = self.base.find("//").map_or(0, |place| place + 2);
            let host_end = self.base[start..]
                .find('/')
                .map_or(self.base.len(), |place| start + place);
            return format!("{}/{rest}", &self.base[..host_end]);
        }
        format!("{}{address}", self.base)
    }
}
