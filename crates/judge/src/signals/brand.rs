//! A sender who calls itself by a name everybody knows, and writes from somewhere else.

use mail::message::LinkFrom;
use mail::text::normalise;
use mail::{Facts, Site};

/// A name as people know it (in normal form, with the spaces of words around it), and the registered domains its owner sends from.
/// Kept to names that are used to deceive, with the domains they publish; add yours by rules.
const BRANDS: &[(&str, &[&str])] = &[
    (
        "microsoft",
        &[
            "microsoft.com",
            "microsoftonline.com",
            "office.com",
            "office365.com",
            "outlook.com",
            "live.com",
            "azure.com",
            "linkedin.com",
            "skype.com",
            "xbox.com",
        ],
    ),
    (
        "office 365",
        &[
            "microsoft.com",
            "office.com",
            "office365.com",
            "microsoftonline.com",
        ],
    ),
    ("outlook support", &["microsoft.com", "outlook.com"]),
    ("apple", &["apple.com", "icloud.com", "me.com"]),
    ("icloud", &["apple.com", "icloud.com"]),
    (
        "google",
        &[
            "google.com",
            "youtube.com",
            "gmail.com",
            "googlemail.com",
            "googlegroups.com",
        ],
    ),
    (
        "paypal",
        &[
            "paypal.com",
            "paypal.de",
            "paypal.co.uk",
            "paypal.fr",
            "paypal.it",
            "paypal.es",
        ],
    ),
    (
        "amazon",
        &[
            "amazon.com",
            "amazon.de",
            "amazon.co.uk",
            "amazon.fr",
            "amazon.it",
            "amazon.es",
            "amazon.co.jp",
            "amazon.com.br",
            "amazon.cn",
            "amazonaws.com",
            "amazonses.com",
            "amazon.nl",
            "amazon.ca",
            "amazon.in",
        ],
    ),
    ("netflix", &["netflix.com"]),
    (
        "facebook",
        &["facebook.com", "facebookmail.com", "meta.com", "fb.com"],
    ),
    (
        "instagram",
        &["instagram.com", "facebookmail.com", "meta.com"],
    ),
    (
        "whatsapp",
        &["whatsapp.com", "meta.com", "facebookmail.com"],
    ),
    ("linkedin", &["linkedin.com"]),
    ("spotify", &["spotify.com"]),
    ("dropbox", &["dropbox.com", "dropboxmail.com"]),
    ("docusign", &["docusign.com", "docusign.net"]),
    ("adobe", &["adobe.com", "adobesign.com"]),
    ("wetransfer", &["wetransfer.com"]),
    (
        "norton",
        &["norton.com", "nortonlifelock.com", "gendigital.com"],
    ),
    ("mcafee", &["mcafee.com"]),
    ("geek squad", &["bestbuy.com", "geeksquad.com"]),
    (
        "dhl",
        &[
            "dhl.com",
            "dhl.de",
            "dhl.fr",
            "dhl.co.uk",
            "deutschepost.de",
            "dpdhl.com",
        ],
    ),
    ("fedex", &["fedex.com"]),
    ("usps", &["usps.com", "usps.gov"]),
    ("ups", &["ups.com"]),
    ("correios", &["correios.com.br"]),
    ("royal mail", &["royalmail.com"]),
    ("deutsche post", &["deutschepost.de", "dhl.de"]),
    ("chase bank", &["chase.com", "jpmorgan.com"]),
    ("wells fargo", &["wellsfargo.com"]),
    ("bank of america", &["bankofamerica.com", "bofa.com"]),
    ("citibank", &["citi.com", "citibank.com"]),
    ("hsbc", &["hsbc.com", "hsbc.co.uk", "hsbc.com.hk"]),
    ("barclays", &["barclays.com", "barclays.co.uk"]),
    ("american express", &["americanexpress.com", "aexp.com"]),
    (
        "santander",
        &[
            "santander.com",
            "santander.com.br",
            "santander.co.uk",
            "santander.de",
            "gruposantander.com",
        ],
    ),
    ("bradesco", &["bradesco.com.br", "bradesco"]),
    ("itau", &["itau.com.br", "itau-unibanco.com.br"]),
    ("banco do brasil", &["bb.com.br"]),
    ("caixa economica", &["caixa.gov.br"]),
    ("nubank", &["nubank.com.br"]),
    ("sparkasse", &["sparkasse.de", "s-communication.de"]),
    ("volksbank", &["volksbank.de", "vr.de", "vr-networld.de"]),
    ("commerzbank", &["commerzbank.com", "commerzbank.de"]),
    ("coinbase", &["coinbase.com"]),
    ("binance", &["binance.com"]),
    ("metamask", &["metamask.io", "consensys.net"]),
    ("trust wallet", &["trustwallet.com"]),
    ("exodus support", &["exodus.com", "exodus.io"]),
    ("blockchain com", &["blockchain.com"]),
    ("walmart", &["walmart.com"]),
    ("costco", &["costco.com"]),
    ("cvs pharmacy", &["cvs.com"]),
    ("home depot", &["homedepot.com"]),
    ("makita", &["makita.com", "makitatools.com"]),
    ("dewalt", &["dewalt.com"]),
    ("kaufland", &["kaufland.de", "kaufland.com"]),
    ("lidl", &["lidl.de", "lidl.com"]),
    ("verde casino", &["verdecasino.com"]),
    ("ebay", &["ebay.com", "ebay.de", "ebay.co.uk"]),
    ("booking com", &["booking.com"]),
    ("federal bureau of investigation", &["fbi.gov"]),
    ("internal revenue service", &["irs.gov"]),
    ("支付宝", &["alipay.com", "taobao.com"]),
    ("工商银行", &["icbc.com.cn"]),
    ("建设银行", &["ccb.com"]),
    ("招商银行", &["cmbchina.com"]),
];

/// Names that are words too: only at the start they say who writes.
const WORDS: [&str; 5] = ["apple", "google", "ups", "norton", "adobe"];

pub(super) fn brand_from_elsewhere(facts: &Facts, _: &Site) -> Option<String> {
    let from = facts.message.header_from.first()?;
    let domain = from.address.as_ref()?.domain()?;
    let name = format!(" {} ", normalise(from.name.as_deref()?));
    let calls_itself = |brand: &str| {
        if WORDS.contains(&brand) {
            name.starts_with(&format!(" {brand} "))
        } else if brand.is_ascii() {
            name.contains(&format!(" {brand} "))
        } else {
            name.contains(brand)
        }
    };
    let owns = |own: &str| {
        let host = domain.as_str();
        host == own
            || host
                .strip_suffix(own)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let (brand, _) = BRANDS
        .iter()
        .find(|(brand, own)| calls_itself(brand) && !own.iter().any(|own| owns(own)))?;
    // A person of that name who asks nothing of anybody, or a list that writes its members' names, leads nowhere.
    let leads = facts
        .message
        .links
        .iter()
        .any(|link| link.from != LinkFrom::Header);
    let sells = leads || !facts.message.contacts.is_empty() || facts.message.parts.len() > 1;
    sells.then(|| format!("calls itself {brand}, writes from {domain}"))
}
