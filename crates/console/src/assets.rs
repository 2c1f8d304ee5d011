//! Style, scripts and the mark, embedded. Their address holds a digest, so that browsers may keep them for ever.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::Shared;

/// Name, type, content.
const FILES: [(&str, &str, &str); 3] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../assets/style.css"),
    ),
    (
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/console.js"),
    ),
    (
        "mark.svg",
        "image/svg+xml",
        include_str!("../assets/mark.svg"),
    ),
];

static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, content) in FILES {
        hash.update(content);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..6])
});

/// What an address of this program's assets begins with.
pub(crate) fn base() -> String {
    format!("/assets/{}", *DIGEST)
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/assets/{digest}/{name}", get(one))
}

async fn one(Path((_, name)): Path<(String, String)>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => (
            [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            *content,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    const STYLE: &str = include_str!("../assets/style.css");

    /// The colours that a block of the stylesheet names.
    fn colours(block: &str) -> HashMap<&str, [f64; 3]> {
        let mut colours = HashMap::new();
        for named in block.split(';') {
            let Some((name, value)) = named.split_once(": #") else {
                continue;
            };
            let name = name.rsplit("--").next().unwrap_or_default();
            let digits = value.trim();
            let part = |at: usize| {
                let byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
                Some(f64::from(byte) / 255.0)
            };
            if let (Some(red), Some(green), Some(blue)) = (part(0), part(2), part(4)) {
                colours.insert(name, [red, green, blue]);
            }
        }
        colours
    }

    /// Contrast of two colours (WCAG 2.2, relative luminance).
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let [red, green, blue] = colour.map(|part| {
                if part <= 0.040_45 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_stands_out_from_its_ground_in_the_light_and_in_the_dark() {
        let light = STYLE
            .split("@media (prefers-color-scheme: dark)")
            .next()
            .unwrap_or_default();
        let dark = STYLE
            .split(":root[data-theme=\"dark\"]")
            .nth(1)
            .unwrap_or_default();
        for (theme, block) in [
            ("light", light),
            ("dark", dark.split('}').next().unwrap_or_default()),
        ] {
            let colours = colours(block);
            for (text, ground) in [
                ("ink", "ground"),
                ("ink", "surface"),
                ("ink", "sunk"),
                ("quiet", "ground"),
                ("quiet", "surface"),
                ("quiet", "sunk"),
                ("accent", "ground"),
                ("accent", "surface"),
                ("accent", "accent-soft"),
                ("accent", "sunk"),
                ("accent-ink", "accent"),
                ("good", "good-soft"),
                ("good", "surface"),
                ("warn", "warn-soft"),
                ("bad", "bad-soft"),
                ("bad", "surface"),
                ("ink", "bad-soft"),
                ("ink", "good-soft"),
                ("mark-ink", "mark"),
                ("surface", "bad"),
            ] {
                let ratio = contrast(colours[text], colours[ground]);
                assert!(ratio >= 4.5, "{theme}: {text} on {ground} has {ratio:.2}");
            }
            // What is not text needs less.
            for (shape, ground) in [
                ("focus", "surface"),
                ("focus", "ground"),
                ("quiet", "surface"),
            ] {
                assert!(
                    contrast(colours[shape], colours[ground]) >= 3.0,
                    "{theme}: {shape} on {ground}"
                );
            }
        }
        // The dark colours stand twice: by the system's wish, and by choice.
        let by_system = STYLE
            .split(":root:not([data-theme=\"light\"])")
            .nth(1)
            .unwrap_or_default();
        assert_eq!(
            colours(by_system.split('}').next().unwrap_or_default()),
            colours(dark.split('}').next().unwrap_or_default())
        );
    }
}
