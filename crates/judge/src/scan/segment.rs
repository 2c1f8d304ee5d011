//! Where words of Chinese text begin and end, for sets that ask for whole words.
//!
//! Chinese is written without spaces, so a term is found inside longer words too: 发票 in 发票夹, and 大学 across the
//! border of 北大学生. A dictionary tells such places apart, by the likeliest cut of the run of Chinese characters around
//! a match. It is 33 MB in memory, and loaded only when a policy asks for whole words.

use std::sync::LazyLock;

use jieba_rs::Jieba;

/// Characters on each side of a match that the cut is made from. Words are seldom longer than four.
const AROUND: usize = 24;

static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Loads the dictionary, so that no message waits for it.
pub(super) fn load() {
    LazyLock::force(&DICTIONARY);
}

/// Does a word begin at `start` and one end at `end`? Only asked between Chinese characters: other letters have their own rule.
pub(super) fn stands_alone(normal: &str, start: usize, end: usize) -> bool {
    let run_start = normal[..start]
        .char_indices()
        .rev()
        .take(AROUND)
        .take_while(|(_, c)| is_chinese(*c))
        .last()
        .map_or(start, |(at, _)| at);
    let run_end = normal[end..]
        .char_indices()
        .take(AROUND)
        .take_while(|(_, c)| is_chinese(*c))
        .last()
        .map_or(end, |(at, c)| end + at + c.len_utf8());
    let (mut begins, mut ends) = (start == run_start, end == run_end);
    if begins && ends {
        return true;
    }
    for token in DICTIONARY.cut(&normal[run_start..run_end], true) {
        begins |= run_start + token.byte_start == start;
        ends |= run_start + token.byte_end == end;
    }
    begins && ends
}

const fn is_chinese(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::stands_alone;

    fn found(text: &str, term: &str) -> Vec<bool> {
        text.match_indices(term)
            .map(|(start, found)| stands_alone(text, start, start + found.len()))
            .collect()
    }

    #[test]
    fn terms_inside_and_across_words_are_told_apart() {
        assert_eq!(found("我来到北京清华大学", "大学"), [false]);
        assert_eq!(found("我在大学读书", "大学"), [true]);
        assert_eq!(found("大学生在读书", "大学"), [false]);
        assert_eq!(found("公司正在拍卖一批货物", "拍卖"), [true]);
        assert_eq!(found("他来到了网易杭研大厦", "网易杭研"), [true]);
        assert_eq!(found("拍卖", "拍卖"), [true]);
        assert_eq!(found("vip会员, 会员卡", "会员"), [true, false]);
    }
}
