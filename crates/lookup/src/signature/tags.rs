//! Lists of tags: `v=1; a=rsa-sha256; …` (RFC 6376 §3.2), the one form of signatures, keys and policies.

/// Tags with their values, in the order they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tags<'t>(Vec<(&'t str, &'t str)>);

/// What stands there is no list of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTags;

impl<'t> Tags<'t> {
    /// `tag-list = tag-spec *( ";" tag-spec ) [ ";" ]`, white space and line breaks around names and values. A name that
    /// stands twice makes the whole list invalid, as the RFC says.
    pub(crate) fn read(text: &'t str) -> Result<Self, NoTags> {
        let mut tags = Vec::new();
        let text = text.trim_matches(is_space);
        let text = text.strip_suffix(';').unwrap_or(text);
        for spec in text.split(';') {
            let (name, value) = spec.split_once('=').ok_or(NoTags)?;
            let name = name.trim_matches(is_space);
            let value = value.trim_matches(is_space);
            let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let valued = value
                .bytes()
                .all(|byte| byte > b' ' && byte != 0x7f || is_space(byte as char));
            let twice = tags.iter().any(|(known, _)| *known == name);
            if !named || !valued || twice || tags.len() == TAGS_MAX {
                return Err(NoTags);
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// As [`Tags::read`], passing over what is no tag: the records of domains' owners, where the RFCs ask to ignore
    /// what is not understood. The first of several values counts.
    pub(crate) fn read_what_can_be(text: &'t str) -> Self {
        let tag = |spec: &'t str| {
            let (name, value) = spec.split_once('=')?;
            Some((name.trim_matches(is_space), value.trim_matches(is_space)))
        };
        Self(text.split(';').filter_map(tag).take(TAGS_MAX).collect())
    }

    /// The value of a tag.
    pub(crate) fn get(&self, name: &str) -> Option<&'t str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// The first tag, by name and value.
    pub(crate) fn first(&self) -> Option<(&'t str, &'t str)> {
        self.0.first().copied()
    }

    /// The value of a tag as a whole number of at most 76 digits (RFC 6376 §3.5, `l=`); larger ones are the largest.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, NoTags> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if value.is_empty() || value.len() > 76 || !value.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(NoTags);
        }
        Ok(Some(value.parse().unwrap_or(u64::MAX)))
    }

    /// The value of a tag as base64 with white space anywhere.
    pub(crate) fn base64(&self, name: &str) -> Result<Option<Vec<u8>>, NoTags> {
        self.get(name).map(base64).transpose()
    }

    /// The value of a tag as words between colons.
    pub(crate) fn words(&self, name: &str) -> Option<impl Iterator<Item = &'t str> + use<'t>> {
        self.get(name)
            .map(|value| value.split(':').map(|word| word.trim_matches(is_space)))
    }
}

/// More tags than any standard has, and than anybody should be made to compare.
const TAGS_MAX: usize = 64;

/// Space, tab, and the line breaks of folding.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Decodes base64 with white space anywhere; padding may be missing, as some signers leave it out.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, NoTags> {
    let mut digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !is_space(*byte as char))
        .collect();
    while digits.last() == Some(&b'=') {
        digits.pop();
    }
    data_encoding::BASE64_NOPAD
        .decode(&digits)
        .or_else(|_| lenient().decode(&digits))
        .map_err(|_| NoTags)
}

/// The last digit may carry bits nobody looks at; encoders exist that set them.
fn lenient() -> data_encoding::Encoding {
    let mut specification = data_encoding::BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification
        .encoding()
        .unwrap_or(data_encoding::BASE64_NOPAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(&str, &str)]>) {
        let read = Tags::read(text).ok();
        let pairs = read.as_ref().map(|tags| tags.0.as_slice());
        assert_eq!(pairs, expected, "{text:?}");
    }

    #[test]
    fn lists_of_tags() {
        check(
            "v=1; a=rsa-sha256;",
            Some(&[("v", "1"), ("a", "rsa-sha256")]),
        );
        check(" v =\r\n 1 ;\tb= ", Some(&[("v", "1"), ("b", "")]));
        check("x=a=b", Some(&[("x", "a=b")]));
        check("v=1; v=1", None);
        check("v=1;; a=x", None);
        check("v", None);
        check("", None);
        check("1v=x", None);
        check("v=a\u{7f}b", None);
    }

    #[test]
    fn values_of_tags() {
        let tags = Tags::read("l=12; m=-1; h=from : to; b=SGVs\r\n bG8; p=").expect("tags");
        assert_eq!(tags.number("l"), Ok(Some(12)));
        assert_eq!(tags.number("m"), Err(NoTags));
        assert_eq!(tags.number("x"), Ok(None));
        let words: Vec<_> = tags.words("h").expect("words").collect();
        assert_eq!(words, ["from", "to"]);
        assert_eq!(tags.base64("b"), Ok(Some(b"Hello".to_vec())));
        assert_eq!(tags.base64("p"), Ok(Some(Vec::new())));
        assert_eq!(base64("SGVsbG8="), Ok(b"Hello".to_vec()));
        assert!(base64("S*Vs").is_err());
    }
}
