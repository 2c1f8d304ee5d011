//! What somebody looks for in a mailbox, as a thief would: only the topic is kept, never the words.

use serde::{Deserialize, Serialize};

/// Topics a search touched, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topics(u8);

/// Each topic with the words that touch it, lower case. Those that reports on business e-mail compromise name (FBI IC3, Microsoft's
/// "account takeover" playbook), in the languages the console speaks and a few neighbours of them.
const WORDS: [(&str, &[&str]); 8] = [
    (
        "payment",
        &[
            "invoice",
            "payment",
            "remittance",
            "purchase order",
            "overdue",
            "rechnung",
            "zahlung",
            "facture",
            "发票",
            "付款",
            "汇款",
        ],
    ),
    (
        "bank",
        &[
            "iban",
            "swift",
            "wire transfer",
            "bank account",
            "routing number",
            "kontonummer",
            "überweisung",
            "virement",
            "银行",
            "账户",
        ],
    ),
    (
        "credentials",
        &[
            "password",
            "passwd",
            "credential",
            "passphrase",
            "2fa",
            "one-time code",
            "passwort",
            "kennwort",
            "mot de passe",
            "密码",
            "验证码",
        ],
    ),
    (
        "payroll",
        &[
            "payroll",
            "salary",
            "direct deposit",
            "w-2",
            "gehalt",
            "lohn",
            "salaire",
            "工资",
            "薪资",
        ],
    ),
    (
        "identity",
        &[
            "passport",
            "social security",
            "ssn",
            "driver license",
            "tax return",
            "ausweis",
            "护照",
            "身份证",
        ],
    ),
    (
        "contract",
        &[
            "contract",
            "confidential",
            "nda",
            "merger",
            "acquisition",
            "vertrag",
            "vertraulich",
            "合同",
            "机密",
        ],
    ),
    (
        "wallet",
        &[
            "wallet",
            "seed phrase",
            "private key",
            "bitcoin",
            "crypto",
            "钱包",
            "私钥",
        ],
    ),
    (
        "access",
        &[
            "vpn",
            "remote desktop",
            "rdp",
            "ssh",
            "admin account",
            "远程",
        ],
    ),
];

impl Topics {
    /// What a search term touches.
    pub fn of(text: &str) -> Self {
        let text = text.to_lowercase();
        let touched = |words: &[&str]| words.iter().any(|word| holds(&text, word));
        let bits = WORDS
            .iter()
            .enumerate()
            .filter(|(_, (_, words))| touched(words));
        Self(bits.fold(0, |bits, (number, _)| bits | 1 << number))
    }

    /// Their numbers.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..WORDS.len() as u32).filter(move |number| self.0 & (1 << number) != 0)
    }

    /// None at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Does the text hold the word, not as a part of a longer one? Scripts without blanks have no longer ones.
fn holds(text: &str, word: &str) -> bool {
    let bare = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        // A plural is the same word.
        let after = after.strip_prefix('s').unwrap_or(after);
        bare(before.chars().next_back()) && bare(after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_touches_topics_and_keeps_no_words() {
        let numbers = |text: &str| Topics::of(text).numbers().collect::<Vec<_>>();
        assert_eq!(numbers(r#"TEXT "Invoices" SINCE 1-Jan-2026"#), [0]);
        assert_eq!(numbers(r#"OR BODY "password" BODY "IBAN""#), [1, 2]);
        assert_eq!(numbers("SUBJECT 发票"), [0]);
        // A part of another word is not the word.
        assert_eq!(numbers("FROM sandalwood@agenda.example"), [0_u32; 0]);
        assert!(Topics::of("UNSEEN").is_empty());
    }

    #[test]
    fn words_are_lower_case_and_in_one_topic() {
        let mut seen = std::collections::BTreeSet::new();
        for (_, words) in WORDS {
            for word in words {
                assert_eq!(*word, word.to_lowercase());
                assert!(seen.insert(*word), "{word}");
            }
        }
    }
}
