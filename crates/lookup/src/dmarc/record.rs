//! The grammar of DMARC policy records (RFC 9989 §4.7, §4.8).

use mail::authentication::{Disposition, Psd};

use crate::signature::tags::{Tags, is_space};

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub for_domain: Disposition,
    pub for_subdomains: Option<Disposition>,
    pub for_nonexistent: Option<Disposition>,
    pub testing: bool,
    pub strict_spf: bool,
    pub strict_dkim: bool,
    pub psd: Psd,
    pub aggregate_to: Vec<String>,
    pub failures_to: Vec<String>,
    pub failure_options: Vec<String>,
}

/// Why a record is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `p`, `sp` or `np` has a value that is none, and nobody to report to.
    #[error(
        "asks for something that is neither none, quarantine nor reject, and names nobody to report to"
    )]
    Disposition,
}

/// Is this text a DMARC record: does it start with the version, spelled so?
pub(super) fn is_dmarc(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let first = text.split(';').next().unwrap_or_default();
    first.split_once('=').is_some_and(|(name, value)| {
        name.trim_matches(is_space) == "v" && value.trim_matches(is_space) == "DMARC1"
    })
}

/// Is this text a DMARC record without a fault? `None` when it is no DMARC record at all.
pub fn check_syntax(text: &[u8]) -> Option<Result<(), Fault>> {
    is_dmarc(text).then(|| Record::read(&String::from_utf8_lossy(text)).map(drop))
}

impl Record {
    /// Reads a text that starts with the version. Unknown tags are passed over, and so is a value that makes no sense
    /// where there is a default, except for what is asked (RFC 9989 §4.10.1): there, who names somebody to report to is taken
    /// to ask nothing, and who does not has no policy.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let tags = Tags::read_what_can_be(text);
        let flag = |name: &str, wanted: &str| {
            tags.get(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        let addresses = |name: &str| -> Vec<String> {
            let list = tags.get(name).into_iter().flat_map(|list| list.split(','));
            list.filter_map(address).collect()
        };
        let asked = || -> Result<[Option<Disposition>; 3], Fault> {
            Ok([
                disposition(&tags, "p")?,
                disposition(&tags, "sp")?,
                disposition(&tags, "np")?,
            ])
        };
        let aggregate_to = addresses("rua");
        let [for_domain, for_subdomains, for_nonexistent] = match asked() {
            Err(_) if !aggregate_to.is_empty() => [Some(Disposition::None), None, None],
            asked => asked?,
        };
        Ok(Self {
            for_domain: for_domain.unwrap_or_default(),
            for_subdomains,
            for_nonexistent,
            testing: flag("t", "y"),
            strict_spf: flag("aspf", "s"),
            strict_dkim: flag("adkim", "s"),
            psd: match tags.get("psd").map(str::to_ascii_lowercase).as_deref() {
                Some("y") => Psd::Yes,
                Some("n") => Psd::No,
                _ => Psd::Unsaid,
            },
            aggregate_to,
            failures_to: addresses("ruf"),
            failure_options: tags
                .words("fo")
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// What a tag asks, when it is there.
fn disposition(tags: &Tags<'_>, name: &str) -> Result<Option<Disposition>, Fault> {
    let Some(value) = tags.get(name) else {
        return Ok(None);
    };
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(Some(Disposition::None)),
        "quarantine" => Ok(Some(Disposition::Quarantine)),
        "reject" => Ok(Some(Disposition::Reject)),
        _ => Err(Fault::Disposition),
    }
}

/// A `mailto:` URI, without the size some still write behind it (RFC 9989 §4.8 asks to ignore it).
fn address(uri: &str) -> Option<String> {
    let uri = uri.trim_matches(is_space);
    let bare = uri.split('!').next().unwrap_or(uri);
    let (scheme, rest) = bare.split_once(':')?;
    let valid =
        scheme.eq_ignore_ascii_case("mailto") && rest.contains('@') && !rest.contains(is_space);
    // With the largest size it takes, which whoever sends reports must know.
    valid.then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_owners_write_them() {
        let read = |text: &str| Record::read(text).expect("a record");
        let full = read(
            "v=DMARC1 ; p=Reject; sp=quarantine;adkim=s; aspf=R; t=y; psd=n; \
             rua=mailto:a@example.org!10m, mailto:b@example.net,https://x; ruf=mailto:c@example.org; fo=1:d; pct=50",
        );
        assert_eq!(full.for_domain, Disposition::Reject);
        assert_eq!(full.for_subdomains, Some(Disposition::Quarantine));
        assert!(full.testing && full.strict_dkim && !full.strict_spf);
        assert_eq!(
            full.aggregate_to,
            ["mailto:a@example.org!10m", "mailto:b@example.net"]
        );
        assert_eq!(full.failure_options, ["1", "d"]);
        assert_eq!(full.psd, Psd::No);
        assert_eq!(read("v=DMARC1").for_domain, Disposition::None);
        assert_eq!(
            read("v=DMARC1; p=bogus; rua=mailto:a@b.c").for_domain,
            Disposition::None
        );
        assert_eq!(
            Record::read("v=DMARC1; p=reject; sp=bogus"),
            Err(Fault::Disposition)
        );
    }

    #[test]
    fn what_is_a_record() {
        for yes in ["v=DMARC1", "v=DMARC1;p=none", " v = DMARC1 ; p=none"] {
            assert!(is_dmarc(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "v=DMARC",
            "v=DMARC10",
            "v=dmarc1; p=none",
            "p=none; v=DMARC1",
            "V=DMARC1",
            "v=spf1 -all",
        ] {
            assert!(!is_dmarc(no.as_bytes()), "{no}");
        }
    }
}
