//! What a text asks to be answered by or paid to: telephone numbers, wallets.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Something to call or to pay to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What it is.
    pub kind: ContactKind,
    /// A number in digits, with its `+` when it had one; a wallet as written.
    pub value: String,
}

/// What kind of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactKind {
    /// A telephone number.
    Phone,
    /// A Bitcoin address whose checksum is right.
    Bitcoin,
    /// An Ethereum address.
    Ethereum,
    /// A Tron address whose checksum is right.
    Tron,
    /// A Litecoin address whose checksum is right.
    Litecoin,
    /// A Monero address, by its form.
    Monero,
}

/// Finds contacts in a text, each once, at most `most`.
pub(crate) fn find(text: &str, most: usize, into: &mut Vec<Contact>) {
    let mut add = |kind, value: String| {
        let contact = Contact { kind, value };
        if into.len() < most && !into.contains(&contact) {
            into.push(contact);
        }
    };
    wallets(text, &mut add);
    phones(text, &mut add);
}

fn wallets(text: &str, add: &mut impl FnMut(ContactKind, String)) {
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        if (26..=106).contains(&word.len())
            && let Some(kind) = wallet(word)
        {
            add(kind, word.to_owned());
        }
    }
}

fn wallet(word: &str) -> Option<ContactKind> {
    let bytes = word.as_bytes();
    if word.len() == 42 && word.starts_with("0x") {
        let digits = bytes[2..].iter().all(u8::is_ascii_hexdigit);
        return digits.then_some(ContactKind::Ethereum);
    }
    let lower = word.to_ascii_lowercase();
    if lower.starts_with("bc1") {
        return is_bech32(&lower).then_some(ContactKind::Bitcoin);
    }
    if word.len() == 95
        && matches!(bytes[0], b'4' | b'8')
        && bytes.iter().all(|byte| BASE58.contains(byte))
    {
        return Some(ContactKind::Monero);
    }
    if !(26..=35).contains(&word.len()) {
        return None;
    }
    // Base58Check: version, 20 bytes, 4 bytes of a double SHA-256.
    let decoded = base58(bytes)?;
    let (payload, checksum) = decoded.split_at(21);
    if Sha256::digest(Sha256::digest(payload))[..4] != *checksum {
        return None;
    }
    match payload[0] {
        0 | 5 => Some(ContactKind::Bitcoin),
        0x41 => Some(ContactKind::Tron),
        0x30 | 0x32 => Some(ContactKind::Litecoin),
        _ => None,
    }
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The 25 bytes of a Base58Check address.
fn base58(word: &[u8]) -> Option<[u8; 25]> {
    let mut decoded = [0_u8; 25];
    for byte in word {
        let mut carry = BASE58.iter().position(|known| known == byte)?;
        for place in decoded.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(decoded)
}

/// Is it a native SegWit address with a right checksum (BIP 173, BIP 350)?
fn is_bech32(lower: &str) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    if !(42..=62).contains(&lower.len()) {
        return false;
    }
    let mut check = 1_u32;
    let mut feed = |value: u32| {
        let top = check >> 25;
        check = ((check & 0x1ff_ffff) << 5) ^ value;
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if (top >> bit) & 1 == 1 {
                check ^= generator;
            }
        }
    };
    // The human-readable part "bc", expanded.
    for value in [3, 3, 0, 2, 3] {
        feed(value);
    }
    for byte in &lower.as_bytes()[3..] {
        let Some(value) = LETTERS.iter().position(|known| known == byte) else {
            return false;
        };
        feed(value as u32);
    }
    matches!(check, 1 | 0x2bc8_30a3)
}

/// Numbers written for people abroad (`+49 …`, `0086…`), for North America, and Chinese mobile numbers.
fn phones(text: &str, add: &mut impl FnMut(ContactKind, String)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .iter()
        .position(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'('))
    {
        let start = at + found;
        let (length, number) = run(&bytes[start..]);
        let before = start.checked_sub(1).map(|before| bytes[before]);
        let glued = before.is_some_and(|before| {
            before.is_ascii_alphanumeric()
                || matches!(
                    before,
                    b'.' | b'/' | b'-' | b'=' | b'_' | b'$' | b'#' | b'&' | b'@'
                )
        });
        let after = bytes
            .get(start + length)
            .is_some_and(|after| after.is_ascii_alphanumeric() || matches!(after, b'@' | b'/'));
        if !glued && !after && is_phone(&bytes[start..start + length], &number) {
            add(ContactKind::Phone, number);
        }
        at = start + length.max(1);
    }
}

/// A run of digits and what may stand between them; its length and its digits.
fn run(bytes: &[u8]) -> (usize, String) {
    let mut number = String::new();
    let mut end = 0;
    for (at, byte) in bytes.iter().enumerate().take(30) {
        match byte {
            b'+' if at == 0 => number.push('+'),
            digit if digit.is_ascii_digit() => {
                number.push(char::from(*digit));
                end = at + 1;
            }
            b' ' | b'-' | b'.' | b'(' | b')' => {}
            _ => break,
        }
    }
    (end.max(1), number)
}

fn is_phone(written: &[u8], number: &str) -> bool {
    let digits = number.trim_start_matches('+').len();
    if number.starts_with('+') {
        return (8..=15).contains(&digits);
    }
    if number.starts_with("00") {
        return (10..=17).contains(&digits);
    }
    let set_apart = written
        .iter()
        .any(|byte| matches!(byte, b'-' | b'.' | b'('));
    let north_america = (digits == 10 && set_apart && matches!(number.as_bytes()[0], b'2'..=b'9'))
        || (digits == 11 && set_apart && number.starts_with('1'));
    let groups = written
        .split(|byte| !byte.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(<[u8]>::len);
    let groups: Vec<usize> = groups.collect();
    let grouped = matches!(groups.as_slice(), [3, 3, 4] | [1, 3, 3, 4]);
    let chinese_mobile = digits == 11
        && number.starts_with('1')
        && matches!(number.as_bytes()[1], b'3'..=b'9')
        && !written.contains(&b'.');
    (north_america && grouped) || chinese_mobile
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(ContactKind, String)> {
        let mut contacts = Vec::new();
        find(text, 10, &mut contacts);
        contacts
            .into_iter()
            .map(|contact| (contact.kind, contact.value))
            .collect()
    }

    #[test]
    fn wallets_are_told_by_their_checksums() {
        for (word, kind) in [
            (
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                Some(ContactKind::Bitcoin),
            ),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", None),
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                Some(ContactKind::Bitcoin),
            ),
            (
                "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                Some(ContactKind::Bitcoin),
            ),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", None),
            (
                "0x52908400098527886E0F7030069857D2E4169EE7",
                Some(ContactKind::Ethereum),
            ),
            (
                "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
                Some(ContactKind::Tron),
            ),
            ("abcdefghijkmnopqrstuvwxyzabcdefgh", None),
        ] {
            let wanted: Vec<_> = kind
                .map(|kind| (kind, word.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(found(&format!("send it to {word}, now")), wanted, "{word}");
        }
    }

    #[test]
    fn telephone_numbers_are_told_from_other_numbers() {
        for (text, number) in [
            ("call +49 (30) 123-4567.", Some("+49301234567")),
            ("tel:0086 138 1234 5678", Some("008613812345678")),
            ("call (800) 555-0199 now", Some("8005550199")),
            ("1-800-555-0199", Some("18005550199")),
            ("手机13812345678联系", Some("13812345678")),
            ("order 4711-0815-1234", None),
            ("2026-11-23 10:00:00", None),
            ("$1,000,000.00 and 192.168.100.200", None),
            ("ISBN 978-3-16-148410-0", None),
            ("id=13812345678", None),
        ] {
            let wanted: Vec<_> = number
                .map(|number| (ContactKind::Phone, number.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(found(text), wanted, "{text}");
        }
    }
}
