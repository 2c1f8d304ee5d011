//! Of the text as read.

use std::collections::{HashMap, HashSet};

use super::{Answer, Arguments, Context, pattern, yes};

/// Text and page of the same letter, compared.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Words of the page that the text has not, percent.
    percent: f64,
    /// Different words.
    page: f64,
    text: f64,
}

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "check_body_length" => {
            |context, arguments| yes(context.view.mime.body_bytes as f64 <= arguments.number(0))
        }
        "multipart_alternative_difference" => |context, arguments| {
            let percent = difference(context).percent;
            let above = arguments.number(0) == 0.0 || percent > arguments.number(0);
            yes(above && arguments.bound(1).is_none_or(|max| percent <= max))
        },
        "multipart_alternative_difference_count" => |context, arguments| {
            let difference = difference(context);
            yes(difference.page > arguments.number(1)
                && difference.text / difference.page > arguments.number(0))
        },
        "check_blank_line_ratio" => blank_line_ratio,
        "tvd_vertical_words" => vertical_words,
        "check_stock_info" => {
            |context, arguments| yes(stock_words(context) as f64 >= arguments.number(0))
        }
        "plaintext_body_length" => |context, arguments| within(context, arguments, |body, _| body),
        "plaintext_sig_length" => {
            |context, arguments| within(context, arguments, |_, signature| signature)
        }
        "plaintext_body_sig_ratio" => |context, arguments| {
            within(context, arguments, |body, signature| {
                if signature > 0.0 {
                    body / signature
                } else {
                    1e6
                }
            })
        },
        "check_for_uppercase" => uppercase,
        _ => return None,
    })
}

fn difference<'c>(context: &'c Context<'_>) -> &'c Difference {
    context.difference.get_or_init(|| compare(context))
}

fn compare(context: &Context<'_>) -> Difference {
    let mime = &context.view.mime;
    let mut difference = Difference::default();
    let kinds: Vec<&str> = mime.parts.iter().map(|part| part.kind.as_str()).collect();
    if kinds == ["multipart/alternative", "text/html", "text/calendar"] {
        return difference;
    }
    // Of each part, its place among leaves.
    let mut leaves = 0;
    let leaf: Vec<Option<usize>> = mime
        .parts
        .iter()
        .map(|part| {
            leaves += usize::from(part.is_leaf);
            part.is_leaf.then(|| leaves - 1)
        })
        .collect();
    for top in
        (0..mime.parts.len()).filter(|number| mime.parts[*number].kind == "multipart/alternative")
    {
        let (mut page, mut text) = (HashMap::<&str, i64>::new(), HashMap::<&str, i64>::new());
        for number in mime
            .within(top)
            .filter(|number| mime.parts[*number].kind.starts_with("text"))
        {
            let Some((rendered, is_page)) =
                leaf[number].and_then(|leaf| context.view.rendered[leaf].as_ref())
            else {
                continue;
            };
            let words = if *is_page { &mut page } else { &mut text };
            let is_word = |word: &&str| {
                word.bytes()
                    .any(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            for word in rendered.split_ascii_whitespace().filter(is_word) {
                *words.entry(word).or_default() += 1;
            }
            let has_picture = || {
                context
                    .view
                    .pages
                    .iter()
                    .any(|page| page.inside.contains_key("img"))
            };
            if *is_page && page.is_empty() && has_picture() {
                page.insert("\n", 1);
            }
        }
        if page.is_empty() {
            continue;
        }
        difference.page = page.len() as f64;
        difference.text = text.len() as f64;
        page.retain(|word, count| text.get(word).is_none_or(|same| *count > *same));
        difference.percent = difference
            .percent
            .max(page.len() as f64 / difference.page * 100.0);
    }
    difference
}

fn blank_line_ratio(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let least = arguments.number(2).max(1.0);
    let (mut lines, mut blank) = (0.0, 0.0);
    for piece in &context.view.raw_body {
        for line in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            lines += 1.0;
            blank += yes(line.iter().all(u8::is_ascii_whitespace));
        }
    }
    let ratio = if lines < least {
        -1.0
    } else {
        100.0 * blank / lines
    };
    let above = if arguments.number(0) == 0.0 {
        true
    } else {
        ratio > arguments.number(0)
    };
    yes(above && ratio <= arguments.number(1))
}

fn vertical_words(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let mut most = -1.0_f64;
    for line in &context.view.lines {
        let length = line.bytes.len();
        if length <= 5 {
            continue;
        }
        let spaces = line.bytes.iter().filter(|byte| **byte == b' ').count();
        let others = length - spaces;
        let percent = if spaces > others || others == 0 {
            100
        } else {
            100 * spaces / others
        };
        most = most.max(percent as f64);
    }
    let max = if arguments.number(1) >= 100.0 {
        101.0
    } else {
        arguments.number(1)
    };
    yes(most >= arguments.number(0) && most < max)
}

/// Words of offers of shares, each counted once.
fn stock_words(context: &Context<'_>) -> usize {
    let mime = &context.view.mime;
    let plain = mime
        .parts
        .iter()
        .filter(|part| part.is_leaf)
        .position(|part| part.kind == "text/plain");
    let Some((text, _)) = plain.and_then(|leaf| context.view.rendered[leaf].as_ref()) else {
        return 0;
    };
    let label = pattern!(r"(?m)^\s*([^:\s][^:\n]{2,29})\s*:\s*\S");
    let told = pattern!(
        r"(^trad(?:e|ing)date|company(?:name)?|s\w?(?:t\w?o\w?c\w?k|y\w?m(?:\w?b\w?o\w?l)?)|t(?:arget|icker)|(?:opening|current)p(?:rice)?|p(?:rojected|osition)|expectations|weeks?high|marketperformance|(?:year|week|month|day|price)(?:target|estimates?)|sector|r(?:ecommendation|ating))$"
    );
    let mut seen = HashSet::new();
    for captures in label.captures_iter(text) {
        let letters: String = captures[1]
            .to_ascii_lowercase()
            .chars()
            .filter(char::is_ascii_lowercase)
            .collect();
        if let Some(found) = told.captures(&letters) {
            seen.insert(found[1].to_owned());
        }
    }
    seen.len()
}

/// Length of a text before its signature, and of that.
fn within(context: &Context<'_>, arguments: &Arguments, wanted: fn(f64, f64) -> f64) -> f64 {
    let Some(part) = context
        .view
        .mime
        .parts
        .iter()
        .find(|part| part.kind.starts_with("text/plain"))
    else {
        return 0.0;
    };
    let text = &part.decoded;
    let (mut body, mut signature) = (text.len(), 0);
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        let end = at + bare.len();
        if (bare == b"--" || bare == b"-- ") && text.len() - end > 4 {
            (body, signature) = (at, text.len() - end);
        }
        at += line.len();
    }
    let number = wanted(body as f64, signature as f64);
    yes(number >= arguments.number(0) && arguments.bound(1).is_none_or(|max| number <= max))
}

fn uppercase(context: &Context<'_>, arguments: &Arguments) -> f64 {
    if super::part::charset_shouts(context) {
        return 0.0;
    }
    let encoded = |line: &[u8]| {
        let is_block = |block: &[u8]| {
            let end = block.iter().position(|byte| *byte == b' ');
            end.filter(|end| {
                (60..=76).contains(end)
                    && block[..*end]
                        .iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
            })
        };
        is_block(line).is_some_and(|end| is_block(&line[end + 1..]).is_some())
    };
    let (mut length, mut lower, mut upper) = (0, 0, 0);
    for line in &context.view.lines {
        let words = line
            .bytes
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .count();
        if words < 2 || encoded(&line.bytes) {
            continue;
        }
        length += line.bytes.len();
        lower += line
            .bytes
            .iter()
            .filter(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            .count();
        upper += line
            .bytes
            .iter()
            .filter(|byte| byte.is_ascii_uppercase())
            .count();
    }
    let percent = if length < 200 || upper + lower == 0 {
        0.0
    } else {
        upper as f64 / (upper + lower) as f64 * 100.0
    };
    yes(percent > arguments.number(0) && percent <= arguments.number(1))
}
