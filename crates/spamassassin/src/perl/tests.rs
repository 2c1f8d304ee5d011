//! What Perl means, and what is said instead.

use super::*;

fn linear(pattern: &str) -> String {
    let (body, flags) = delimited(pattern.as_bytes()).expect("delimited");
    let said = said(body, flags).expect("said");
    assert_eq!(said.backtracking, None, "{pattern}");
    said.linear
}

#[test]
fn patterns_keep_their_meaning() {
    for (perl, text, matches) in [
        ("/free money/i", "FREE Money", true),
        (r"/^\s*$/", "", true),
        ("/foo$/", "foo\n", true),
        ("/foo$/", "foo\nx", false),
        ("/foo$/m", "foo\nx", true),
        ("/a.b/", "a\nb", false),
        ("/a.b/s", "a\nb", true),
        ("/a b # c\n c/x", "abc", true),
        ("m{http://[^/]+/}i", "HTTP://x.example/", true),
        ("m!a/b!", "a/b", true),
        (r"/[\]\-^]/", "^", true),
        ("/[]a]/", "]", true),
        ("/[[:upper:]]{3}/", "ABC", true),
        ("/[[:upper:]]{3}/i", "abc", true),
        ("/[^a]/i", "A", false),
        (r"/x{,3}/", "x{,3}", true),
        (r"/\x41\x{42}\103/", "ABC", true),
        (r"/(?i:a)b/", "Ab", true),
        (r"/(?i:a)b/", "AB", false),
        (r"/(?i)ab|cd/", "CD", true),
        (r"/\Qa.b\E./", "a.bc", true),
        (r"/\<b\>/", "<b>", true),
        (r"/a&&b~~c/", "a&&b~~c", true),
        (r"/[a&&b]/", "&", true),
        (r"/a(?#no)b/", "ab", true),
    ] {
        let regex = regex::bytes::RegexBuilder::new(&linear(perl))
            .unicode(false)
            .build();
        let regex = regex.unwrap_or_else(|error| panic!("{perl}: {error}"));
        assert_eq!(
            regex.is_match(text.as_bytes()),
            matches,
            "{perl} on {text:?}: {}",
            regex.as_str()
        );
    }
}

#[test]
fn what_linear_time_cannot_say_is_said_with_a_sieve_before_it() {
    for (perl, yes, no) in [
        ("/(?<!un)safe/", "safe", "unsafe"),
        ("/foo(?!bar)/i", "FOObaz", "FooBar"),
        (r"/(\w)\1\1/", "aaa", "aab"),
        (r"/^(a\w+) (?i)\1$/", "aB Ab", "aB aC"),
        (r"/^(a\w+) \1$/", "aB aB", "aB Ab"),
        ("/a++b/", "aab", "b"),
        ("/(?>a+)b/", "aab", "b"),
        (r"/(?=.*x)\by/", "yx", "y"),
        (r"/(?<q>['x]).\k<q>/", "'a'", "'ax"),
    ] {
        let (body, flags) = delimited(perl.as_bytes()).expect("delimited");
        let said = said(body, flags).expect("said");
        let sieve = regex::bytes::RegexBuilder::new(&said.linear)
            .unicode(false)
            .build()
            .expect("sieve");
        let exact = fancy_regex::Regex::new(&said.backtracking.expect("needed")).expect("exact");
        assert!(sieve.is_match(yes.as_bytes()), "{perl}");
        assert!(exact.is_match(yes).expect("in budget"), "{perl} on {yes}");
        assert!(!exact.is_match(no).expect("in budget"), "{perl} on {no}");
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    for pattern in [
        "/(a/",
        "/a)/",
        "/[a/",
        r"/\p{Han}/",
        r"/\x{4e00}/",
        "/(?{ die })/",
        "/(*SKIP)/",
        "/(?&x)/",
        "/[z-a]/",
    ] {
        let (body, flags) = delimited(pattern.as_bytes()).expect("delimited");
        assert!(said(body, flags).is_err(), "{pattern}");
    }
    assert!(delimited(b"abc").is_err());
    assert!(delimited(b"/abc").is_err());
    assert!(delimited(b"/abc/Z").is_err());
}

proptest::proptest! {
    /// Whatever is written, what is said compiles or is refused; nothing panics.
    #[test]
    fn anything(pattern in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
        if let Ok(said) = said(&pattern, b"i") {
            drop(regex::bytes::RegexBuilder::new(&said.linear).unicode(false).build());
        }
    }
}
