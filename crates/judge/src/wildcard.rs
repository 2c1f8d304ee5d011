//! Wildcards as people write them: `*` for anything, `?` for one character, case ignored.

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<char>);

impl Wildcard {
    /// Any text is a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.to_lowercase().chars().collect())
    }

    /// Does the whole of `text` fit? Linear in practice: only the last `*` is ever gone back to.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let pattern = &self.0;
        let (mut at, mut from) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match pattern.get(from) {
                Some('*') => {
                    star = Some((from + 1, at));
                    from += 1;
                }
                Some(c) if *c == '?' || *c == text[at] => {
                    at += 1;
                    from += 1;
                }
                _ => match star {
                    Some((after, begun)) => {
                        from = after;
                        at = begun + 1;
                        star = Some((after, at));
                    }
                    None => return false,
                },
            }
        }
        pattern[from..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_mean_them() {
        for (pattern, text, fits) in [
            ("*@example.org", "Ann@Example.ORG", true),
            ("*@example.org", "ann@mail.example.org", false),
            ("inv?ice*", "Invoice 17", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("发票*", "发票代开", true),
        ] {
            assert_eq!(Wildcard::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_fits_itself(text in "[a-z@. ]{0,20}") {
            proptest::prop_assert!(Wildcard::new(&text).fits(&text));
            let around = ["*", &text, "*"].concat();
            proptest::prop_assert!(Wildcard::new(&around).fits(&text));
        }
    }
}
