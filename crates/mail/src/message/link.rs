//! Links: where a message wants to be followed to, out of HTML, text and header.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::address::floor_char_boundary;
use crate::html::Anchor;
use crate::text::is_cjk;

/// Ways out that are looked at in one page.
const WAYS_OUT_MAX: usize = 5;
/// Longest link kept, bytes.
const URL_BYTES_MAX: usize = 2000;

/// One place a message leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// As a browser would ask for it (WHATWG URL): scheme and host in lower case, host in its ASCII form.
    pub url: String,
    /// Its host: a name in ASCII (`xn--…`), or an address.
    pub host: String,
    /// The part of the host that somebody registered, by the public suffix list; the host itself for addresses.
    pub domain: String,
    /// Where it stands.
    pub from: LinkFrom,
    /// What is odd about it.
    pub oddities: Vec<LinkOddity>,
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkFrom {
    /// Something to click in HTML.
    Anchor,
    /// Written out in text.
    Text,
    /// Where a form is sent.
    Form,
    /// A picture that is fetched.
    Image,
    /// Where the page goes by itself.
    Refresh,
    /// An attachment.
    Attachment,
    /// The header.
    Header,
    /// An address to write to, offered in HTML like a link (`mailto:`); its host is the address's domain.
    Letter,
}

/// Something about a link that links of honest mail seldom have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkOddity {
    /// Its text shows another registered domain than it leads to.
    ShowsOtherDomain,
    /// The host is a bare address.
    AddressHost,
    /// The host has letters outside ASCII (punycode).
    Punycode,
    /// The name of the host mixes scripts, or is made of letters that look like Latin ones.
    Lookalike,
    /// A shortener: the real place is not shown.
    Shortener,
    /// Something before `@`, which is read as the host by people.
    UserInfo,
    /// Not port 80 or 443.
    OddPort,
    /// More than four labels before the registered domain.
    ManyLabels,
    /// The link holds a recipient-like address, as tracking and prefilled phishing pages do.
    HoldsAddress,
    /// Its host stands below a domain where anybody may publish (the private part of the public suffix list).
    OpenHosting,
    /// It holds its whole page (`data:`) or is a script (`javascript:`).
    HoldsPage,
    /// The way out (`unsubscribe`) leads to the very place of the offer: whoever wants to be left alone gets there too.
    WayOutIsOffer,
}

/// Hosts that only lead on to others.
const SHORTENERS: [&str; 57] = [
    "adf.ly",
    "bit.do",
    "bit.ly",
    "bitly.com",
    "bl.ink",
    "buff.ly",
    "cutt.ly",
    "cutt.us",
    "dlvr.it",
    "dub.sh",
    "goo.gl",
    "goo.su",
    "is.gd",
    "kutt.it",
    "lnkd.in",
    "n9.cl",
    "ow.ly",
    "ouo.io",
    "qr.ae",
    "qrco.de",
    "rb.gy",
    "rebrand.ly",
    "s.id",
    "shorturl.at",
    "short.gy",
    "shorte.st",
    "soo.gd",
    "t.co",
    "t.cn",
    "t.ly",
    "t.me",
    "t2m.io",
    "tiny.cc",
    "tinyurl.com",
    "tr.im",
    "u.to",
    "url.cn",
    "v.gd",
    "wp.me",
    "x.co",
    "yourls.org",
    "bitly.ws",
    "clck.ru",
    "clk.im",
    "lihi.cc",
    "lihi1.cc",
    "lihi2.cc",
    "lnk.to",
    "me-qr.com",
    "page.link",
    "qrcodes.pro",
    "surl.li",
    "tinu.be",
    "u.nu",
    "urlr.me",
    "urlz.fr",
    "vk.cc",
];

/// Places where anybody may publish a page or a form, besides those that the public suffix list knows.
const OPEN_HOSTS: [&str; 27] = [
    "1drv.ms",
    "canva.site",
    "docs.google.com",
    "drive.google.com",
    "forms.gle",
    "forms.office.com",
    "forms.yandex.com",
    "forms.yandex.ru",
    "formstack.com",
    "glitch.me",
    "godaddysites.com",
    "ipfs.io",
    "jotform.com",
    "mystrikingly.com",
    "notion.site",
    "sites.google.com",
    "storage.googleapis.com",
    "storage.yandexcloud.net",
    "strikingly.com",
    "substack.com",
    "surveymonkey.com",
    "telegra.ph",
    "typeform.com",
    "web.core.windows.net",
    "webflow.io",
    "weebly.com",
    "zohopublic.com",
];

impl Link {
    /// Reads a link as it was written. `None` when it leads nowhere outside the message.
    pub(crate) fn read(written: &str, shown: &str, from: LinkFrom) -> Option<Self> {
        let written = written.trim();
        let written = &written[..floor_char_boundary(written, URL_BYTES_MAX)];
        let start = written.get(..12).unwrap_or(written).to_ascii_lowercase();
        if start.starts_with("data:") || start.starts_with("javascript:") {
            let (scheme, _) = written.split_once(':')?;
            return Some(Self {
                url: format!("{}:", scheme.to_ascii_lowercase()),
                host: String::new(),
                domain: String::new(),
                from,
                oddities: vec![LinkOddity::HoldsPage],
            });
        }
        if start.starts_with("mailto:") && from == LinkFrom::Anchor {
            return Self::letter(&written["mailto:".len()..]);
        }
        // In mail a link without scheme leads to the web all the same.
        let with_scheme = if start.starts_with("//") {
            format!("http:{written}")
        } else if start.starts_with("www.") {
            format!("http://{written}")
        } else {
            written.to_owned()
        };
        let url = Url::parse(&with_scheme).ok()?;
        if !matches!(url.scheme(), "http" | "https" | "ftp") {
            return None;
        }
        let (host, domain) = match url.host()? {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_owned();
                let domain = registered(&name).to_owned();
                (name, domain)
            }
            Host::Ipv4(ip) => (ip.to_string(), ip.to_string()),
            Host::Ipv6(ip) => (ip.to_string(), ip.to_string()),
        };
        let mut link = Self {
            oddities: Vec::new(),
            host,
            domain,
            from,
            url: url.to_string(),
        };
        link.look(&url, shown);
        link.url
            .truncate(floor_char_boundary(&link.url, URL_BYTES_MAX));
        Some(link)
    }

    /// The first address of a `mailto:` (RFC 6068).
    fn letter(rest: &str) -> Option<Self> {
        let to = rest.split(['?', ',']).next()?.trim();
        let to = to.replace("%40", "@").to_lowercase();
        let (name, host) = to.rsplit_once('@')?;
        let host = idna::domain_to_ascii(host).ok()?;
        (!name.is_empty() && host.contains('.')).then(|| Self {
            url: format!("mailto:{name}@{host}"),
            domain: registered(&host).to_owned(),
            host,
            from: LinkFrom::Letter,
            oddities: Vec::new(),
        })
    }

    fn look(&mut self, url: &Url, shown: &str) {
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        let unicode = if self.host.contains("xn--") {
            idna::domain_to_unicode(&self.host).0
        } else {
            String::new()
        };
        let below = self.host.len().saturating_sub(self.domain.len());
        let found = [
            (
                LinkOddity::ShowsOtherDomain,
                shown_domain(shown).is_some_and(|shown| shown != self.domain),
            ),
            (LinkOddity::AddressHost, !is_name),
            (LinkOddity::Punycode, !unicode.is_empty()),
            (
                LinkOddity::Lookalike,
                !unicode.is_empty() && crate::text::Normal::of(&unicode).disguises() > 0,
            ),
            (
                LinkOddity::Shortener,
                SHORTENERS.contains(&self.domain.as_str())
                    || SHORTENERS.contains(&self.host.as_str()),
            ),
            (
                LinkOddity::UserInfo,
                !url.username().is_empty() || url.password().is_some(),
            ),
            (
                LinkOddity::OddPort,
                url.port().is_some_and(|port| !matches!(port, 80 | 443)),
            ),
            (
                LinkOddity::ManyLabels,
                is_name
                    && self.host[..below]
                        .split('.')
                        .filter(|label| !label.is_empty())
                        .count()
                        > 4,
            ),
            (LinkOddity::HoldsAddress, holds_address(url)),
            (LinkOddity::OpenHosting, is_name && open_hosting(&self.host)),
        ];
        self.oddities = found
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(oddity, _)| oddity)
            .collect();
    }
}

/// Words by which links say that they lead out of a mailing.
const WAY_OUT: [&str; 14] = [
    "unsubscribe",
    "opt out",
    "opt-out",
    "remove",
    "abmelden",
    "abbestellen",
    "désabonner",
    "désinscrire",
    "cancelar",
    "darse de baja",
    "descadastrar",
    "disiscriviti",
    "退订",
    "取消订阅",
];

/// Words of links that stand beside the way out in honest mail, and lead to the same page.
const SETTINGS: [&str; 10] = [
    "preference",
    "setting",
    "manage",
    "profile",
    "subscription",
    "update",
    "einstellung",
    "préférence",
    "preferencia",
    "here",
];

/// Targets that one link shows as the way out of a mailing, and another as something else to look at.
pub(super) fn ways_out_that_are_offers(anchors: &[Anchor]) -> Vec<&str> {
    let says = |anchor: &Anchor, words: &[&str]| {
        let shown = anchor.shown.to_lowercase();
        words.iter().any(|word| shown.contains(word))
    };
    let (out, other): (Vec<&Anchor>, Vec<&Anchor>) =
        anchors.iter().partition(|anchor| says(anchor, &WAY_OUT));
    let is_offer = |target: &str| {
        other
            .iter()
            .any(|anchor| anchor.target == target && !says(anchor, &SETTINGS))
    };
    let targets = out.into_iter().map(|anchor| anchor.target.as_str());
    targets
        .take(WAYS_OUT_MAX)
        .filter(|target| is_offer(target))
        .collect()
}

/// The registered domain of a host name: one label more than its public suffix.
pub fn registered(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

fn open_hosting(host: &str) -> bool {
    let known = |own: &str| {
        let rest = host.strip_suffix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    OPEN_HOSTS.iter().any(|own| known(own))
        || psl::suffix(host.as_bytes())
            .is_some_and(|suffix| suffix.typ() == Some(psl::Type::Private))
}

/// The registered domain that a link's text names, when it is written like a place on the web.
fn shown_domain(shown: &str) -> Option<String> {
    let shown = shown.trim();
    if shown.len() > 300
        || shown.contains(char::is_whitespace)
        || !shown.contains('.')
        || shown.contains('@')
    {
        return None;
    }
    let lower = shown.to_lowercase();
    let rest = lower
        .strip_prefix("https://")
        .or_else(|| lower.strip_prefix("http://"))
        .unwrap_or(&lower);
    let host = rest
        .split(['/', '?', '#', ':'])
        .next()?
        .trim_end_matches('.');
    let ascii = idna::domain_to_ascii(host).ok()?;
    let suffix = psl::suffix(ascii.as_bytes())?;
    // "Inc.Ltd" and "v1.2" are no hosts: the ending must be a known one.
    suffix.is_known().then(|| registered(&ascii).to_owned())
}

fn holds_address(url: &Url) -> bool {
    let tail = &url[url::Position::BeforePath..];
    let tail = tail.replace("%40", "@");
    tail.split(['/', '?', '#', '&', '=']).any(|piece| {
        piece.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && domain.contains('.') && !domain.contains('@')
        })
    })
}

/// Links written out in text, as ranges of it: `http://…`, `https://…`, `ftp://…`, `www.…`.
pub(crate) fn written_out(text: &str, most: usize) -> Vec<&str> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let mut from = 0;
    while found.len() < most {
        let Some((start, next)) = next_start(bytes, from) else {
            break;
        };
        let rest = &text[start..];
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                c.is_whitespace()
                    || c.is_control()
                    || is_cjk(*c)
                    || "<>\"'`{}|\\^，。；：！？、（）【】《》「」“”‘’".contains(*c)
            })
            .map_or(rest.len(), |(at, _)| at);
        let mut link = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~']);
        // A closing bracket belongs to the link only when it was opened there.
        for (open, close) in [('(', ')'), ('[', ']')] {
            while link.ends_with(close) && link.matches(open).count() < link.matches(close).count()
            {
                link = &link[..link.len() - 1];
            }
        }
        if link.len() > "www.".len() {
            found.push(link);
        }
        from = (start + end).max(next);
    }
    found
}

/// Where the next link begins, and where to look on.
fn next_start(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        // Both forms hold one of these two; a dot is common, so `www` is looked for by its last letter and the dot.
        let colon = memchr::memmem::find(&bytes[at..], b"://").map(|found| at + found);
        let www = find_www(bytes, at, colon.unwrap_or(bytes.len()));
        if let Some(www) = www {
            return Some((www, www + 4));
        }
        let colon = colon?;
        let scheme = [b"https".as_slice(), b"http", b"ftp"]
            .into_iter()
            .find(|scheme| {
                colon >= from + scheme.len()
                    && bytes[colon - scheme.len()..colon].eq_ignore_ascii_case(scheme)
            });
        if let Some(scheme) = scheme {
            return Some((colon - scheme.len(), colon + 3));
        }
        at = colon + 3;
    }
}

fn find_www(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    memchr::memchr2_iter(b'w', b'W', bytes.get(from..to)?)
        .map(|found| from + found)
        .find(|at| {
            let alone = *at == 0
                || !bytes[at - 1].is_ascii_alphanumeric()
                    && !matches!(bytes[at - 1], b'/' | b'.' | b'@' | b'-');
            alone
                && bytes
                    .get(*at..at + 4)
                    .is_some_and(|start| start.eq_ignore_ascii_case(b"www."))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(written: &str, shown: &str) -> Link {
        Link::read(written, shown, LinkFrom::Anchor).expect("it is a link")
    }

    #[test]
    fn links_are_read_as_a_browser_reads_them() {
        for (written, host, domain, oddities) in [
            (
                "https://www.Example.co.uk/a?b#c",
                "www.example.co.uk",
                "example.co.uk",
                &[][..],
            ),
            ("//x.example.com", "x.example.com", "example.com", &[]),
            (
                "http://2130706433/",
                "127.0.0.1",
                "127.0.0.1",
                &[LinkOddity::AddressHost],
            ),
            (
                "http:\\\\0x7f.1\\x",
                "127.0.0.1",
                "127.0.0.1",
                &[LinkOddity::AddressHost],
            ),
            (
                "https://paypal.com@evil.example.net:8443/",
                "evil.example.net",
                "example.net",
                &[LinkOddity::UserInfo, LinkOddity::OddPort],
            ),
            (
                "http://bit.ly/x",
                "bit.ly",
                "bit.ly",
                &[LinkOddity::Shortener],
            ),
            (
                "http://рaypal.com/",
                "xn--aypal-uye.com",
                "xn--aypal-uye.com",
                &[LinkOddity::Punycode, LinkOddity::Lookalike],
            ),
            (
                "http://münchen.de/",
                "xn--mnchen-3ya.de",
                "xn--mnchen-3ya.de",
                &[LinkOddity::Punycode],
            ),
            (
                "http://a.b.c.d.e.example.org/u=bob%40x.example",
                "a.b.c.d.e.example.org",
                "example.org",
                &[LinkOddity::ManyLabels, LinkOddity::HoldsAddress],
            ),
        ] {
            let link = link(written, "");
            assert_eq!(
                (
                    link.host.as_str(),
                    link.domain.as_str(),
                    link.oddities.as_slice()
                ),
                (host, domain, oddities),
                "{written}"
            );
        }
        assert_eq!(
            link("DATA:text/html,x", "").oddities,
            [LinkOddity::HoldsPage]
        );
        let letter = link("mailto:Ann%40Mail.B.example?subject=x", "");
        assert_eq!(
            (letter.url.as_str(), letter.domain.as_str(), letter.from),
            ("mailto:ann@mail.b.example", "b.example", LinkFrom::Letter)
        );
        assert_eq!(Link::read("mailto:a@b.example", "", LinkFrom::Text), None);
        assert_eq!(Link::read("#top", "", LinkFrom::Anchor), None);
    }

    #[test]
    fn what_a_link_shows_is_compared_with_where_it_leads() {
        for (target, shown, differs) in [
            ("http://evil.example.net/", "www.bank.com", true),
            (
                "http://click.bank.com/x",
                "https://www.bank.com/login",
                false,
            ),
            ("http://evil.example.net/", "Click here", false),
            ("http://evil.example.net/", "v1.2", false),
            ("http://evil.example.net/", "ann@bank.com", false),
        ] {
            assert_eq!(
                link(target, shown)
                    .oddities
                    .contains(&LinkOddity::ShowsOtherDomain),
                differs,
                "{target} {shown}"
            );
        }
    }

    #[test]
    fn a_way_out_that_leads_to_the_offer() {
        let anchor = |target: &str, shown: &str| Anchor {
            target: target.to_owned(),
            shown: shown.to_owned(),
        };
        let check = |shown: &str, expected: &[&str]| {
            let anchors = [
                anchor("a", shown),
                anchor("a", "Unsubscribe"),
                anchor("b", "x"),
            ];
            assert_eq!(ways_out_that_are_offers(&anchors), expected, "{shown}");
        };
        check("Claim your prize", &["a"]);
        check("", &["a"]);
        check("Change your preferences", &[]);
        check("Unsubscribe from all", &[]);
    }

    #[test]
    fn links_are_found_in_text() {
        let text = "See (http://a.example/x_(y)), https://b.example. 请访问http://c.example/发票 or WWW.d.example/e! awww.no http://";
        assert_eq!(
            written_out(text, 10),
            [
                "http://a.example/x_(y)",
                "https://b.example",
                "http://c.example/",
                "WWW.d.example/e",
                "http://"
            ]
        );
        assert_eq!(written_out(text, 1).len(), 1);
    }
}
