//! HTML of strangers, made inert; text of strangers, made visible.
//!
//! What comes out of [`safe`] is shown in a sandboxed frame under a policy that loads nothing, and would do no harm without
//! either: no script, no style, no form, nothing that is fetched, nothing that can be clicked.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use ammonia::Builder;

/// Longest HTML that is shown, bytes.
const BYTES_MAX: usize = 512 << 10;
/// Most tags. Building the tree is quadratic in how deep they are nested.
const TAGS_MAX: usize = 10_000;
/// Deepest nesting, as a linear look tells it.
const DEPTH_MAX: usize = 200;
/// Tags that are kept. None of them fetches, runs or submits anything.
const TAGS: [&str; 44] = [
    "a",
    "abbr",
    "b",
    "bdi",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "u",
    "ul",
];
/// Elements without an end.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// HTML that does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SafeHtml {
    pub html: String,
    /// Something was too much and was left out.
    pub cut: bool,
}

/// Makes HTML inert. Links lose their target, which is written beside them; pictures become words.
pub(crate) fn safe(source: &str) -> SafeHtml {
    let (bounded, cut) = bounded(source);
    let written = targets_in_words(bounded);
    let nothing: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.into_iter().collect())
        .tag_attributes(nothing)
        .generic_attributes(HashSet::from(["dir"]))
        .clean_content_tags(HashSet::from([
            "script",
            "style",
            "title",
            "template",
            "noscript",
            "iframe",
            "object",
            "svg",
            "math",
            "textarea",
            "select",
            "xmp",
            "noembed",
            "noframes",
            "plaintext",
        ]))
        .link_rel(None)
        .strip_comments(true);
    let html = builder.clean(&written).to_string();
    SafeHtml {
        html: visible(&html),
        cut,
    }
}

/// The beginning of HTML that is not too long, too full or too deep.
fn bounded(source: &str) -> (&str, bool) {
    let end = mail::address::floor_char_boundary(source, BYTES_MAX);
    let source_cut = end < source.len();
    let source = &source[..end];
    let (mut tags, mut depth) = (0, 0_usize);
    for (at, _) in source.match_indices('<') {
        let rest = &source.as_bytes()[at + 1..];
        let name: String = rest
            .iter()
            .take(10)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .map(|byte| byte.to_ascii_lowercase() as char)
            .collect();
        tags += 1;
        if rest.first() == Some(&b'/') {
            depth = depth.saturating_sub(1);
        } else if !name.is_empty() && !VOID.contains(&name.as_str()) {
            depth += 1;
        }
        if tags > TAGS_MAX || depth > DEPTH_MAX {
            return (&source[..at], true);
        }
    }
    (source, source_cut)
}

/// Writes the target of each link behind its opening tag, and a word in the place of each picture. What this pass does not
/// recognise loses its target all the same: nothing that has one passes [`safe`].
fn targets_in_words(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 256);
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find('>') else {
            out.push_str(tag);
            return out;
        };
        let (tag, after) = tag.split_at(end + 1);
        out.push_str(tag);
        let lower = tag.to_ascii_lowercase();
        if lower.starts_with("<a ") || lower.starts_with("<a\n") || lower.starts_with("<a\t") {
            if let Some(target) = attribute(tag, "href") {
                let _ = write!(out, "[{}] ", escaped(&short(&target)));
            }
        } else if lower.starts_with("<img") {
            let alt = attribute(tag, "alt").unwrap_or_default();
            let source = attribute(tag, "src").unwrap_or_default();
            let _ = write!(
                out,
                "[image: {} {}] ",
                escaped(&short(&alt)),
                escaped(&short(&source))
            );
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The value of an attribute within one tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(name) {
        let at = from + found;
        from = at + name.len();
        let starts = lower[..at]
            .chars()
            .next_back()
            .is_some_and(|before| before.is_whitespace() || "\"'/".contains(before));
        let Some(value) = tag[from..].trim_start().strip_prefix('=') else {
            continue;
        };
        if !starts {
            continue;
        }
        let value = value.trim_start();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split([' ', '>', '\t', '\n']).next()?,
        };
        return Some(value.to_owned());
    }
    None
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['<', '>']) {
        Cow::Owned(text.replace('<', "&lt;").replace('>', "&gt;"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Text with everything made visible that is not meant to be seen: control characters, zero-width characters, marks that turn
/// the direction of writing. New lines and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || mail::text::is_invisible(c)
    };
    // Soft hyphens and variation selectors are common in honest mail and turn nothing.
    let harmless = |c: char| matches!(c, '\u{ad}' | '\u{fe00}'..='\u{fe0f}' | '\u{200d}');
    if !text.chars().any(|c| hidden(c) && !harmless(c)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) && !harmless(c) {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: [&str; 30] = [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//x.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<img src=x onerror=alert(1)>",
        "<img src=\"https://x.example/p.gif?who=ann\">",
        "<svg onload=alert(1)><animate onbegin=alert(1)>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<style>@import 'https://x.example/a.css'; input[value^=a]{background:url(//x.example/a)}</style>",
        "<p style=\"background:url(https://x.example/)\">x</p>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"java\nscript:alert(1)\">x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<a\u{c}href=\"vbscript:x\">x</a>",
        "<meta http-equiv=refresh content=\"0;url=https://x.example\">",
        "<base href=\"https://x.example/\"><a href=x>x</a>",
        "<form action=\"https://x.example\"><input name=csrf><button>x</button></form>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<object data=\"x.swf\"><embed src=x></object>",
        "<link rel=stylesheet href=https://x.example/x.css>",
        "<template><script>alert(1)</script></template>",
        "<textarea><img src=x onerror=alert(1)></textarea>",
        "<!--><script>alert(1)</script>-->",
        "<!-- unclosed <script>alert(1)</script>",
        "<p id=x class=y onclick=alert(1) dir=rtl title=\"<script>\">x",
        "<table background=\"https://x.example/\"><tr><td>x",
        "<a href=\"x\"><a href=y onmouseover=alert(1)//",
        "<x onfocus=alert(1) autofocus tabindex=1>",
        "<![CDATA[<script>alert(1)</script>]]><?xml-stylesheet href=\"x\"?>",
    ];

    fn assert_inert(html: &str, of: &str) {
        // Whatever stands in tags is all that could do anything.
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default().to_lowercase();
            let name: String = tag
                .trim_start_matches('/')
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            assert!(
                TAGS.contains(&name.as_str()),
                "<{tag}> in {html:?} of {of:?}"
            );
            let rest = tag
                .trim_start_matches('/')
                .strip_prefix(name.as_str())
                .unwrap_or_default();
            assert!(
                ["", " dir=\"rtl\"", " dir=\"ltr\"", " dir=\"auto\""].contains(&rest),
                "<{tag}> in {html:?} of {of:?}"
            );
        }
    }

    #[test]
    fn hostile_html_does_nothing() {
        for source in HOSTILE {
            let safe = safe(source);
            assert_inert(&safe.html, source);
            // Read again, as another program would, it still is the same.
            let again = super::safe(&safe.html);
            assert_inert(&again.html, source);
            for (number, other) in HOSTILE.iter().enumerate() {
                let both = format!("{source}{other}<b>{number}</b>");
                assert_inert(&super::safe(&both).html, &both);
            }
        }
    }

    proptest! {
        #[test]
        fn any_mixture_is_inert(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40), tail in "\\PC{0,40}") {
            let source = pieces.concat() + &tail;
            assert_inert(&safe(&source).html, &source);
        }
    }

    /// What hostile HTML is made of.
    const PIECES: [&str; 36] = [
        "<",
        ">",
        "</",
        "/>",
        "=",
        "\"",
        "'",
        "`",
        " ",
        "\n",
        "\u{c}",
        "\0",
        "<a ",
        "href",
        "<img ",
        "src=x",
        "onerror=alert(1)",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<svg>",
        "<math>",
        "<table>",
        "<td>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "javascript:",
        "<noscript>",
        "<template>",
        "<p dir=rtl>",
        "&lt;",
        "&#x3c;",
        "<select><option>",
    ];

    #[test]
    fn what_is_to_be_read_stays() {
        let html = safe("<h1>Hello</h1><p dir=rtl>Pay <b>now</b> <a href=\"https://evil.example/a?b=1&amp;c=2\">your bank</a><img src=https://x.example/logo.png alt=Logo>").html;
        assert!(
            html.contains("<h1>Hello</h1>") && html.contains("<b>now</b>"),
            "{html}"
        );
        assert!(
            html.contains("[https://evil.example/a?b=1&amp;c=2] your bank"),
            "{html}"
        );
        assert!(
            html.contains("[image: Logo https://x.example/logo.png]"),
            "{html}"
        );
        assert!(!safe("<p>x").cut);
    }

    #[test]
    fn too_much_is_cut() {
        for source in [
            "<b>".repeat(400_000),
            "<div>".repeat(300),
            "x".repeat(600_000),
            "<p>a</p>".repeat(20_000),
            "<".repeat(1_000_000),
        ] {
            let safe = safe(&source);
            assert!(safe.cut);
            assert_inert(&safe.html, "much");
        }
    }

    #[test]
    fn what_is_hidden_becomes_visible() {
        assert_eq!(
            visible("exe.\u{202e}gpj\u{0}\n"),
            "exe.\\u{202e}gpj\\u{0}\n"
        );
        assert_eq!(
            visible("发票 👩\u{200d}💻 soft\u{ad}hyphen"),
            "发票 👩\u{200d}💻 soft\u{ad}hyphen"
        );
        assert!(safe("<p>a\u{202e}b</p>").html.contains("\\u{202e}"));
    }
}
