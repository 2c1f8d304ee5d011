//! All forms an address is matched in.

use crate::limits::{ADDRESS_BYTES_MAX, FORMS_MAX};
use crate::pattern::Pattern;

/// Escapes of printable characters read.
pub(super) fn unescaped(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(u8::is_ascii_graphic);
        match value {
            Some(value) => {
                text.push(value);
                at += 3;
            }
            None => {
                text.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// All forms an address is matched in: as written, unescaped, without port and user, behind redirections.
pub(super) fn forms(raw: &str, redirectors: &[Pattern]) -> Vec<String> {
    let mut forms: Vec<String> = Vec::new();
    let mut waiting = vec![raw.to_owned()];
    while let Some(next) = waiting.pop() {
        if forms.len() >= FORMS_MAX {
            break;
        }
        let text: String = next.chars().filter(|c| *c != '\n' && *c != '\r').collect();
        let text = text.trim().to_owned();
        if forms.contains(&text) {
            continue;
        }
        forms.push(text.clone());
        let inside =
            text.starts_with(['#', '?', '&']) || text.starts_with('/') && !text.starts_with("//");
        if text.len() > 1 && !inside {
            let mut add = |form: String| {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            };
            let is_mail = text
                .get(..7)
                .is_some_and(|start| start.eq_ignore_ascii_case("mailto:"))
                || text.find('@').is_some_and(|at| !text[..at].contains(':'));
            if is_mail {
                mail_forms(&text, &mut add);
            } else {
                waiting.extend(page_forms(&text, redirectors, &mut add));
            }
        }
    }
    for form in &mut forms {
        if form.len() > ADDRESS_BYTES_MAX {
            let end = (0..=ADDRESS_BYTES_MAX)
                .rev()
                .find(|at| form.is_char_boundary(*at))
                .unwrap_or(0);
            form.truncate(end);
        }
    }
    forms
}

fn mail_forms(text: &str, add: &mut impl FnMut(String)) {
    let Some(at) = text.find('@') else {
        return;
    };
    let cut_at = |mark: char| {
        text[at..]
            .find(mark)
            .map(|place| text[..at + place].to_owned())
    };
    if let Some(form) = cut_at('?') {
        add(form);
    }
    if let Some(form) = cut_at('&').filter(|form| !form.contains('?')) {
        add(form);
    }
    if text.contains("%20") {
        let bare = text
            .strip_prefix("mailto:")
            .unwrap_or(text)
            .trim_start_matches("%20");
        let end = bare
            .find('@')
            .and_then(|at| bare[at..].find(['?', '&', '%']).map(|place| at + place));
        add(format!("mailto:{}", &bare[..end.unwrap_or(bare.len())]));
    }
}

/// Adds forms of a page's address; gives addresses that stand within it.
fn page_forms(text: &str, redirectors: &[Pattern], add: &mut impl FnMut(String)) -> Vec<String> {
    let mut address = text.replace('\\', "/");
    let lower = address.to_ascii_lowercase();
    for scheme in ["http:", "https:"] {
        if lower.starts_with(scheme) {
            let rest = &address[scheme.len()..];
            let slashes = rest
                .bytes()
                .take(2)
                .take_while(|byte| *byte == b'/')
                .count();
            address = format!("{}//{}", &address[..scheme.len()], &rest[slashes..]);
        }
    }
    address = unescaped(&address);
    let scheme_end = address
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count();
    if scheme_end == 0 || address.as_bytes().get(scheme_end) != Some(&b':') {
        let scheme = if address.starts_with("ftp.") {
            "ftp"
        } else {
            "http"
        };
        address = format!("{scheme}://{address}");
    }
    if let Some(start) = address.find("://").map(|place| place + 3)
        && address[..start].to_ascii_lowercase().starts_with("http")
        && let Some(end) = address[start..]
            .find(['/', '?', '#'])
            .map(|place| start + place)
        && !address[end..].starts_with('/')
        && end > start
    {
        address.insert(end, '/');
    }
    if address != text {
        add(address.clone());
    }
    let Some(parts) = Parts::of(&address) else {
        return Vec::new();
    };
    parts.forms(add);
    parts.inner(redirectors)
}

struct Parts<'a> {
    scheme: &'a str,
    user: bool,
    host: &'a str,
    port: &'a str,
    /// From the port on.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(address: &'a str) -> Option<Self> {
        let start = address.find("://")? + 3;
        let scheme = &address[..start];
        if !scheme.eq_ignore_ascii_case("http://") && !scheme.eq_ignore_ascii_case("https://") {
            return None;
        }
        let behind = &address[start..];
        let authority_end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
        let host_start = behind[..authority_end].find('@').map_or(0, |at| at + 1);
        let host_end = behind[host_start..authority_end]
            .find(':')
            .map_or(authority_end, |at| host_start + at);
        let host = &behind[host_start..host_end];
        let rest = &behind[host_end..];
        let port = rest.strip_prefix(':').map_or("", |port| {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            &port[..digits]
        });
        (!host.is_empty()).then_some(Self {
            scheme,
            user: host_start > 0,
            host,
            port,
            rest,
        })
    }

    fn forms(&self, add: &mut impl FnMut(String)) {
        let Self {
            scheme, host, rest, ..
        } = self;
        let usual = if scheme.len() == 7 { "80" } else { "443" };
        if self.port == usual {
            add(format!("{scheme}{host}{}", &rest[1 + usual.len()..]));
        }
        let mut host = (*host).to_owned();
        if !host.is_ascii() {
            // Names beyond ASCII in the form that is looked up.
            let looked_up = mail::Domain::parse(&host).map(|domain| domain.to_string());
            if let Ok(ascii) = looked_up {
                add(format!("{scheme}{ascii}{rest}"));
                host = ascii;
            }
        }
        if host.contains(|c: char| c <= ' ') {
            host.retain(|c| c > ' ');
            add(format!("{scheme}{host}{rest}"));
        }
        let bare = host.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if bare.len() < host.len() {
            host = bare.to_owned();
            add(format!("{scheme}{host}{rest}"));
        }
        let numbers: Vec<&str> = host.split('.').collect();
        let number = |text: &str| -> Option<u64> {
            match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None if text.len() > 1 && text.starts_with('0') => {
                    u64::from_str_radix(text, 8).ok()
                }
                None => text.parse().ok(),
            }
        };
        let values: Option<Vec<u64>> = numbers.iter().map(|text| number(text)).collect();
        match values.as_deref() {
            Some([a, b, c, d]) => add(format!("{scheme}{a}.{b}.{c}.{d}{rest}")),
            Some([one]) => {
                let [a, b, c, d] = (*one as u32).to_be_bytes();
                add(format!("{scheme}{a}.{b}.{c}.{d}{rest}"));
            }
            _ if scheme.len() == 7 && !self.user && self.port.is_empty() && host != "localhost" => {
                let name = host.strip_prefix("www.").unwrap_or(&host);
                if !name.contains('.') && !name.is_empty() {
                    add(format!("{scheme}www.{name}.com{rest}"));
                }
            }
            _ => {}
        }
    }

    /// Addresses this one leads on to.
    fn inner(&self, redirectors: &[Pattern]) -> Vec<String> {
        let whole = format!("{}{}{}", self.scheme, self.host, self.rest);
        for redirector in redirectors {
            if let Some(inner) = redirector.first_group(whole.as_bytes()) {
                let inner = String::from_utf8_lossy(&inner).into_owned();
                if inner.contains('.') {
                    return vec![inner];
                }
            }
        }
        let lower = self.rest.to_ascii_lowercase();
        let found = ["http:", "https:"]
            .iter()
            .filter_map(|scheme| lower.find(scheme))
            .min();
        found
            .map(|place| &self.rest[place..])
            .map(|inner| {
                inner
                    .split(['&', '#'])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .filter(|inner| inner.contains('.'))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricks_are_undone() {
        let has = |raw: &str, form: &str| {
            let forms = forms(raw, &[]);
            assert!(forms.iter().any(|known| known == form), "{raw}: {forms:?}");
        };
        has("http://%77ww.a.com/", "http://www.a.com/");
        has("http:www.a.com", "http://www.a.com");
        has("http://a.com?x=1", "http://a.com/?x=1");
        has("http://a.com:80/x", "http://a.com/x");
        has("http://0x7f000001/", "http://127.0.0.1/");
        has("http://r.com/?u=http://a.com/&v", "http://a.com/");
        has("http://shop/", "http://www.shop.com/");
        has("mailto:a@b.com?subject=x", "mailto:a@b.com");
        has("http://a.com!!!/", "http://a.com/");
    }
}
