//! Character references: `&amp;`, `&#65;`, `&#x41`, `&nbsp` (WHATWG §13.2.5.72).

use std::borrow::Cow;

use markup5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};
use memchr::memchr;

/// Text with its character references replaced.
pub fn decoded(text: &str) -> Cow<'_, str> {
    replaced(text, false)
}

/// The value of an attribute with its character references replaced: `?a=1&copy=2` is left alone there.
pub fn decoded_value(text: &str) -> Cow<'_, str> {
    replaced(text, true)
}

fn replaced(text: &str, is_value: bool) -> Cow<'_, str> {
    let Some(first) = memchr(b'&', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix('&') {
        let taken = match after.as_bytes().first() {
            Some(b'#') => numeric(&after[1..], &mut out).map(|taken| taken + 1),
            Some(first) if first.is_ascii_alphanumeric() => named(after, is_value, &mut out),
            _ => None,
        };
        rest = match taken {
            Some(taken) => &after[taken..],
            None => {
                out.push('&');
                after
            }
        };
        let next = memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// How many bytes of `after` (what follows `&#`) a number takes.
fn numeric(after: &str, out: &mut String) -> Option<usize> {
    let (prefix, base) = match after.as_bytes().first() {
        Some(b'x' | b'X') => (1, 16),
        _ => (0, 10),
    };
    let digits = after[prefix..]
        .bytes()
        .take_while(|byte| char::from(*byte).is_digit(base))
        .count();
    if digits == 0 {
        return None;
    }
    let written = after[prefix..prefix + digits].trim_start_matches('0');
    let code = match written {
        "" => 0,
        // Longer than any character's number; parsing it would overflow.
        long if long.len() > 8 => u32::MAX,
        short => u32::from_str_radix(short, base).unwrap_or(u32::MAX),
    };
    out.push(match code {
        0x80..=0x9f => C1_REPLACEMENTS[(code - 0x80) as usize]
            .or_else(|| char::from_u32(code))
            .unwrap_or('\u{fffd}'),
        0 => '\u{fffd}',
        code => char::from_u32(code).unwrap_or('\u{fffd}'),
    });
    let end = prefix + digits;
    Some(end + usize::from(after[end..].starts_with(';')))
}

/// How many bytes of `after` (what follows `&`) the longest known name takes.
fn named(after: &str, is_value: bool, out: &mut String) -> Option<usize> {
    let mut best = None;
    let mut end = 0;
    for c in after.chars().take(40) {
        end += c.len_utf8();
        // The table holds every prefix of a name, with nothing as its value.
        match NAMED_ENTITIES.get(&after[..end]) {
            Some((0, _)) => {}
            Some(found) => best = Some((end, *found)),
            None => break,
        }
    }
    let (end, (first, second)) = best?;
    let next = after.as_bytes().get(end);
    let goes_on = next.is_some_and(|next| *next == b'=' || next.is_ascii_alphanumeric());
    if is_value && !after[..end].ends_with(';') && goes_on {
        return None;
    }
    out.extend(char::from_u32(first));
    if second != 0 {
        out.extend(char::from_u32(second));
    }
    Some(end)
}
