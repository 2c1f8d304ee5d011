//! Words with the place they stand in.

use mail::authentication::DmarcResult;
use mail::{Authentication, Domain, Skim, SkimField, SkimPart};

use super::grams::ends;
use super::words::{each_link, each_word};
use super::{Features, Marks, Scope};
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
    let mut tokens = Tokens { key, marks };
    tokens.header(fields, skim);
    if let Some(authentication) = authentication.filter(|_| !scope.body_only) {
        tokens.authentication(authentication);
    }
    let header = tokens.marks.len();
    let mut left = BODY_BYTES;
    let mut links = LINKS;
    for part in &skim.parts {
        if part.nested || !scope.body_only {
            tokens.part(part);
        }
        let Some(text) = &part.text else { continue };
        let (first, last) = ends(text, left);
        for text in [first, last] {
            left -= text.len().min(left);
            tokens.words(text);
            tokens.links(text, &mut links);
        }
    }
    marks.take(header)
}

struct Tokens<'t> {
    key: &'t Key,
    marks: &'t mut Marks,
}

impl Tokens<'_> {
    fn add(&mut self, tag: u64, bytes: &[u8]) {
        self.marks.add_hash(self.key.bytes(tag, bytes));
    }

    /// Names, their order, and the words of each field with its name.
    fn header(&mut self, fields: &[SkimField<'_>], skim: &Skim<'_>) {
        let mut before = 0;
        let mut left = HEADER_BYTES;
        for field in fields {
            let mut lower = [0; 40];
            let name = lower_case(field.name, &mut lower);
            let name = self.key.bytes(tag::NAME, name);
            self.marks.add_hash(name);
            self.marks
                .add_hash(self.key.number(tag::ORDER ^ before, name));
            before = name;
            let text = skim.text(field);
            let text = &text[..text.floor_char_boundary(left.min(FIELD_BYTES))];
            left -= text.len();
            let mut last = None;
            each_word(text, |word| {
                let word = self.key.bytes(tag::FIELD ^ name, word);
                self.marks.add_hash(word);
                if let Some(last) = last.replace(word) {
                    self.marks.add_hash(self.key.number(tag::PAIR ^ last, word));
                }
            });
        }
    }

    fn words(&mut self, text: &str) {
        let mut last = None;
        each_word(text, |word| {
            if word.len() < 2 {
                return;
            }
            let word = self.key.bytes(tag::WORD, word);
            self.marks.add_hash(word);
            if let Some(last) = last.replace(word) {
                self.marks.add_hash(self.key.number(tag::PAIR ^ last, word));
            }
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
            self.add(tag::HOST, host.as_bytes());
            self.add(tag::DOMAIN, mail::message::registered(&host).as_bytes());
            self.add(tag::PATH, &shape(path));
            true
        });
    }

    fn part(&mut self, part: &SkimPart) {
        self.add(tag::TYPE, part.content_type.as_bytes());
        if let Some(charset) = &part.charset {
            self.add(tag::CHARSET, charset.as_bytes());
        }
        if let Some(name) = &part.file_name {
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            self.add(tag::ENDING, ending.to_ascii_lowercase().as_bytes());
        }
        if let Some(kind) = part.real_type {
            self.add(tag::REAL_TYPE, kind.as_bytes());
        }
    }

    fn authentication(&mut self, found: &Authentication) {
        let spf = found.spf.as_ref().map(|spf| spf.result.as_str());
        let dmarc = (found.dmarc.result != DmarcResult::None).then(|| found.dmarc.result.as_str());
        for (what, result) in [("spf", spf), ("dmarc", dmarc)] {
            if let Some(result) = result {
                self.add(tag::AUTHENTIC, format!("{what}={result}").as_bytes());
            }
        }
        for domain in signers(found).take(5) {
            self.add(tag::AUTHENTIC, format!("dkim={domain}").as_bytes());
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
