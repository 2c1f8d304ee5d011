//! Fields of forms and queries, as they come: repeated, missing, empty.

/// The fields of a form or a query, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn read(text: &str) -> Self {
        Self(serde_urlencoded::from_str(text).unwrap_or_default())
    }

    /// The first value of a field; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// The first value of a field, trimmed, unless it is empty.
    pub fn some(&self, name: &str) -> Option<String> {
        let value = self.get(name).trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Is the field there at all (a box that was ticked)?
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A number of a field.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).trim().parse().ok()
    }

    /// A query with one field set anew (or taken away by an empty value), the others as they are.
    pub fn with(&self, name: &str, value: &str) -> String {
        let others = self
            .0
            .iter()
            .filter(|(known, value)| known != name && !value.is_empty())
            .map(|(known, value)| (known.as_str(), value.as_str()));
        let own = (!value.is_empty()).then_some((name, value));
        let all: Vec<(&str, &str)> = others.chain(own).collect();
        serde_urlencoded::to_string(all).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written() {
        let fields = Fields::read("item=a&item=b&x=+1+&empty=&u=%E5%8F%91");
        assert_eq!(fields.all("item"), ["a", "b"]);
        assert_eq!(fields.some("x").as_deref(), Some("1"));
        assert_eq!(fields.some("empty"), None);
        assert!(fields.has("empty") && !fields.has("none"));
        assert_eq!(fields.get("u"), "发");
        assert_eq!(Fields::read("a=1&b=2&c=").with("b", "3 &"), "a=1&b=3+%26");
        assert_eq!(Fields::read("%ff=%fe&&==").get("none"), "");
    }
}
