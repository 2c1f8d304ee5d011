//! From bytes of some charset to text, whatever the label says.
//!
//! Labels lie in three ways that matter: `gb2312` where the text is GB18030, nothing or `us-ascii` where it is
//! 8-bit, and names that do not exist. The label is believed when the bytes fit it; otherwise UTF-8 when
//! they fit that, otherwise the best guess of `chardetng`.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, UTF_8};

use super::Oddity;

/// Bytes looked at for a guess.
const GUESS_BYTES: usize = 16 << 10;

/// Text of `bytes` labelled `label`, and what was odd about the label.
pub(super) fn decode(label: Option<&str>, bytes: &[u8]) -> (String, Option<Oddity>) {
    let Some(label) = label.map(str::trim).filter(|label| !label.is_empty()) else {
        return unlabelled(bytes);
    };
    let Some(encoding) = encoding(label) else {
        if let Some(decoder) =
            mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes())
        {
            return (decoder(bytes), None); // UTF-7 and others that browsers do not know
        }
        return (unlabelled(bytes).0, Some(Oddity::UnknownCharset));
    };
    if is_western(encoding) && mostly_high(bytes) {
        // A western label on text with hardly an ASCII letter: Chinese and Russian mail does that.
        let guessed = guess(bytes);
        if !is_western(guessed) {
            return (
                guessed.decode(bytes).0.into_owned(),
                Some(Oddity::WrongCharset),
            );
        }
    }
    let (text, broken) = encoding.decode_with_bom_removal(bytes);
    if !broken {
        return (text.into_owned(), None);
    }
    if encoding != UTF_8
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return (text.to_owned(), Some(Oddity::WrongCharset));
    }
    // One bad byte in a long text (a mailer that cut a character in two) does not make the label wrong.
    let bad = text.chars().filter(|c| *c == '\u{fffd}').count();
    if bad * 50 < text.chars().count() {
        return (text.into_owned(), Some(Oddity::WrongCharset));
    }
    (
        guess(bytes).decode(bytes).0.into_owned(),
        Some(Oddity::WrongCharset),
    )
}

/// What 8-bit bytes without a label of their own most likely are in one message.
///
/// A subject is too short for a good guess, so the rest of the message helps: the first charset it names, else a
/// guess over header and body together.
pub(super) struct Hint {
    encoding: Option<&'static Encoding>,
}

impl Hint {
    /// For a message; costs nothing when its header is UTF-8.
    pub(super) fn of(raw: &[u8], header_bytes: usize) -> Self {
        if std::str::from_utf8(&raw[..header_bytes]).is_ok() {
            return Self { encoding: None };
        }
        let start = &raw[..raw.len().min(4 * GUESS_BYTES)];
        Self {
            encoding: Some(labelled(start).unwrap_or_else(|| guess(start))),
        }
    }

    /// A header's bytes as UTF-8 text: borrowed when they are that already.
    pub(super) fn text<'b>(&self, bytes: &'b [u8]) -> Cow<'b, str> {
        match (std::str::from_utf8(bytes), self.encoding) {
            (Ok(text), _) => Cow::Borrowed(text),
            (Err(_), Some(encoding)) => {
                Cow::Owned(encoding.decode_without_bom_handling(bytes).0.into_owned())
            }
            (Err(_), None) => Cow::Owned(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// The first charset a message names that could hold 8-bit header text.
fn labelled(start: &[u8]) -> Option<&'static Encoding> {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&start[at..], b"charset=") {
        at += found + b"charset=".len();
        let label: Vec<u8> = start[at..]
            .iter()
            .copied()
            .skip_while(|byte| *byte == b'"')
            .take_while(|byte| byte.is_ascii_graphic() && !b"\";".contains(byte))
            .take(60)
            .collect();
        let known = encoding(&String::from_utf8_lossy(&label));
        if let Some(known) = known.filter(|known| *known != UTF_8 && !is_western(known)) {
            return Some(known);
        }
    }
    None
}

fn unlabelled(bytes: &[u8]) -> (String, Option<Oddity>) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (
            encoding
                .decode_without_bom_handling(&bytes[mark..])
                .0
                .into_owned(),
            None,
        );
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            guess(bytes).decode(bytes).0.into_owned(),
            Some(Oddity::WrongCharset),
        ),
    }
}

/// The encoding a label means. GB18030 holds all of GB2312 and GBK, and mailers write the smaller name.
fn encoding(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    Some(if encoding == encoding_rs::GBK {
        GB18030
    } else {
        encoding
    })
}

fn is_western(encoding: &'static Encoding) -> bool {
    [encoding_rs::WINDOWS_1252, encoding_rs::ISO_8859_15].contains(&encoding)
}

fn mostly_high(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(GUESS_BYTES)];
    let high = sample.iter().filter(|byte| **byte >= 0x80).count();
    let letters = sample
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    high > 4 && high > letters
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let sample = &bytes[..bytes.len().min(GUESS_BYTES)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, true);
    let guessed = detector.guess(None, Utf8Detection::Allow);
    if guessed == encoding_rs::GBK {
        GB18030
    } else {
        guessed
    }
}
