//! Signing for our own domains: keys, DKIM signatures on what goes out, ARC seals on what is passed on.
//!
//! Time is an argument. Keys are made by the operating system's randomness, which is the point of them.

mod arc;
mod dkim;
mod keys;

pub use arc::{ArcSigner, Seal};
pub use dkim::{DkimSigner, Unsigned};
pub use keys::{BadKey, KeyKind, NewKey, SigningKey, check_record, published};

use data_encoding::BASE64;

/// Longest line of a folded value (RFC 5322 §2.1.1 asks for 78).
const LINE_CHARS: usize = 72;

/// Base64 in lines that fit into a header field.
fn folded_base64(bytes: &[u8]) -> String {
    let text = BASE64.encode(bytes);
    // Base64 is ASCII: every cut falls between characters.
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(LINE_CHARS)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    lines.join("\r\n\t ")
}

/// Names between colons in lines that fit into a header field.
fn folded_names(names: &[String]) -> String {
    let mut out = String::new();
    let mut line = 0;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(':');
            line += 1;
        }
        if line + name.len() > LINE_CHARS {
            out.push_str("\r\n\t ");
            line = 0;
        }
        out.push_str(name);
        line += name.len();
    }
    out
}
