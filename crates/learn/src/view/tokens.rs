//! Words with the place they stand in.

use mail::authentication::DmarcResult;
use mail::{Authentication, Domain, Skim, SkimField, SkimPart};

use super::grams::ends;
use super::words::{each_link, each_word};
use super::{Features, Marks, Named, Scope};
use crate::Key;

/// Bytes of a header field's value looked at, and of all of them.
const FIELD_BYTES: usize = 1000;
const HEADER_BYTES: usize = 6000;
/// Bytes of the body looked at.
const BODY_BYTES: usize = 5000;
/// Links looked at.
const LINKS: usize = 50;

/// What kind of thing a token is; the first part of its hash.
mod tag {
    pub(super) const NAME: u64 = 1;
    pub(super) const ORDER: u64 = 2;
    pub(super) const FIELD: u64 = 3;
    pub(super) const WORD: u64 = 4;
    pub(super) const PAIR: u64 = 5;
    pub(super) const HOST: u64 = 6;
    pub(super) const DOMAIN: u64 = 7;
    pub(super) const PATH: u64 = 8;
    pub(super) const TYPE: u64 = 9;
    pub(super) const ENDING: u64 = 10;
    pub(super) const REAL_TYPE: u64 = 11;
    pub(super) const CHARSET: u64 = 12;
    pub(super) const AUTHENTIC: u64 = 13;
}

pub(super) fn see(
    key: &Key,
    scope: &Scope,
    fields: &[SkimField<'_>],
    skim: &Skim<'_>,
    authentication: Option<&Authentication>,
    marks: &mut Marks,
) -> Features {
    let mut tokens = Tokens {
        key,
        marks,
        names: None,
    };
    let header = tokens.all(scope, fields, skim, authentication);
    marks.take(header)
}

/// The same features, each with what it was.
pub(super) fn named(
    key: &Key,
    scope: &Scope,
    fields: &[SkimField<'_>],
    skim: &Skim<'_>,
    authentication: Option<&Authentication>,
    marks: &mut Marks,
) -> Vec<Named> {
    let mut tokens = Tokens {
        key,
        marks,
        names: Some(Names::default()),
    };
    tokens.all(scope, fields, skim, authentication);
    let names = tokens.names.take();
    let ids = marks.take(0).ids;
    let named = names.into_iter().flat_map(|names| names.found);
    ids.into_iter()
        .zip(named)
        .map(|(id, (name, field))| Named { id, name, field })
        .collect()
}

/// What features were, in the order of their numbers.
#[derive(Default)]
struct Names {
    found: Vec<(String, Option<String>)>,
    /// The field that is read.
    field: Option<String>,
    /// The word before.
    last: String,
}

struct Tokens<'t> {
    key: &'t Key,
    marks: &'t mut Marks,
    names: Option<Names>,
}

impl Tokens<'_> {
    /// Everything; how many features are of the header.
    fn all(
        &mut self,
        scope: &Scope,
        fields: &[SkimField<'_>],
        skim: &Skim<'_>,
        authentication: Option<&Authentication>,
    ) -> usize {
        self.header(fields, skim);
        if let Some(authentication) = authentication.filter(|_| !scope.body_only) {
            self.authentication(authentication);
        }
        let header = self.marks.len();
        let mut left = BODY_BYTES;
        let mut links = LINKS;
        for part in &skim.parts {
            if part.nested || !scope.body_only {
                self.part(part);
            }
            let Some(text) = &part.text else { continue };
            let (first, last) = ends(text, left);
            for text in [first, last] {
                left -= text.len().min(left);
                self.words(text);
                self.links(text, &mut links);
            }
        }
        header
    }

    /// Marks a feature; where names are wanted, this is one.
    #[inline]
    fn mark(&mut self, hash: u64, name: impl FnOnce(&Names) -> String) {
        let before = self.marks.len();
        self.marks.add_hash(hash);
        if let Some(names) = &mut self.names
            && self.marks.len() > before
        {
            names.found.push((name(names), names.field.clone()));
        }
    }

    fn add(&mut self, tag: u64, what: &str, bytes: &[u8]) {
        let hash = self.key.bytes(tag, bytes);
        self.mark(hash, |_| {
            format!("{what} {}", String::from_utf8_lossy(bytes))
        });
    }

    /// Marks a word, and the pair of it with the one before.
    #[inline]
    fn word(&mut self, hash: u64, word: &[u8], last: &mut Option<u64>) {
        self.mark(hash, |_| String::from_utf8_lossy(word).into_owned());
        if let Some(last) = last.replace(hash) {
            let pair = self.key.number(tag::PAIR ^ last, hash);
            self.mark(pair, |names| {
                format!("{} {}", names.last, String::from_utf8_lossy(word))
            });
        }
        if let Some(names) = &mut self.names {
            names.last = String::from_utf8_lossy(word).into_owned();
        }
    }

    fn in_field(&mut self, name: Option<&[u8]>) {
        if let Some(names) = &mut self.names {
            names.field = name.map(|name| String::from_utf8_lossy(name).into_owned());
        }
    }

    /// Names, their order, and the words of each field with its name.
    fn header(&mut self, fields: &[SkimField<'_>], skim: &Skim<'_>) {
        let mut before = 0;
        let mut left = HEADER_BYTES;
        for field in fields {
            let mut lower = [0; 40];
            let written = lower_case(field.name, &mut lower);
            self.in_field(Some(written));
            let name = self.key.bytes(tag::NAME, written);
            self.mark(name, |_| "the field itself".to_owned());
            let order = self.key.number(tag::ORDER ^ before, name);
            self.mark(order, |_| "the place of the field".to_owned());
            before = name;
            let text = skim.text(field);
            let text = &text[..text.floor_char_boundary(left.min(FIELD_BYTES))];
            left -= text.len();
            let mut last = None;
            each_word(text, |word| {
                let hash = self.key.bytes(tag::FIELD ^ name, word);
                self.word(hash, word, &mut last);
            });
        }
        self.in_field(None);
    }

    fn words(&mut self, text: &str) {
        let mut last = None;
        each_word(text, |word| {
            if word.len() < 2 {
                return;
            }
            let hash = self.key.bytes(tag::WORD, word);
            self.word(hash, word, &mut last);
        });
    }

    fn links(&mut self, text: &str, left: &mut usize) {
        each_link(text, |link| {
            let Some(less) = left.checked_sub(1) else {
                return false;
            };
            *left = less;
            let (host, path) = link.split_at(link.find('/').unwrap_or(link.len()));
            let host = host.to_ascii_lowercase();
            self.add(tag::HOST, "link to", host.as_bytes());
            self.add(
                tag::DOMAIN,
                "links to",
                mail::message::registered(&host).as_bytes(),
            );
            self.add(tag::PATH, "path like", &shape(path));
            true
        });
    }

    fn part(&mut self, part: &SkimPart) {
        self.add(tag::TYPE, "part of type", part.content_type.as_bytes());
        if let Some(charset) = &part.charset {
            self.add(tag::CHARSET, "charset", charset.as_bytes());
        }
        if let Some(name) = &part.file_name {
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            self.add(
                tag::ENDING,
                "file ending in",
                ending.to_ascii_lowercase().as_bytes(),
            );
        }
        if let Some(kind) = part.real_type {
            self.add(tag::REAL_TYPE, "really", kind.as_bytes());
        }
    }

    fn authentication(&mut self, found: &Authentication) {
        let spf = found.spf.as_ref().map(|spf| spf.result.as_str());
        let dmarc = (found.dmarc.result != DmarcResult::None).then(|| found.dmarc.result.as_str());
        for (what, result) in [("spf", spf), ("dmarc", dmarc)] {
            if let Some(result) = result {
                self.add(
                    tag::AUTHENTIC,
                    "verified",
                    format!("{what}={result}").as_bytes(),
                );
            }
        }
        for domain in signers(found).take(5) {
            self.add(
                tag::AUTHENTIC,
                "verified",
                format!("dkim={domain}").as_bytes(),
            );
        }
    }
}

/// Domains whose signatures hold.
pub(super) fn signers(found: &Authentication) -> impl Iterator<Item = &Domain> {
    found
        .passing()
        .filter_map(|signature| signature.domain.as_ref())
}

/// Letters become `a`, digits `0`, runs are shortened: `/track/8f31/x.php` is `/a/0a0/a.a`.
fn shape(path: &str) -> Vec<u8> {
    let mut shape: Vec<u8> = Vec::new();
    for byte in path.bytes().take(200) {
        let class = match byte {
            b if b.is_ascii_digit() => b'0',
            b if b.is_ascii_alphabetic() || b >= 0x80 => b'a',
            b => b,
        };
        if shape.last() != Some(&class) {
            shape.push(class);
        }
    }
    shape
}

fn lower_case<'b>(name: &[u8], buffer: &'b mut [u8; 40]) -> &'b [u8] {
    let length = name.len().min(buffer.len());
    buffer[..length].copy_from_slice(&name[..length]);
    buffer[..length].make_ascii_lowercase();
    &buffer[..length]
}
