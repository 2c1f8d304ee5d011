//! The little of CSS that decides whether a person sees a text: display, visibility, size, place and colour.

use std::collections::HashMap;

/// Rules of one message's style sheets that are kept.
const RULES_MAX: usize = 2000;
/// Letters smaller than this cannot be read, CSS pixels.
const READABLE_PX: f32 = 2.5;
/// Farther off than this nobody scrolls, CSS pixels.
const OFF_SCREEN_PX: f32 = -500.0;
/// Colours closer than this look the same, sum of the differences of red, green and blue.
const SAME_COLOUR: u32 = 30;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// What declarations say about being seen. `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Style {
    /// Not shown whatever is inside: `display:none`, nothing left of its box, no opacity, off the screen.
    pub gone: Option<bool>,
    /// `visibility`, which a child can take back.
    pub invisible: Option<bool>,
    /// Too small to read.
    pub tiny: Option<bool>,
    pub colour: Option<Ink>,
    pub background: Option<Ink>,
}

/// A colour, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ink {
    Of(Colour),
    /// `transparent`
    None,
    /// A picture, a gradient, a colour we cannot read.
    Unknown,
}

impl Style {
    /// Reads declarations, as in a `style` attribute.
    pub(super) fn read(declarations: &str) -> Self {
        let lower = without_comments(declarations).to_ascii_lowercase();
        let mut style = Self::default();
        let mut box_ = Box::default();
        for declaration in lower.split(';') {
            if let Some((name, value)) = declaration.split_once(':') {
                let value = value.trim().trim_end_matches("!important").trim_end();
                style.declare(name.trim(), value, &mut box_);
            }
        }
        if box_.is_nothing() {
            style.gone = Some(true);
        }
        style
    }

    fn declare(&mut self, name: &str, value: &str, box_: &mut Box) {
        match name {
            "display" => self.gone = Some(value == "none"),
            "visibility" => self.invisible = Some(matches!(value, "hidden" | "collapse")),
            "opacity" if is_nothing(value) => self.gone = Some(true),
            "font-size" => self.tiny = pixels(value).map(|size| size < READABLE_PX),
            // Only the size matters of `font: italic 1px/1 Arial`.
            "font" => {
                let sizes = value.split([' ', '/']).filter_map(pixels);
                self.tiny = sizes.take(1).next().map(|size| size < READABLE_PX);
            }
            "color" => self.colour = ink(value),
            "background-color" => self.background = ink(value),
            "background" => {
                self.background = Some(value.split(' ').find_map(ink).unwrap_or(Ink::Unknown));
                if value.contains("url(") || value.contains("gradient") {
                    self.background = Some(Ink::Unknown);
                }
            }
            "background-image" if value != "none" => self.background = Some(Ink::Unknown),
            "text-indent" if pixels(value).is_some_and(|indent| indent <= OFF_SCREEN_PX) => {
                self.gone = Some(true);
            }
            "transform" if value.contains("scale(0)") => self.gone = Some(true),
            "clip" if value.replace(' ', "").starts_with("rect(0") => box_.is_clipped = true,
            "position" => box_.is_placed = matches!(value, "absolute" | "fixed"),
            "left" | "top" | "right" | "bottom" | "margin-left" | "margin-top" => {
                box_.is_far |= pixels(value).is_some_and(|at| at <= OFF_SCREEN_PX);
            }
            "overflow" => box_.cuts = value == "hidden",
            "height" | "max-height" | "width" | "max-width" => {
                box_.is_empty |= pixels(value).is_some_and(|size| size < 1.0);
            }
            _ => {}
        }
    }

    /// Lets the declarations of a more special rule count.
    pub(super) fn then(&mut self, special: &Self) {
        self.gone = special.gone.or(self.gone);
        self.invisible = special.invisible.or(self.invisible);
        self.tiny = special.tiny.or(self.tiny);
        self.colour = special.colour.or(self.colour);
        self.background = special.background.or(self.background);
    }

    fn says_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What several declarations say together.
#[derive(Default)]
struct Box {
    cuts: bool,
    is_empty: bool,
    is_placed: bool,
    is_far: bool,
    is_clipped: bool,
}

impl Box {
    const fn is_nothing(&self) -> bool {
        (self.cuts && self.is_empty) || self.is_far || (self.is_placed && self.is_clipped)
    }
}

/// The rules of a message's own style sheets, by the simple selectors that mail uses: `p`, `.class`, `#id`.
#[derive(Default)]
pub(super) struct Sheet {
    rules: HashMap<String, Style>,
}

impl Sheet {
    /// Adds a style sheet. What stands inside an at-rule counts for some screens only, and is left out.
    pub(super) fn add(&mut self, css: &str) {
        let css = without_comments(css);
        let mut rest = css.as_str();
        while let Some(open) = rest.find('{') {
            let selectors = rest[..open].trim();
            let body = &rest[open + 1..];
            if selectors
                .rsplit([';', '}'])
                .next()
                .unwrap_or_default()
                .trim_start()
                .starts_with('@')
            {
                rest = &body[block_end(body)..];
                continue;
            }
            let end = body.find('}').unwrap_or(body.len());
            let style = Style::read(&body[..end]);
            if !style.says_nothing() {
                for selector in selectors.rsplit(';').next().unwrap_or_default().split(',') {
                    self.rule(selector, &style);
                }
            }
            rest = body.get(end + 1..).unwrap_or_default();
        }
    }

    fn rule(&mut self, selector: &str, style: &Style) {
        let selector = selector.trim().to_ascii_lowercase();
        let is_simple = !selector.is_empty()
            && selector
                .trim_start_matches(['.', '#'])
                .chars()
                .all(|c| c.is_alphanumeric() || "-_".contains(c));
        if is_simple && self.rules.len() < RULES_MAX {
            self.rules.entry(selector).or_default().then(style);
        }
    }

    /// What the sheets and the element's own attributes say about it.
    pub(super) fn style(
        &self,
        name: &str,
        class: Option<&str>,
        id: Option<&str>,
        own: Option<&str>,
    ) -> Style {
        let mut style = Style::default();
        if !self.rules.is_empty() {
            let classes = class
                .unwrap_or_default()
                .split_ascii_whitespace()
                .take(20)
                .map(|class| format!(".{class}"));
            let id = id.map(|id| format!("#{}", id.trim()));
            for selector in std::iter::once(name.to_owned()).chain(classes).chain(id) {
                if let Some(rule) = self.rules.get(&selector.to_ascii_lowercase()) {
                    style.then(rule);
                }
            }
        }
        if let Some(own) = own {
            style.then(&Style::read(own));
        }
        style
    }
}

/// Where the block that `body` is inside of ends.
fn block_end(body: &str) -> usize {
    let mut depth = 1_u32;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    body.len()
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(open) = rest.find("/*") {
        out.push_str(&rest[..open]);
        let after = &rest[open + 2..];
        rest = after.find("*/").map_or("", |close| &after[close + 2..]);
    }
    out.push_str(rest);
    out
}

/// Are these so alike that text in one on the other cannot be read?
pub(super) fn same(one: Colour, other: Colour) -> bool {
    let difference: u32 = one
        .iter()
        .zip(other)
        .map(|(one, other)| u32::from(one.abs_diff(other)))
        .sum();
    difference <= SAME_COLOUR
}

/// Is this opacity next to none?
fn is_nothing(value: &str) -> bool {
    number(value).is_some_and(|(opacity, unit)| opacity <= if unit == "%" { 5.0 } else { 0.05 })
}

/// A number and its unit.
fn number(value: &str) -> Option<(f32, &str)> {
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// A length in CSS pixels; relative ones as if letters had 16.
fn pixels(value: &str) -> Option<f32> {
    let (number, unit) = number(value)?;
    let factor = match unit {
        "" if number == 0.0 => 1.0,
        "px" | "" => 1.0,
        "pt" => 4.0 / 3.0,
        "em" | "rem" => 16.0,
        "%" => 0.16,
        "cm" => 37.8,
        "mm" => 3.78,
        "in" => 96.0,
        "vw" | "vh" => 10.0,
        _ => return None,
    };
    Some(number * factor)
}

/// A colour as CSS or HTML writes it.
pub(super) fn ink(value: &str) -> Option<Ink> {
    let value = value.trim();
    if let Some(digits) = value.strip_prefix('#') {
        return hexadecimal(digits).map(Ink::Of);
    }
    if let Some(inside) = value
        .strip_prefix("rgb")
        .and_then(|rest| rest.split_once('('))
    {
        let mut numbers = inside
            .1
            .trim_end_matches(')')
            .split([',', ' ', '/'])
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (number, unit) = number(part.trim())?;
                Some(if unit == "%" { number * 2.55 } else { number })
            });
        let mut channel = || {
            numbers
                .next()
                .flatten()
                .map(|number| number.clamp(0.0, 255.0) as u8)
        };
        let colour = [channel()?, channel()?, channel()?];
        let alpha = numbers.next().flatten();
        return Some(if alpha == Some(0.0) {
            Ink::None
        } else {
            Ink::Of(colour)
        });
    }
    let named = match value {
        "white" => [255, 255, 255],
        "black" => [0, 0, 0],
        "red" => [255, 0, 0],
        "green" => [0, 128, 0],
        "blue" => [0, 0, 255],
        "yellow" => [255, 255, 0],
        "gray" | "grey" => [128, 128, 128],
        "silver" => [192, 192, 192],
        "lightgray" | "lightgrey" => [211, 211, 211],
        "whitesmoke" => [245, 245, 245],
        "snow" => [255, 250, 250],
        "ivory" => [255, 255, 240],
        "ghostwhite" => [248, 248, 255],
        "navy" => [0, 0, 128],
        "maroon" => [128, 0, 0],
        "purple" => [128, 0, 128],
        "teal" => [0, 128, 128],
        "orange" => [255, 165, 0],
        "transparent" => return Some(Ink::None),
        _ => return None,
    };
    Some(Ink::Of(named))
}

fn hexadecimal(digits: &str) -> Option<Colour> {
    let digit = |at: usize| {
        char::from(*digits.as_bytes().get(at)?)
            .to_digit(16)
            .map(|digit| digit as u8)
    };
    match digits.len() {
        3 | 4 => Some([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17]),
        6 | 8 => Some([
            digit(0)? * 16 + digit(1)?,
            digit(2)? * 16 + digit(3)?,
            digit(4)? * 16 + digit(5)?,
        ]),
        _ => None,
    }
}

/// A colour as the old attributes `bgcolor` and `color` write it: the number sign may be missing.
pub(super) fn old_ink(value: &str) -> Option<Ink> {
    let value = value.trim().to_ascii_lowercase();
    ink(&value).or_else(|| hexadecimal(&value).map(Ink::Of))
}
