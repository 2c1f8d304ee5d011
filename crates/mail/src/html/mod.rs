//! HTML as a person sees it: the text that is read, the text that is there and not seen, where links lead.
//!
//! One pass over the tokens with a bounded stack of open elements; no tree.

use std::borrow::Cow;

mod entity;
mod style;
mod token;

pub use entity::{decoded, decoded_value};
use style::{Ink, Sheet, same};
pub use token::{Attributes, Token, Tokens};

/// Elements nested deeper count as part of the one at this depth.
const DEPTH_MAX: usize = 500;
/// How far up the end of an element is looked for.
const LOOK_UP_MAX: usize = 50;
/// Links kept of one part.
const LINKS_MAX: usize = 1000;
/// Longest text kept of a link, bytes.
const LINK_TEXT_MAX: usize = 300;

/// Red, green and blue of a colour as old attributes write it: `red`, `#ff0000`, `ff0000`.
pub fn colour(text: &str) -> Option<[u8; 3]> {
    match style::old_ink(text) {
        Some(Ink::Of(colour)) => Some(colour),
        _ => None,
    }
}

/// One part of a message in HTML, as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// What is read.
    pub visible: String,
    /// What is there and not seen.
    pub hidden: String,
    /// Where links lead, with the text they show.
    pub links: Vec<Anchor>,
    /// Where forms are sent.
    pub forms: Vec<String>,
    /// Pictures that are fetched from elsewhere.
    pub remote_images: Vec<String>,
    /// There is a script.
    pub has_script: bool,
    /// A person is asked for a password.
    pub asks_password: bool,
    /// Where the page goes by itself.
    pub refresh: Option<String>,
}

/// A link as it stands in HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// As written.
    pub target: String,
    /// What a person sees of it.
    pub shown: String,
}

/// An element that is open.
struct Open<'h> {
    name: &'h str,
    gone: bool,
    invisible: bool,
    tiny: bool,
    colour: Ink,
    /// The nearest background that is known to be painted.
    background: Ink,
    link: Option<usize>,
}

impl Open<'_> {
    fn is_hidden(&self) -> bool {
        let unreadable = match (self.colour, self.background) {
            (Ink::None, _) => true,
            (Ink::Of(colour), Ink::Of(background)) => same(colour, background),
            (Ink::Unknown, _) | (_, Ink::Unknown | Ink::None) => false,
        };
        self.gone || self.invisible || self.tiny || unreadable
    }
}

impl View {
    /// Looks at `html` (decoded, from its charset).
    pub(crate) fn of(html: &str) -> Self {
        let mut reader = Reader {
            view: Self::default(),
            sheet: Sheet::default(),
            open: vec![Open {
                name: "",
                gone: false,
                invisible: false,
                tiny: false,
                colour: Ink::Of([0, 0, 0]),
                background: Ink::Of([255, 255, 255]),
                link: None,
            }],
        };
        for token in Tokens::of(html) {
            match token {
                Token::Text { text, decoded } => reader.text(text, decoded),
                Token::Start { name, attributes } => reader.start(name, attributes),
                Token::End { name } => reader.end(name),
                Token::Unshown { .. } => {}
            }
        }
        reader.view
    }
}

struct Reader<'h> {
    view: View,
    sheet: Sheet,
    /// Never empty: the first stands for the page.
    open: Vec<Open<'h>>,
}

impl<'h> Reader<'h> {
    fn inner(&self) -> &Open<'h> {
        &self.open[self.open.len() - 1]
    }

    fn text(&mut self, text: &str, is_decoded: bool) {
        let name = self.inner().name;
        if name.eq_ignore_ascii_case("style") {
            self.sheet.add(text);
            return;
        }
        if name.eq_ignore_ascii_case("script") {
            return;
        }
        let text = if is_decoded {
            decoded(text)
        } else {
            Cow::Borrowed(text)
        };
        let hidden = self.inner().is_hidden()
            || ["title", "noembed", "noframes", "iframe"]
                .iter()
                .any(|unseen| name.eq_ignore_ascii_case(unseen));
        if let (Some(link), false) = (self.inner().link, hidden) {
            let shown = &mut self.view.links[link].shown;
            let room = LINK_TEXT_MAX.saturating_sub(shown.len());
            shown.push_str(&text[..crate::address::floor_char_boundary(&text, room)]);
        }
        if !hidden {
            self.view.visible.push_str(&text);
        } else if !text.trim().is_empty() {
            self.view.hidden.push_str(&text);
            self.view.hidden.push(' ');
        }
    }

    fn start(&mut self, name: &'h str, attributes: &str) {
        let lower = name.to_ascii_lowercase();
        self.note(&lower, attributes);
        self.break_before(&lower);
        if is_void(&lower) {
            return;
        }
        self.close_implied(&lower);
        let named = |name| Attributes::named(attributes, name).map(decoded_value);
        let (class, id, own) = (named("class"), named("id"), named("style"));
        let mut style = self
            .sheet
            .style(&lower, class.as_deref(), id.as_deref(), own.as_deref());
        if named("hidden").is_some() {
            style.gone = Some(true);
        }
        let old_background = named("bgcolor").and_then(|value| style::old_ink(&value));
        let has_picture = named("background").is_some().then_some(Ink::Unknown);
        let old_colour = if lower == "font" || lower == "body" {
            named(if lower == "font" { "color" } else { "text" })
                .and_then(|value| style::old_ink(&value))
        } else {
            None
        };
        let link = if lower == "a" {
            named("href").and_then(|target| self.link(target.trim()))
        } else {
            self.inner().link
        };
        let outer = self.inner();
        let background = style.background.or(has_picture).or(old_background);
        let open = Open {
            name,
            gone: outer.gone || style.gone == Some(true),
            invisible: style.invisible.unwrap_or(outer.invisible),
            tiny: style.tiny.unwrap_or(outer.tiny),
            colour: style
                .colour
                .or(old_colour)
                .unwrap_or(if lower == "a" && link.is_some() {
                    Ink::Unknown
                } else {
                    outer.colour
                }),
            background: match background {
                None | Some(Ink::None) => outer.background,
                Some(painted) => painted,
            },
            link,
        };
        if self.open.len() < DEPTH_MAX {
            self.open.push(open);
        }
    }

    fn end(&mut self, name: &str) {
        self.break_before(&name.to_ascii_lowercase());
        let near = self.open.iter().skip(1).rev().take(LOOK_UP_MAX);
        if let Some(up) = near
            .into_iter()
            .position(|open| open.name.eq_ignore_ascii_case(name))
        {
            self.open.truncate(self.open.len() - 1 - up);
        }
    }

    /// What an element says beside its text.
    fn note(&mut self, name: &str, attributes: &str) {
        let named = |name| Attributes::named(attributes, name).map(decoded_value);
        match name {
            "img" => {
                if let Some(source) = named("src").filter(|source| is_remote(source))
                    && self.view.remote_images.len() < LINKS_MAX
                {
                    self.view.remote_images.push(source.trim().to_owned());
                }
                if let Some(alt) = named("alt") {
                    self.text(&format!(" {} ", alt.replace('&', "&amp;")), true);
                }
            }
            "area" => {
                if let Some(target) = named("href") {
                    self.link(target.trim());
                }
            }
            "form" => {
                let action = named("action").unwrap_or_default().trim().to_owned();
                if self.view.forms.len() < LINKS_MAX {
                    self.view.forms.push(action);
                }
            }
            "input" => {
                let kind = named("type").unwrap_or_default();
                self.view.asks_password |= kind.eq_ignore_ascii_case("password");
                if ["submit", "button"]
                    .iter()
                    .any(|button| kind.eq_ignore_ascii_case(button))
                    && let Some(value) = named("value")
                {
                    self.text(&format!(" {} ", value.replace('&', "&amp;")), true);
                }
            }
            "script" => self.view.has_script = true,
            "meta" if named("http-equiv").is_some_and(|of| of.eq_ignore_ascii_case("refresh")) => {
                let content = named("content").unwrap_or_default();
                let lower = content.to_ascii_lowercase();
                self.view.refresh = lower
                    .find("url=")
                    .map(|at| content[at + 4..].trim_matches(['\'', '"', ' ']).to_owned());
            }
            _ => {}
        }
        // What begins by itself is a script under another name.
        self.view.has_script |= memchr::memchr2(b'o', b'O', attributes.as_bytes()).is_some()
            && Attributes::of(attributes).any(|(name, _)| is_handler(name));
    }

    fn link(&mut self, target: &str) -> Option<usize> {
        if target.is_empty() || self.view.links.len() >= LINKS_MAX {
            return None;
        }
        self.view.links.push(Anchor {
            target: target.to_owned(),
            shown: String::new(),
        });
        Some(self.view.links.len() - 1)
    }

    /// Blocks begin on a new line, cells are set apart.
    fn break_before(&mut self, name: &str) {
        let gap = match name {
            "br" | "p" | "div" | "tr" | "table" | "ul" | "ol" | "li" | "h1" | "h2" | "h3"
            | "h4" | "h5" | "h6" | "hr" | "blockquote" | "pre" | "section" | "article"
            | "header" | "footer" | "dl" | "dt" | "dd" | "form" | "center" | "title" | "body" => {
                '\n'
            }
            "td" | "th" | "option" | "button" => ' ',
            _ => return,
        };
        if !self.view.visible.is_empty() && !self.view.visible.ends_with(['\n', gap]) {
            self.view.visible.push(gap);
        }
    }

    /// Ends what the start of this element ends by itself.
    fn close_implied(&mut self, name: &str) {
        let ends: &[&str] = match name {
            "li" => &["li", "p"],
            "td" | "th" => &["td", "th", "p"],
            "tr" => &["td", "th", "tr", "p"],
            "option" => &["option"],
            "p" | "div" | "table" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6"
            | "hr" | "blockquote" | "pre" | "form" | "center" => &["p"],
            "body" => &["head"],
            _ => return,
        };
        while self.open.len() > 1
            && ends
                .iter()
                .any(|end| self.inner().name.eq_ignore_ascii_case(end))
        {
            self.open.pop();
        }
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
            | "param"
            | "frame"
            | "basefont"
            | "bgsound"
    )
}

fn is_remote(source: &str) -> bool {
    let source = source.trim_start().as_bytes();
    let starts = |with: &[u8]| {
        source
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    starts(b"http:") || starts(b"https:") || starts(b"//")
}

/// Whether an attribute's name is that of a script's handler: `onclick`. The name is a stranger's: it
/// may be cut anywhere, so it is looked at as bytes.
fn is_handler(name: &str) -> bool {
    match name.as_bytes() {
        [o, n, event @ ..] => {
            [*o, *n].eq_ignore_ascii_case(b"on")
                && event.len() > 1
                && event.iter().all(u8::is_ascii_alphabetic)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_a_person_sees_and_what_not() {
        for (html, visible, hidden) in [
            (
                "<p>One<p>two<br>three <b>fo</b>ur",
                "One two three four",
                "",
            ),
            ("a<div style='display:none'>b<p>c</p></div>d", "a d", "b c"),
            (
                "a<span style=\"DISPLAY : none !important\">b</span>c",
                "ac",
                "b",
            ),
            (
                "<span style='visibility:hidden'>a<b style='visibility:visible'>b</b></span>c",
                "bc",
                "a",
            ),
            (
                "<font size=1 style='font-size:1px'>a</font>b<i style='font-size:0'>c</i>",
                "b",
                "a c",
            ),
            ("<span style='font:italic 1px/2 Arial'>a</span>b", "b", "a"),
            (
                "<font color=white>a</font>b<font color='#fefefe'>c</font>",
                "b",
                "a c",
            ),
            (
                "<table bgcolor=black><tr><td><font color=white>a</font><td style='color:#010101'>b</table>c",
                "a c",
                "b",
            ),
            (
                "<div style='background:url(x.png)'><font color=white>a</font></div>",
                "a",
                "",
            ),
            (
                "<a href=x style='color:#fff;background:#00f'>a</a>",
                "a",
                "",
            ),
            (
                "<div style='position:absolute;left:-9999px'>a</div>b",
                "b",
                "a",
            ),
            (
                "<div style='text-indent:-1000px'>a</div>b<div style='opacity:0'>c</div>",
                "b",
                "a c",
            ),
            (
                "<div style='max-height:0;overflow:hidden'>pre</div>post",
                "post",
                "pre",
            ),
            (
                "<style>.x{display:none} @media print{.y{display:none}} #z, u {font-size:1px}</style><p class='y x'>a</p><p class=y>b</p><p id=z>c</p><u>d</u>e",
                "b e",
                "a c d",
            ),
            (
                "<title>t</title><script>s</script><noscript>n </noscript><!-- c -->v",
                "n v",
                "t",
            ),
            ("<p hidden>a</p>b <textarea>c</textarea>", "b c", "a"),
            ("caf&eacute &amp;amp; &#128;", "café &amp; €", ""),
            (
                "<img alt='an offer' src=http://x.example/1.png>",
                "an offer",
                "",
            ),
            ("<td>a<td>b<tr><td>c", "a b c", ""),
            ("<p style='display:none'>a<p>b", "b", "a"),
        ] {
            let view = View::of(html);
            assert_eq!(
                (words(&view.visible), words(&view.hidden)),
                (visible.to_owned(), hidden.to_owned()),
                "{html}"
            );
        }
    }

    #[test]
    fn links_forms_and_pictures() {
        let view = View::of(
            "<a href='http://evil.example/?a=1&amp;b=2'><span>www.bank.example</span></a> <form action=//x.example/><input type=password></form>\
             <img src='https://t.example/o.gif' onload=x()><meta http-equiv=refresh content=\"0; URL='http://r.example/'\">",
        );
        assert_eq!(
            view.links,
            [Anchor {
                target: "http://evil.example/?a=1&b=2".into(),
                shown: "www.bank.example".into()
            }]
        );
        assert_eq!(view.forms, ["//x.example/"]);
        assert_eq!(view.remote_images, ["https://t.example/o.gif"]);
        assert_eq!(view.refresh.as_deref(), Some("http://r.example/"));
        assert!(view.has_script && view.asks_password);
    }

    #[test]
    fn handlers_and_remote_sources_are_told_from_what_only_looks_like_them() {
        for (html, has_script, remote) in [
            ("<p onclick=x()>a", true, 0),
            ("<p ONLOAD=x()>a", true, 0),
            ("<p on=x one1=x>a", false, 0),
            ("<p on\u{fffd}x=1 \u{fffd}on=1 o\u{fffd}n=1>a", false, 0),
            ("<p \u{20ac}onx=1 on>a", false, 0),
            ("<img src='//a'><img src=' HTTP:x'>", false, 2),
            ("<img src='cid:1'><img src=h\u{fffd}ttp:>", false, 0),
        ] {
            let view = View::of(html);
            assert_eq!(
                (view.has_script, view.remote_images.len()),
                (has_script, remote),
                "{html}"
            );
        }
    }

    #[test]
    fn deep_and_wide_cost_no_more_than_their_length() {
        for html in [
            "<div>".repeat(100_000),
            "<ul><li>".repeat(100_000) + &"</ul>".repeat(100_000),
            "<a ".repeat(100_000),
            format!("<p {}>", "a=b ".repeat(200_000)),
            "<!--".repeat(100_000),
            "<title>".repeat(100_000),
            format!("<style>{}", "a{color:red}".repeat(50_000)),
            "&".repeat(500_000),
        ] {
            View::of(&html);
        }
    }
}
