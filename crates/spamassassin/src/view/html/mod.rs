//! A page as SpamAssassin renders it, and what it counts on the way.

mod link;
mod style;

use std::collections::HashMap;

pub(crate) use link::Link;
use style::Style;

use mail::html::{Attributes, Token, Tokens, decoded, decoded_value};

/// Elements that count as such.
const ELEMENTS: &str = " a abbr acronym address area b base bdo big blockquote body br button caption cite code col colgroup dd del dfn div dl dt em fieldset form h1 h2 h3 h4 h5 h6 head hr html i img input ins kbd label legend li link map meta noscript object ol optgroup option p param pre q samp script select small span strong style sub sup table tbody td textarea tfoot th thead title tr tt ul var applet basefont center dir font frame frameset iframe isindex menu noframes s strike u nobr x-sigsep x-tab ";
/// Rendered like elements, but not counted.
const NEARLY_ELEMENTS: &str = " bgsound embed listing plaintext xmp ";
/// These change how text looks.
const STYLED: &str = " body font table tr th td big small basefont marquee span p div a ";

fn is_in(list: &str, name: &str) -> bool {
    !name.is_empty() && list.split(' ').any(|known| known == name)
}

/// A page, rendered.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// All its text, with line feeds where blocks end.
    pub text: String,
    /// Elements that are open, by name; there for each that ever was.
    pub inside: HashMap<String, i32>,
    /// `html_range`, `html_eval`: numbers by name.
    pub numbers: HashMap<&'static str, f64>,
    /// `html_test`: what is so.
    pub flags: Vec<&'static str>,
    /// Texts of links, titles, comments.
    pub anchors: Vec<String>,
    pub titles: Vec<String>,
    pub comments: Vec<String>,
    /// Links by address, with the elements they stand in.
    pub links: Vec<Link>,
    pub truncated_link: bool,
    /// Pixels of pictures whose size is told.
    pub image_area: f64,
    /// Characters that are no white space.
    pub ink: usize,
}

struct Pieces {
    texts: Vec<(String, bool)>,
    last_is_white: bool,
    last_is_unseen: bool,
}

struct Renderer {
    page: Page,
    pieces: Pieces,
    styles: Vec<Style>,
    base_size: i32,
    base: String,
    anchor: Option<String>,
    tags: f64,
    tags_seen: f64,
    elements: f64,
    elements_seen: f64,
    closed_extra: f64,
    obfuscation: f64,
    sizes: (i32, i32),
}

impl Page {
    /// Renders `html`; `bytes` is how long it was before decoding.
    pub(crate) fn of(html: &str, bytes: usize) -> Self {
        let html = html
            .replace("&nbsp;", " ")
            .replace(['\u{201c}', '\u{201d}'], "\"");
        let mut renderer = Renderer {
            page: Self::default(),
            pieces: Pieces {
                texts: Vec::new(),
                last_is_white: false,
                last_is_unseen: false,
            },
            styles: vec![Style {
                element: "default".into(),
                colour: "#000000".into(),
                background: "#ffffff".into(),
                size: 3,
                display: String::new(),
                visibility: String::new(),
            }],
            base_size: 3,
            base: String::new(),
            anchor: None,
            tags: 0.0,
            tags_seen: 0.0,
            elements: 0.0,
            elements_seen: 0.0,
            closed_extra: 0.0,
            obfuscation: 0.0,
            sizes: (3, 3),
        };
        for token in Tokens::of(&html) {
            match token {
                Token::Text {
                    text,
                    decoded: true,
                } => renderer.text(&decoded(text)),
                Token::Text { text, .. } => renderer.text(text),
                Token::Start { name, attributes } => renderer.start(name, attributes),
                Token::End { name } => renderer.end(name),
                Token::Unshown { text } => renderer.unshown(text),
            }
        }
        renderer.done(&html, bytes)
    }

    /// Is it so (`html_test`)?
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

impl Renderer {
    fn done(self, html: &str, bytes: usize) -> Page {
        let mut page = self.page;
        page.flags.push("html");
        page.text = self
            .pieces
            .texts
            .iter()
            .map(|(text, _)| text.as_str())
            .collect();
        let characters = page.text.chars().count();
        page.ink = page.text.chars().filter(|c| !c.is_whitespace()).count();
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let numbers = [
            ("length", Some(html.chars().count() as f64)),
            ("max_size", Some(f64::from(self.sizes.1))),
            ("min_size", Some(f64::from(self.sizes.0))),
            ("closed_extra_ratio", share(self.closed_extra, self.tags)),
            (
                "bad_tag_ratio",
                share(self.tags - self.elements, self.tags).filter(|_| self.elements > 0.0),
            ),
            (
                "non_element_ratio",
                share(self.tags_seen - self.elements_seen, self.tags_seen)
                    .filter(|_| self.elements_seen > 0.0),
            ),
            (
                "obfuscation_ratio",
                share(self.obfuscation, self.tags).filter(|_| self.obfuscation > 0.0),
            ),
            ("image_area", Some(page.image_area)),
            (
                "ratio",
                share(bytes as f64 - characters as f64, bytes as f64),
            ),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                page.numbers.insert(name, number);
            }
        }
        page
    }

    fn note(&mut self, flag: &'static str) {
        if !self.page.is(flag) {
            self.page.flags.push(flag);
        }
    }

    fn is_inside(&self, name: &str) -> bool {
        self.page.inside.get(name).is_some_and(|open| *open > 0)
    }

    fn count(&mut self, name: &str, change: i32) -> bool {
        let namespace =
            name.starts_with("o:") || name.starts_with("st1:") || name.starts_with("st2:");
        let new = !self.page.inside.contains_key(name);
        if namespace || is_in(ELEMENTS, name) {
            self.elements += 1.0;
            self.elements_seen += f64::from(u8::from(new));
        }
        self.tags += 1.0;
        self.tags_seen += f64::from(u8::from(new));
        let open = self.page.inside.entry(name.to_owned()).or_insert(0);
        *open += change;
        if *open < 0 {
            *open = 0;
            self.closed_extra += 1.0;
        }
        !namespace && (is_in(ELEMENTS, name) || is_in(NEARLY_ELEMENTS, name))
    }

    fn start(&mut self, name: &str, written: &str) {
        let name = name.to_ascii_lowercase();
        if !self.count(&name, 1) {
            return;
        }
        let attributes: Vec<(String, String)> = Attributes::of(written)
            .map(|(key, value)| (key.to_ascii_lowercase(), decoded_value(value).into_owned()))
            .collect();
        if is_in(STYLED, &name) {
            self.open_style(&name, &attributes);
        }
        self.white_space(&name);
        self.note_links(&name, &attributes);
        self.note_tag(&name, &attributes);
    }

    fn end(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.count(&name, -1) {
            return;
        }
        if is_in(STYLED, &name) && name != "body" {
            let wanted = if name == "th" { "td" } else { &name };
            if let Some(place) = self
                .styles
                .iter()
                .rposition(|style| style.element == wanted)
            {
                self.styles.truncate(place.max(1));
            }
        }
        self.white_space(&name);
    }

    fn unshown(&mut self, text: &str) {
        if text.starts_with("<!")
            && text
                .get(2..9)
                .is_some_and(|word| word.eq_ignore_ascii_case("doctype"))
        {
            self.elements += 1.0;
            self.tags += 1.0;
            self.page.inside.insert("!doctype".into(), 0);
        } else if text.starts_with("<!") {
            self.page.comments.push(text.to_owned());
        }
    }

    fn white_space(&mut self, name: &str) {
        let white = match name {
            "br" | "div" => "\n",
            "li" | "th" | "td" | "dd" | "dt" | "embed" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" => " ",
            "p" | "hr" | "blockquote" | "pre" | "listing" | "plaintext" | "xmp" | "title" => "\n\n",
            _ => return,
        };
        let pieces = &mut self.pieces;
        if !pieces.last_is_white
            && !pieces.last_is_unseen
            && let Some((last, _)) = pieces.texts.last_mut()
            && last.ends_with(' ')
        {
            last.pop();
        }
        pieces.texts.push((white.to_owned(), false));
        (pieces.last_is_white, pieces.last_is_unseen) = (true, false);
    }

    fn text(&mut self, text: &str) {
        if self.is_inside("script") || self.is_inside("style") {
            return;
        }
        if self.is_inside("a") {
            if let Some(last) = self.page.anchors.last_mut() {
                last.push_str(text);
            }
            self.show_link(text);
        }
        if self.is_inside("title")
            && let Some(last) = self.page.titles.last_mut()
        {
            last.push_str(text);
        }
        let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '\u{b}');
        let blank = text.chars().all(white);
        let unseen = !blank && self.is_unseen();
        let word = |c: char| !c.is_whitespace() && !c.is_ascii_punctuation();
        if let Some((last, _)) = self.pieces.texts.last()
            && text.chars().next().is_some_and(word)
            && last.chars().next_back().is_some_and(word)
        {
            self.obfuscation += 1.0;
        }
        let mut squeezed = String::with_capacity(text.len());
        let mut in_white = false;
        for c in text.chars() {
            if white(c) {
                if !in_white {
                    squeezed.push(' ');
                }
                in_white = true;
            } else {
                squeezed.push(c);
                in_white = false;
            }
        }
        if self.pieces.last_is_white && !unseen && squeezed.starts_with(' ') {
            squeezed.remove(0);
        }
        self.pieces.texts.push((squeezed, unseen));
        (self.pieces.last_is_white, self.pieces.last_is_unseen) = (false, unseen);
    }

    fn note_tag(&mut self, name: &str, attributes: &[(String, String)]) {
        let value = |wanted: &str| {
            attributes
                .iter()
                .find(|(key, _)| key == wanted)
                .map(|(_, value)| value.as_str())
        };
        match name {
            "font" if value("face").is_some_and(|face| !is_face(face)) => {
                self.note("font_face_bad");
            }
            "img" => {
                if self.is_inside("a") {
                    if let Some(last) = self.page.anchors.last_mut() {
                        last.push_str("<img>\n");
                    }
                    self.show_link("<img>\n");
                }
                if let (Some(width), Some(height)) = (value("width"), value("height")) {
                    self.page.image_area += pixels(width, 8.0) * pixels(height, 6.0);
                }
            }
            "form"
                if value("action")
                    .is_some_and(|action| action.to_ascii_lowercase().contains("mailto:")) =>
            {
                self.note("form_action_mailto");
            }
            "object" | "embed" => self.note("embeds"),
            "a" => {
                let address = self.cut(value("href").unwrap_or_default());
                let target = if address.is_empty() {
                    String::new()
                } else {
                    self.target(&address)
                };
                if let Some(link) = self
                    .page
                    .links
                    .iter_mut()
                    .find(|link| link.address == target)
                {
                    link.shown.push(String::new());
                }
                self.anchor = Some(target);
                self.page.anchors.push(String::new());
            }
            "title" => self.page.titles.push(String::new()),
            _ => {}
        }
    }
}

/// A measure in pixels; what is none is taken for 200.
fn pixels(text: &str, percent: f64) -> f64 {
    let number = match text.strip_suffix('%') {
        Some(number) => number
            .parse::<u32>()
            .map(|number| f64::from(number) * percent),
        None => text.parse::<u32>().map(f64::from),
    };
    number.ok().filter(|number| *number > 0.0).unwrap_or(200.0)
}

/// Is it a list of names of typefaces?
fn is_face(face: &str) -> bool {
    let face = face.trim_end().strip_suffix(';').unwrap_or(face);
    face.split(',').all(|name| {
        let name = name
            .trim()
            .trim_start_matches(['"', '\'', '.'])
            .trim_end_matches(['"', '\'']);
        let name = name
            .strip_suffix(|c: char| c.is_ascii_digit())
            .unwrap_or(name);
        name.len() >= 2
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b' ' || byte == b'-')
            && name.ends_with(|c: char| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_rendered() {
        let page = Page::of(
            "<html><head><title>Hi</title></head><body><p>Hello <b>there</b><br>you&amp;me<table><tr><td>a</td><td>b</td></table><a href='http://x.example/'>click <img src=y></a></body></html>",
            200,
        );
        assert_eq!(
            page.text.split_whitespace().collect::<Vec<_>>(),
            ["Hi", "Hello", "there", "you&me", "a", "b", "click"]
        );
        assert!(page.is("html") && page.inside.contains_key("title"));
        assert_eq!(page.titles, ["Hi"]);
        assert_eq!(page.anchors, ["click <img>\n"]);
        assert_eq!(page.links[0].address, "http://x.example/");
        assert_eq!(page.links[1].elements, ["img"]);
    }

    #[test]
    fn what_is_odd_is_counted() {
        let page = Page::of("<font color=white>unseen</font></b></b><zzz>via<x>gra", 60);
        assert!(page.is("font_low_contrast"));
        assert!(page.numbers["closed_extra_ratio"] > 0.3);
        assert!(page.numbers["obfuscation_ratio"] > 0.1);
        assert!(
            Page::of("<span style='color:rgb(250,250,250)'>x</span>", 1).is("font_low_contrast")
        );
        assert!(Page::of("<font face='!!'>x", 1).is("font_face_bad"));
        assert!(!Page::of("<font face='Verdana, Arial, sans-serif'>x", 1).is("font_face_bad"));
        let base = Page::of("<base href='http://x.example/a'><a href='b'>", 1);
        assert_eq!(base.links[1].address, "http://x.example/a/b");
    }
}
