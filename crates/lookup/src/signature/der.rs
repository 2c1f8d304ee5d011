//! As much of DER (X.690) as RSA public keys need.

/// Modulus and exponent of an RSA public key: `SubjectPublicKeyInfo` (RFC 5280 §4.1), as everybody publishes it, or the
/// bare `RSAPublicKey` (RFC 8017 §A.1.1), as RFC 6376 words it. Both big-endian without leading zeros.
pub(super) fn rsa_public_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (outer, _) = element(SEQUENCE, bytes)?;
    if outer.first() == Some(&INTEGER) {
        return modulus_and_exponent(outer);
    }
    let (_algorithm, rest) = element(SEQUENCE, outer)?;
    let (bit_string, _) = element(BIT_STRING, rest)?;
    let (unused_bits, key) = bit_string.split_first()?;
    let (inner, _) = element(SEQUENCE, key)?;
    (*unused_bits == 0)
        .then(|| modulus_and_exponent(inner))
        .flatten()
}

fn modulus_and_exponent(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (modulus, rest) = element(INTEGER, bytes)?;
    let (exponent, _) = element(INTEGER, rest)?;
    let bare = |number: &'_ [u8]| number.iter().position(|byte| *byte != 0);
    Some((&modulus[bare(modulus)?..], &exponent[bare(exponent)?..]))
}

/// How many bits a number without leading zeros has.
pub(super) fn bits(number: &[u8]) -> u32 {
    number
        .first()
        .map_or(0, |first| number.len() as u32 * 8 - first.leading_zeros())
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// One element of the wanted kind at the start: its content, and what follows it.
fn element(wanted: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (*kind == wanted && length <= rest.len()).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_both_wrappings() {
        let bare = [0x30, 0x08, 0x02, 0x03, 0x00, 0xc5, 0x01, 0x02, 0x01, 0x03];
        assert_eq!(
            rsa_public_key(&bare),
            Some((&[0xc5, 0x01][..], &[0x03][..]))
        );
        assert_eq!(bits(&[0xc5, 0x01]), 16);
        assert_eq!(bits(&[0x01, 0x00]), 9);
        let mut wrapped = vec![0x30, 15, 0x30, 0x00, 0x03, 11, 0x00];
        wrapped.extend(bare);
        assert_eq!(rsa_public_key(&wrapped), rsa_public_key(&bare));
        for length in 0..wrapped.len() {
            assert_eq!(rsa_public_key(&wrapped[..length]), None);
        }
    }
}
