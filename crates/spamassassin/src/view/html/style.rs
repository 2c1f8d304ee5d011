//! How text of a page looks: colours, sizes, and whether anybody sees it.

use super::{Renderer, is_in};
use crate::limits::STYLES_MAX;

/// How text looks.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) element: String,
    pub(super) colour: String,
    pub(super) background: String,
    pub(super) size: i32,
    pub(super) display: String,
    pub(super) visibility: String,
}

impl Renderer {
    pub(super) fn open_style(&mut self, name: &str, attributes: &[(String, String)]) {
        let name = if name == "th" { "td" } else { name };
        let value = |wanted: &str| {
            attributes
                .iter()
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value.as_str())
        };
        if name == "basefont"
            && let Some(size) = value("size").and_then(leading_number)
        {
            self.base_size = size;
            return;
        }
        if name == "td" || name == "tr" {
            self.close_cells(name);
        }
        let mut style = self.styles[self.styles.len() - 1].clone();
        name.clone_into(&mut style.element);
        match name {
            "big" => style.size = style.size.saturating_add(1),
            "small" => style.size = style.size.saturating_sub(1),
            _ => self.apply(&mut style, attributes),
        }
        if self.styles.len() < STYLES_MAX {
            self.styles.push(style);
        }
    }

    pub(super) fn apply(&mut self, style: &mut Style, attributes: &[(String, String)]) {
        let allows = |list: &str| is_in(list, &style.element);
        let colours = allows(" basefont body font ");
        let sizes = allows(" basefont font ");
        let styles = allows(" table td th tr span p div a ");
        // `bgcolor` is missing on purpose: SpamAssassin reads it and then looks at the style's background only.
        for (key, value) in attributes {
            match key.as_str() {
                "text" if style.element == "body" => style.colour = rgb(value),
                "color" if colours && style.element != "body" => style.colour = rgb(value),
                "size" if sizes => {
                    let trimmed = value.trim_start();
                    if let Some(number) = leading_number(trimmed) {
                        let relative = trimmed.starts_with(['+', '-']);
                        style.size = if relative {
                            self.base_size.saturating_add(number)
                        } else {
                            number
                        };
                    }
                }
                "style" if styles => self.declarations(style, value),
                _ => {}
            }
            self.sizes = (self.sizes.0.min(style.size), self.sizes.1.max(style.size));
        }
    }

    pub(super) fn declarations(&self, style: &mut Style, text: &str) {
        for part in text.split(';') {
            let Some((key, value)) = part.split_once(':') else {
                continue;
            };
            let (key, value) = (
                key.trim().to_ascii_lowercase(),
                value.trim().to_ascii_lowercase(),
            );
            let value = value.trim_end_matches("!important").trim_end();
            match key.as_str() {
                "color" if value != "inherit" => style.colour = css_colour(value),
                "background-color" if value != "inherit" => style.background = css_colour(value),
                "background" => {
                    let colour = value
                        .split_whitespace()
                        .map(rgb)
                        .find(|colour| colour != "invalid");
                    if let Some(colour) = colour {
                        style.background = colour;
                    }
                }
                "display" => value.clone_into(&mut style.display),
                "visibility" => value.clone_into(&mut style.visibility),
                _ => {}
            }
        }
        if style.background == "transparent" {
            style
                .background
                .clone_from(&self.styles[self.styles.len() - 1].background);
        }
        if style.colour == "transparent" {
            style.colour.clone_from(&style.background);
        }
    }

    /// A cell ends where the next begins.
    pub(super) fn close_cells(&mut self, name: &str) {
        if !self.styles.iter().any(|style| style.element == name) {
            return;
        }
        while let Some(style) = self.styles.last()
            && self.styles.len() > 1
        {
            let top = style.element.as_str();
            let closes = match name {
                "td" => matches!(top, "font" | "td"),
                _ => matches!(top, "font" | "td" | "tr"),
            };
            if !closes {
                return;
            }
            self.styles.pop();
        }
    }

    /// Is text here what nobody sees?
    pub(super) fn is_unseen(&mut self) -> bool {
        let style = &self.styles[self.styles.len() - 1];
        let (colour, background) = (style.colour.clone(), style.background.clone());
        let (size, display, visibility) = (
            style.size,
            style.display == "none",
            style.visibility == "hidden",
        );
        let end = |text: &str| {
            text.get(text.len().saturating_sub(6)..)
                .unwrap_or_default()
                .to_owned()
        };
        if end(&colour) == end(&background) || nearly_same(&colour, &background) {
            self.note("font_low_contrast");
            return true;
        }
        if colour == "invalid" || background == "invalid" {
            self.note("font_invalid_color");
            return true;
        }
        size <= 1 || display || visibility
    }
}

fn leading_number(text: &str) -> Option<i32> {
    let text = text.trim_start();
    let signed = text.strip_prefix('+').unwrap_or(text);
    let sign = usize::from(signed.starts_with('-'));
    let digits = signed[sign..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    signed[..sign + digits].parse().ok()
}

fn css_colour(value: &str) -> String {
    if value == "transparent" {
        return value.to_owned();
    }
    if value.contains("rgb") {
        let numbers: String = value
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == ',')
            .collect();
        let mut numbers = numbers
            .split(',')
            .map(|number| number.parse::<u32>().unwrap_or(0).min(255));
        let mut next = || numbers.next().unwrap_or(0);
        return format!("#{:02x}{:02x}{:02x}", next(), next(), next());
    }
    rgb(value)
}

/// A colour as `#rrggbb`, or `invalid`. Digits without `#` are none.
fn rgb(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix('#') {
        if hexadecimal(digits) {
            return format!("#{}", six_digits(digits));
        }
        return "invalid".into();
    }
    if text.starts_with("rgb(") {
        return css_colour(&text);
    }
    match mail::html::colour(&text).filter(|_| !hexadecimal(&text)) {
        Some([r, g, b]) => format!("#{r:02x}{g:02x}{b:02x}"),
        None => "invalid".into(),
    }
}

/// More than six are cut, four and five are read as three, fewer are filled with zeros.
fn six_digits(digits: &str) -> String {
    let kept = match digits.len() {
        6.. => return digits[..6].to_owned(),
        4 | 5 => &digits[..3],
        _ => digits,
    };
    if kept.is_empty() {
        return String::new();
    }
    format!("{kept:0<3}").chars().flat_map(|c| [c, c]).collect()
}

fn nearly_same(colour: &str, background: &str) -> bool {
    let parts = |text: &str| -> Option<[f64; 3]> {
        let hex = text.strip_prefix('#').unwrap_or(text);
        let one = |at: usize| {
            u8::from_str_radix(hex.get(at..at + 2)?, 16)
                .ok()
                .map(f64::from)
        };
        (hex.len() == 6).then_some(())?;
        Some([one(0)?, one(2)?, one(4)?])
    };
    let (Some(colour), Some(background)) = (parts(colour), parts(background)) else {
        return false;
    };
    let weights = [0.2126, 0.7152, 0.0722];
    let distance: f64 = (0..3)
        .map(|at| (weights[at] * (colour[at] - background[at])).powi(2))
        .sum();
    distance.sqrt() < 12.0
}
