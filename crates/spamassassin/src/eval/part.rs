//! Of parts: encodings, charsets, kinds.

use super::{Answer, Arguments, Context, pattern, yes};
use crate::view::mime::ContentType;

/// What is counted over all parts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    base64: f64,
    base64_text: bool,
    html: f64,
    text: f64,
    quoted: f64,
    quoted_long_line: bool,
    quoted_ratio: f64,
    alternative: bool,
    /// Bytes of text by bytes of page, of the last of each.
    multipart_ratio: f64,
    ascii_illegal: f64,
    entity_ratio: f64,
    attachment: bool,
    bad_charset: bool,
    charsets: Vec<String>,
}

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_for_mime" => |context, arguments| yes(counted(context, arguments.text(0))),
        "check_for_mime_html" => |context, _| yes(is_page(context) || counts(context).html > 0.0),
        "check_for_mime_html_only" => |context, _| {
            yes(is_page(context) || counts(context).html > 0.0 && counts(context).text == 0.0)
        },
        "check_mime_multipart_ratio" => |context, arguments| {
            let ratio = counts(context).multipart_ratio;
            yes(ratio >= arguments.number(0) && ratio < arguments.number(1))
        },
        "check_for_ascii_text_illegal" => |context, _| yes(counts(context).ascii_illegal > 0.0),
        "check_abundant_unicode_ratio" => {
            |context, arguments| yes(counts(context).entity_ratio >= arguments.number(0))
        }
        "check_qp_ratio" => {
            |context, arguments| yes(counts(context).quoted_ratio >= arguments.number(0))
        }
        "check_msg_parse_flags" => |context, arguments| yes(is_odd(context, arguments.text(0))),
        "check_ma_non_text" => |context, _| yes(alternative_of_no_text(context)),
        "check_base64_length" => base64_length,
        // All charsets are wanted unless the site says otherwise, which the filter's own rules do.
        "check_for_faraway_charset" | "check_for_faraway_charset_in_headers" => |_, _| 0.0,
        _ => return None,
    })
}

fn counts<'c>(context: &'c Context<'_>) -> &'c Counts {
    context.counts.get_or_init(|| count(context))
}

fn is_page(context: &Context<'_>) -> bool {
    context
        .view
        .get("Content-Type")
        .get(..9)
        .is_some_and(|start| start.eq_ignore_ascii_case("text/html"))
}

fn counted(context: &Context<'_>, what: &str) -> bool {
    let counts = counts(context);
    match what {
        "mime_base64_count" => counts.base64 > 0.0,
        "mime_base64_encoded_text" => counts.base64_text,
        "mime_body_html_count" => counts.html > 0.0,
        "mime_body_text_count" => counts.text > 0.0,
        "mime_qp_count" => counts.quoted != 0.0,
        "mime_qp_long_line" => counts.quoted_long_line,
        "mime_qp_ratio" => counts.quoted_ratio != 0.0,
        "mime_multipart_alternative" => counts.alternative,
        "mime_multipart_ratio" => counts.multipart_ratio != 0.0,
        "mime_ascii_text_illegal" => counts.ascii_illegal > 0.0,
        "mime_text_unicode_ratio" => counts.entity_ratio > 0.0,
        "mime_attachment" => counts.attachment,
        "mime_bad_iso_charset" => counts.bad_charset,
        "mime_missing_boundary" => context.view.mime.oddities.missing_boundary,
        _ => false,
    }
}

fn count(context: &Context<'_>) -> Counts {
    let mut counts = Counts {
        multipart_ratio: 1.0,
        ..Counts::default()
    };
    let (mut quoted_bytes, mut quoted, mut plain, mut entities) = (0.0, 0.0, 0.0, 0.0);
    let mut sizes: Vec<(String, Option<f64>)> = Vec::new();
    for part in &context.view.mime.parts {
        let lower = |name: &str| {
            part.headers
                .last(name)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let content = ContentType::of(part.headers.last("content-type").as_deref());
        let (encoding, disposition) = (
            lower("content-transfer-encoding"),
            lower("content-disposition"),
        );
        let charset = content
            .charset
            .as_ref()
            .map(|charset| charset.to_ascii_lowercase());
        counts.alternative |= content.kind == "multipart/alternative";
        counts.header(
            &content.kind,
            &encoding,
            &disposition,
            charset.as_deref().unwrap_or_default(),
        );
        if !part.is_leaf {
            continue;
        }
        let attached = disposition.contains("attachment");
        let is_text = matches!(content.kind.as_str(), "text/plain" | "text/html");
        let mut size = 0.0;
        let ascii = content.kind == "text/plain"
            && charset
                .as_deref()
                .is_none_or(|charset| charset == "us-ascii");
        let bare =
            content.kind == "text/plain" && matches!(encoding.as_str(), "" | "7bit" | "8bit");
        for line in part.raw.split_inclusive(|byte| *byte == b'\n') {
            if counts.alternative && !attached && is_text {
                size += line.len() as f64;
            }
            if encoding == "quoted-printable" && !line.starts_with(b"SPAM: ") {
                counts.quoted_long_line |= line.len() > 79;
                quoted_bytes += line.len() as f64;
                quoted += needless_quotes(line);
            }
            counts.ascii_illegal +=
                yes(ascii && line.iter().any(|byte| matches!(byte, 0 | b'\r' | 0x80..)));
            if bare {
                let found = entities_in(line);
                entities += found;
                plain += line.len() as f64 - 8.0 * found;
            }
        }
        sizes.push((content.kind, (!attached).then_some(size)));
    }
    if quoted_bytes > 0.0 {
        counts.quoted_ratio = quoted / quoted_bytes;
        counts.quoted = quoted;
    }
    if plain > 0.0 {
        counts.entity_ratio = entities / plain;
    }
    if counts.alternative {
        let last = |kind: &str| {
            sizes
                .iter()
                .rev()
                .filter(|(known, _)| known == kind)
                .find_map(|(_, size)| *size)
        };
        if let (Some(text), Some(page)) = (last("text/plain"), last("text/html"))
            && page > 0.0
        {
            counts.multipart_ratio = text / page;
        }
    }
    counts
}

impl Counts {
    fn header(&mut self, kind: &str, encoding: &str, disposition: &str, charset: &str) {
        self.html += yes(kind == "text/html");
        self.text += yes(kind != "text/html" && kind.starts_with("text"));
        self.base64 += yes(encoding.contains("base64"));
        self.quoted += yes(!encoding.contains("base64") && encoding.contains("quoted-printable"));
        self.attachment |= disposition.contains("attachment");
        let is_ascii = || {
            charset.is_empty() || pattern!(r"(?:us-ascii|ansi_x3\.4-1968|iso-ir-6|ansi_x3\.4-1986|iso_646\.irv:1991|ascii|iso646-us|us|ibm367|cp367|csascii)").is_match(charset)
        };
        let shown = disposition.starts_with("attachment") || disposition.starts_with("inline");
        self.base64_text |=
            kind.starts_with("text") && encoding.contains("base64") && !shown && is_ascii();
        self.bad_charset |= pattern!(r"iso-\S+-\S+\b").is_match(charset)
            && !pattern!(r"iso-(?:8859-\d{1,2}|2022-(?:jp|kr))\b").is_match(charset);
        if charset.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            self.charsets.push(charset.to_owned());
        }
    }
}

/// Escapes of characters that need none, but for white space at the end.
fn needless_quotes(line: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(line);
    let all = pattern!(r"=(?:09|3[0-9ABCEF]|[2456][0-9A-F]|7[0-9A-E])")
        .find_iter(&text)
        .count();
    let trailing = pattern!(r"((?:=09|=20)+)\s*$")
        .captures(&text)
        .filter(|_| all > 0)
        .map_or(0, |found| found[1].len() / 3);
    all as f64 - trailing as f64
}

/// `&#x4F60;` in text that is no page.
fn entities_in(line: &[u8]) -> f64 {
    if !line.contains(&b'&') {
        return 0.0;
    }
    pattern!(r"&#x[0-9A-F]{4};")
        .find_iter(&String::from_utf8_lossy(line))
        .count() as f64
}

/// Is the mail in a charset whose bytes look like capitals?
pub(super) fn charset_shouts(context: &Context<'_>) -> bool {
    let top = context.view.get("Content-Type");
    let declared = pattern!(r#"(?i)charset=(?:"([^"]+)"|'([^']+)'|(\S+))"#).captures(&top);
    let declared = declared.and_then(|found| {
        (1..4)
            .find_map(|group| found.get(group))
            .map(|group| group.as_str().to_owned())
    });
    let shouting = pattern!(
        r"(?i)^[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis)[-_a-z0-9]*$"
    );
    let mut charsets = declared.iter().chain(&counts(context).charsets);
    charsets.any(|charset| shouting.is_match(charset))
}

fn is_odd(context: &Context<'_>, what: &str) -> bool {
    let odd = &context.view.mime.oddities;
    match what {
        "missing_head_body_separator" => odd.missing_head_body_separator,
        "missing_mime_head_body_separator" => odd.missing_mime_head_body_separator,
        "missing_mime_headers" => odd.missing_mime_headers,
        "mime_epilogue_exists" => odd.mime_epilogue_exists,
        "truncated_header" => odd.truncated_header,
        _ => false,
    }
}

fn alternative_of_no_text(context: &Context<'_>) -> bool {
    let parts = &context.view.mime.parts;
    parts.iter().any(|part| {
        let top = part
            .parent
            .filter(|top| parts[*top].kind == "multipart/alternative");
        let fits = part.kind == "multipart/related"
            || part.kind == "application/rtf"
            || part.kind.starts_with("text/");
        top.is_some() && part.is_leaf && !fits
    })
}

fn base64_length(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let mut longest = 0;
    for part in context.view.mime.leaves() {
        let encoding = part
            .headers
            .last("content-transfer-encoding")
            .unwrap_or_default();
        if part.kind != "application/ics" && encoding.trim().eq_ignore_ascii_case("base64") {
            let line = part
                .raw
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::len)
                .max();
            longest = longest.max(line.unwrap_or(0));
        }
    }
    let longest = longest as f64;
    yes(longest >= arguments.number(0) && arguments.bound(1).is_none_or(|max| longest <= max))
}
