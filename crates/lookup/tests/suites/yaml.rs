//! As much of YAML's values as the suites use.

use yaml_rust2::{Yaml, YamlLoader};

/// The documents of a file.
pub fn documents(bytes: &[u8]) -> Vec<Yaml> {
    let text = String::from_utf8_lossy(bytes);
    YamlLoader::load_from_str(&text).expect("a suite in YAML")
}

/// The entries of a mapping, names as text.
pub fn entries(value: &Yaml) -> impl Iterator<Item = (String, &Yaml)> {
    value
        .as_hash()
        .into_iter()
        .flatten()
        .map(|(name, value)| (text(name), value))
}

/// A scalar as text.
pub fn text(value: &Yaml) -> String {
    match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Boolean(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// A scalar, or each of a list of them.
pub fn texts(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}
