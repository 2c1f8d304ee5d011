//! Pictures: codes that lead somewhere.

use std::io::Cursor;

use image::{ImageReader, Limits};
use mail::message::Finding;

use crate::walk::{Seen, Walk};

/// Codes read of one picture.
const CODES_MAX: usize = 8;
/// Smaller than this on a side there is room for no code.
const SIDE_MIN: u32 = 21;

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], seen: &mut Seen) {
    let size = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok()
        .and_then(|reader| reader.into_dimensions().ok());
    let Some((width, height)) = size else {
        return; // a format whose reader is not built in, or a broken picture: nobody sees a code there either
    };
    if width.min(height) < SIDE_MIN {
        return;
    }
    if u64::from(width) * u64::from(height) > walk.limits.picture_pixels_max {
        seen.found(Finding::TooLarge);
        return;
    }
    let Ok(mut reader) = ImageReader::new(Cursor::new(bytes)).with_guessed_format() else {
        return;
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(walk.limits.picture_pixels_max * 8);
    reader.limits(limits);
    let Ok(picture) = reader.decode() else {
        return;
    };
    let grey = picture.to_luma8();
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        grey.get_pixel(x as u32, y as u32).0[0]
    });
    for grid in prepared.detect_grids().into_iter().take(CODES_MAX) {
        if let Ok((_, text)) = grid.decode() {
            let start = text
                .trim_start()
                .get(..8)
                .unwrap_or_default()
                .to_ascii_lowercase();
            if start.starts_with("http") || start.starts_with("www.") {
                seen.found(Finding::QrCode);
                walk.link(text.trim());
            }
            seen.add_text(&text);
            seen.add_text("\n");
        }
    }
}
