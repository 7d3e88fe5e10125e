//! Finds duplicate keys. JSON allows them and parsers silently use the last one, so that a setting has no effect.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::problem::pointer;

/// JSON pointers of duplicate keys at the top level and anywhere in `sections`. The values of the service's own keys are
/// not searched. Empty for text that is not valid JSON.
pub(crate) fn duplicates(text: &str, sections: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let finder = DuplicateFinder {
        at: String::new(),
        sections: Some(sections),
        found: &mut found,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    if finder.deserialize(&mut reader).is_err() {
        return Vec::new();
    }
    found
}

/// Visits one value.
struct DuplicateFinder<'a> {
    at: String,
    /// At the top level, the keys whose values are visited. None below it, where all are.
    sections: Option<&'a [&'a str]>,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for DuplicateFinder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DuplicateFinder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let at = pointer(&self.at, &key);
            if keys.contains(&key) && !self.found.contains(&at) {
                self.found.push(at.clone());
            }
            let inside = self
                .sections
                .is_none_or(|sections| sections.contains(&key.as_str()));
            if inside {
                map.next_value_seed(DuplicateFinder {
                    at,
                    sections: None,
                    found: &mut *self.found,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            keys.push(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        loop {
            let finder = DuplicateFinder {
                at: format!("{}/{index}", self.at),
                sections: None,
                found: &mut *self.found,
            };
            if list.next_element_seed(finder)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(duplicates(text, &["nginx_config"]), expected);
    }

    #[test]
    fn each_duplicate_key_is_reported_once() {
        check(r#"{"a": 1, "b": null, "a": 2, "a": 3}"#, &["/a"]);
        check(
            r#"{"nginx_config": {"gzip": true, "static": {"/a/": "x", "/a/": "y"}, "gzip": false}}"#,
            &["/nginx_config/static/~1a~1", "/nginx_config/gzip"],
        );
        check(
            r#"{"nginx_config": {"x": [{"b": 1.5, "b": -1}, "t"]}}"#,
            &["/nginx_config/x/0/b"],
        );
        check(
            r#"{"own": {"a": 1, "a": 2}, "nginx_config": {"a": 1}}"#,
            &[],
        );
        check("{\"a\": 1, \"a\"", &[]);
    }
}
