//! `if`, `ifplugin`, `else`, `endif`: which lines count.

use crate::limits::CONDITION_DEPTH_MAX;
use std::collections::BTreeSet;

use crate::meta::Expression;

/// Plugins that SpamAssassin loads by itself.
pub(super) const PLUGINS: &[&str] = &[
    "URIDNSBL",
    "SPF",
    "Pyzor",
    "Razor2",
    "SpamCop",
    "AutoLearnThreshold",
    "WelcomeListSubject",
    "WhiteListSubject",
    "MIMEHeader",
    "ReplaceTags",
    "DKIM",
    "Check",
    "HTTPSMismatch",
    "URIDetail",
    "Bayes",
    "BodyEval",
    "DNSEval",
    "HTMLEval",
    "HeaderEval",
    "MIMEEval",
    "RelayEval",
    "URIEval",
    "WLBLEval",
    "VBounce",
    "ImageInfo",
    "FreeMail",
    "AskDNS",
    "HashBL",
    "DMARC",
    "Dmarc",
];
/// More whose functions and settings have a meaning here, or are left out by name.
pub(super) const PLUGINS_KNOWN: &[&str] = &["Rule2XSBody", "OneLineBodyRuleType", "AWL", "TxRep"];
/// The program whose rules are read.
const VERSION: &str = "4.000001";
/// What it can.
const FEATURES: &[&str] = &[
    "Mail::SpamAssassin::Conf::feature_originating_ip_headers",
    "Mail::SpamAssassin::Conf::feature_dns_local_ports_permit_avoid",
    "Mail::SpamAssassin::Conf::feature_bayes_auto_learn_on_error",
    "Mail::SpamAssassin::Conf::feature_uri_host_listed",
    "Mail::SpamAssassin::Conf::feature_yesno_takes_args",
    "Mail::SpamAssassin::Conf::feature_bug6558_free",
    "Mail::SpamAssassin::Conf::feature_edns",
    "Mail::SpamAssassin::Conf::feature_dns_query_restriction",
    "Mail::SpamAssassin::Conf::feature_registryboundaries",
    "Mail::SpamAssassin::Conf::feature_geodb",
    "Mail::SpamAssassin::Conf::feature_dns_block_rule",
    "Mail::SpamAssassin::Conf::feature_compile_regexp",
    "Mail::SpamAssassin::Conf::feature_meta_rules_matching",
    "Mail::SpamAssassin::Conf::feature_subjprefix",
    "Mail::SpamAssassin::Conf::feature_bayes_stopwords",
    "Mail::SpamAssassin::Conf::feature_get_host",
    "Mail::SpamAssassin::Conf::feature_welcomelist_blocklist",
    "Mail::SpamAssassin::Conf::compat_welcomelist_blocklist",
    "Mail::SpamAssassin::Conf::feature_header_address_parser",
    "Mail::SpamAssassin::Conf::feature_local_tests_only",
    "Mail::SpamAssassin::Conf::feature_header_first_last",
    "Mail::SpamAssassin::Conf::feature_header_match_many",
    "Mail::SpamAssassin::Conf::feature_capture_rules",
    "Mail::SpamAssassin::Conf::perl_min_version_5010000",
];

/// What a line was.
pub(super) enum Step {
    /// A condition began; the plugin it asks for and that is missing.
    Entered { missing_plugin: Option<String> },
    /// `else` or `endif`.
    Left,
    /// None of these.
    Ordinary,
}

/// Conditions that are open: for each, was skipped before it began?
#[derive(Debug, Default)]
pub(super) struct Stack {
    before: Vec<bool>,
    skips: bool,
}

impl Stack {
    pub(super) const fn skips(&self) -> bool {
        self.skips
    }

    pub(super) const fn is_open(&self) -> bool {
        !self.before.is_empty()
    }

    pub(super) fn line(
        &mut self,
        key: &str,
        value: &str,
        plugins: &BTreeSet<String>,
    ) -> Result<Step, String> {
        match key {
            "ifplugin" | "if" => {
                if self.before.len() >= CONDITION_DEPTH_MAX {
                    return Err(format!("conditions nest deeper than {CONDITION_DEPTH_MAX}"));
                }
                self.before.push(self.skips);
                let condition = if key == "if" {
                    value.to_owned()
                } else {
                    format!("plugin ({value})")
                };
                let was_skipping = self.skips;
                let (holds, missing) = holds(&condition, plugins).map_err(|error| {
                    self.skips = true;
                    format!("{error}; expected a condition of plugin(…), can(…), version and numbers, and passed over what stands in it")
                })?;
                self.skips |= !holds;
                Ok(Step::Entered {
                    missing_plugin: missing.filter(|_| !was_skipping && !holds),
                })
            }
            "else" => {
                if self.before.is_empty() {
                    return Err("an else stands without an if".into());
                }
                self.skips = self.before.contains(&true) || !self.skips;
                Ok(Step::Left)
            }
            "endif" => {
                self.skips = self.before.pop().ok_or("an endif stands without an if")?;
                Ok(Step::Left)
            }
            _ => Ok(Step::Ordinary),
        }
    }
}

/// Is it so? And a plugin it names that is missing.
fn holds(condition: &str, plugins: &BTreeSet<String>) -> Result<(bool, Option<String>), String> {
    let mut plain = String::new();
    let mut missing = None;
    let mut rest = condition;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        if !is_word(c) {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        match word {
            "plugin" | "can" | "has" => {
                let open = behind
                    .trim_start()
                    .strip_prefix('(')
                    .ok_or("a name in parentheses is missing")?;
                let close = open.find(')').ok_or("a parenthesis is not closed")?;
                let name = open[..close].trim();
                let is_so = match word {
                    "plugin" => plugins.contains(name),
                    _ => FEATURES.contains(&name) || has_feature(name, plugins),
                };
                if word == "plugin" && !is_so {
                    missing = Some(name.to_owned());
                }
                plain.push(if is_so { '1' } else { '0' });
                rest = &open[close + 1..];
            }
            "version" => plain.push_str(VERSION),
            "perl_version" => plain.push_str("5.036000"),
            "local_tests_only" => plain.push('1'),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => plain.push_str(number),
            word => return Err(format!("{word} has no meaning in a condition")),
        }
    }
    let value = Expression::<String>::read(&plain)?.value(&|_| 0.0);
    Ok((value != 0.0, missing))
}

/// What plugins say they can: of those whose functions are here, all.
fn has_feature(name: &str, plugins: &BTreeSet<String>) -> bool {
    let Some((plugin, feature)) = name.rsplit_once("::") else {
        return false;
    };
    let short = plugin.rsplit("::").next().unwrap_or_default();
    let here = [
        "BodyEval",
        "MIMEEval",
        "HTMLEval",
        "HeaderEval",
        "URIEval",
        "FreeMail",
        "ImageInfo",
        "RelayEval",
        "DKIM",
        "SPF",
        "URIDNSBL",
        "ReplaceTags",
        "MIMEHeader",
    ];
    feature.starts_with("has_") && here.contains(&short) && plugins.contains(plugin)
}
