//! Of pictures: how many, how large, by what their first bytes say.

use super::{Answer, Arguments, Context, yes};

/// Pictures of one kind.
#[derive(Debug, Default)]
struct Kind {
    count: f64,
    pixels: f64,
    /// Height and width of each.
    sizes: Vec<(f64, f64)>,
}

/// Pictures by kind: all, GIF, PNG, JPEG.
#[derive(Debug, Default)]
pub(super) struct Images {
    all: Kind,
    gif: Kind,
    png: Kind,
    jpeg: Kind,
    names: Vec<String>,
}

impl Images {
    fn kind(&self, name: &str) -> Option<&Kind> {
        match name {
            "all" => Some(&self.all),
            "gif" => Some(&self.gif),
            "png" => Some(&self.png),
            "jpeg" => Some(&self.jpeg),
            _ => None,
        }
    }
}

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "image_count" => |context, arguments| {
            yes(kind(context, arguments).is_some_and(|kind| between(arguments, 1, kind.count)))
        },
        "pixel_coverage" => |context, arguments| {
            yes(kind(context, arguments).is_some_and(|kind| between(arguments, 1, kind.pixels)))
        },
        "image_to_text_ratio" => |context, arguments| {
            let text: usize = context
                .view
                .raw_body
                .iter()
                .map(|piece| piece.bytes.len())
                .sum();
            let pixels = kind(context, arguments).map_or(0.0, |kind| kind.pixels);
            let ratio = text as f64 / pixels;
            let below = arguments.bound(2).is_none_or(|max| ratio < max);
            yes(text > 0 && pixels > 0.0 && ratio >= arguments.number(1) && below)
        },
        "image_size_exact" => |context, arguments| {
            let wanted = (arguments.number(1), arguments.number(2));
            yes(kind(context, arguments).is_some_and(|kind| kind.sizes.contains(&wanted)))
        },
        "image_size_range" => |context, arguments| {
            let most = |at: usize, number: f64| arguments.bound(at).is_none_or(|max| number <= max);
            let fits = |(height, width): &(f64, f64)| {
                *height >= arguments.number(1)
                    && *width >= arguments.number(2)
                    && most(3, *height)
                    && most(4, *width)
            };
            yes(kind(context, arguments).is_some_and(|kind| kind.sizes.iter().any(fits)))
        },
        "image_named" => |context, arguments| {
            yes(images(context)
                .names
                .iter()
                .any(|name| name == arguments.text(0)))
        },
        "image_name_regex" => |context, arguments| {
            let is_so = |name: &String| {
                arguments.pattern.as_ref().is_some_and(|pattern| {
                    pattern.is_match(&crate::pattern::Text::new(name.clone().into_bytes()))
                })
            };
            yes(images(context).names.iter().any(is_so))
        },
        _ => return None,
    })
}

fn kind<'c>(context: &'c Context<'_>, arguments: &Arguments) -> Option<&'c Kind> {
    images(context).kind(arguments.text(0))
}

fn between(arguments: &Arguments, at: usize, number: f64) -> bool {
    number >= arguments.number(at) && arguments.bound(at + 1).is_none_or(|max| number <= max)
}

fn images<'c>(context: &'c Context<'_>) -> &'c Images {
    context.images.get_or_init(|| {
        let mut images = Images::default();
        for part in context.view.mime.leaves() {
            let encoding = part
                .headers
                .last("content-transfer-encoding")
                .unwrap_or_default();
            let (kind, size) = match part.kind.as_str() {
                "image/gif" => (&mut images.gif, gif(&part.decoded)),
                "image/png" => (&mut images.png, png(&part.decoded)),
                "image/jpeg" | "image/jpg" => (&mut images.jpeg, jpeg(&part.decoded)),
                _ => continue,
            };
            if !encoding.trim().eq_ignore_ascii_case("base64") {
                continue;
            }
            for kind in [kind, &mut images.all] {
                kind.count += 1.0;
                if let Some((height, width)) = size.filter(|(height, width)| height * width > 0.0) {
                    kind.pixels += height * width;
                    kind.sizes.push((height, width));
                }
            }
            if size.is_some() {
                images.names.extend(part.name.clone());
            }
        }
        images
    })
}

fn number(bytes: &[u8]) -> f64 {
    bytes
        .iter()
        .fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

fn gif(bytes: &[u8]) -> Option<(f64, f64)> {
    let sizes = bytes
        .strip_prefix(b"GIF87a")
        .or_else(|| bytes.strip_prefix(b"GIF89a"))?
        .get(..4)?;
    let little = |low: usize| f64::from(u16::from_le_bytes([sizes[low], sizes[low + 1]]));
    Some((little(2), little(0)))
}

fn png(bytes: &[u8]) -> Option<(f64, f64)> {
    let head = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(..16)?;
    (head.starts_with(b"\0\0\0\rIHDR")).then(|| (number(&head[12..16]), number(&head[8..12])))
}

fn jpeg(bytes: &[u8]) -> Option<(f64, f64)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let head = rest.get(..4)?;
        let (mark, length) = (head[1], usize::from(u16::from_be_bytes([head[2], head[3]])));
        if head[0] != 0xff || matches!(mark, 0xda | 0xd9) || length < 2 {
            return None;
        }
        if matches!(mark, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            let frame = rest.get(4..9)?;
            return Some((number(&frame[1..3]), number(&frame[3..5])));
        }
        rest = rest.get(2 + length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(gif(b"GIF89a\x10\x00\x20\x01xxx"), Some((288.0, 16.0)));
        assert_eq!(
            png(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x02xxxx"),
            Some((2.0, 256.0))
        );
        assert_eq!(
            jpeg(b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x10\0\x20\x03"),
            Some((16.0, 32.0))
        );
        for broken in [
            &b"GIF89a"[..],
            b"\x89PNG",
            b"\xff\xd8\xff\xe0\0",
            b"\xff\xd8\xff\xe0\0\0",
            b"",
        ] {
            assert_eq!((gif(broken), png(broken), jpeg(broken)), (None, None, None));
        }
    }
}
