//! Of pages: tags, sizes, colours, pictures.

use super::{Answer, Arguments, Context, yes};
use crate::pattern::Text;
use crate::view::html::Page;

pub(super) fn find(name: &str) -> Option<Answer> {
    Some(match name {
        "html_tag_exists" => {
            |context, arguments| any(context, |page| page.inside.contains_key(arguments.text(0)))
        }
        "html_tag_balance" => |context, arguments| {
            any(context, |page| {
                let open = page.inside.get(arguments.text(0));
                open.is_some_and(|open| compares(f64::from(*open), arguments.text(1)))
            })
        },
        "html_eval" => |context, arguments| {
            any(context, |page| {
                let number = page.numbers.get(arguments.text(0));
                number.is_some_and(|number| compares(*number, arguments.text(1)))
            })
        },
        "html_test" => |context, arguments| {
            any(context, |page| {
                let name = arguments.text(0);
                page.is(name) || page.numbers.get(name).is_some_and(|number| *number != 0.0)
            })
        },
        "html_range" => |context, arguments| {
            any(context, |page| {
                let number = page.numbers.get(arguments.text(0));
                number.is_some_and(|number| arguments.holds(1, *number))
            })
        },
        "html_image_only" => |context, arguments| {
            any(context, |page| {
                page.inside.contains_key("img") && arguments.holds(0, page.numbers["length"])
            })
        },
        "html_image_ratio" => |context, arguments| {
            any(context, |page| {
                let ratio = page.ink as f64 / page.image_area;
                page.image_area > 0.0 && arguments.holds(0, ratio)
            })
        },
        "html_text_match" => |context, arguments| text_match(context, arguments, true),
        "html_text_not_match" => |context, arguments| text_match(context, arguments, false),
        "html_title_subject_ratio" => title_subject_ratio,
        "check_iframe_src" => |context, _| {
            any(context, |page| {
                let mut elements = page.links.iter().flat_map(|link| &link.elements);
                elements.any(|element| element == "iframe")
            })
        },
        // All charsets are wanted unless the site says otherwise, which the filter's own rules do.
        "html_charset_faraway" => |_, _| 0.0,
        _ => return None,
    })
}

fn any(context: &Context<'_>, is_so: impl Fn(&Page) -> bool) -> f64 {
    yes(context.view.pages.iter().any(is_so))
}

/// `!= 0`, `< 512`.
fn compares(number: f64, text: &str) -> bool {
    let text = text.trim();
    let digits = text.trim_start_matches(['<', '>', '=', '!', ' ']);
    let Ok(other) = digits.trim().parse::<f64>() else {
        return false;
    };
    match text[..text.len() - digits.len()].trim() {
        "<" => number < other,
        ">" => number > other,
        "<=" => number <= other,
        ">=" => number >= other,
        "==" => (number - other).abs() < f64::EPSILON,
        "!=" => (number - other).abs() >= f64::EPSILON,
        _ => false,
    }
}

fn text_match(context: &Context<'_>, arguments: &Arguments, wanted: bool) -> f64 {
    let Some(pattern) = &arguments.pattern else {
        return 0.0;
    };
    any(context, |page| {
        let texts = match arguments.text(0) {
            "anchor" => &page.anchors,
            "title" => &page.titles,
            "comment" => &page.comments,
            _ => return false,
        };
        texts
            .iter()
            .any(|text| pattern.is_match(&Text::new(text.clone().into_bytes())) == wanted)
    })
}

fn title_subject_ratio(context: &Context<'_>, arguments: &Arguments) -> f64 {
    let subject = context.view.get("Subject").len() as f64;
    let long = |page: &Page| {
        page.titles
            .iter()
            .any(|title| title.len() as f64 / subject > arguments.number(0))
    };
    if subject == 0.0 {
        0.0
    } else {
        any(context, long)
    }
}
