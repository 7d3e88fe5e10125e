//! `writable`: a list of paths.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::values::{FromJson, InvalidValue, describe};

/// Paths of files and folders, absolute or relative to the service folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathList(pub Vec<PathBuf>);

impl FromJson for PathList {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::Array(entries) = value else {
            return Err(vec![InvalidValue::new(
                format!("expected a list of paths, got {}", describe(value)),
                "write [\"/data\"]",
            )]);
        };
        let mut list = Vec::new();
        let mut errors = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match entry.as_str() {
                Some(path) if !path.is_empty() && !path.chars().any(char::is_control) => {
                    list.push(PathBuf::from(path));
                }
                Some(_) | None => errors.push(InvalidValue {
                    below: format!("/{index}"),
                    what: format!("{} is not a path", describe(entry)),
                    hint: "write \"/data\", or \"cache\" for a folder in the service folder"
                        .to_owned(),
                }),
            }
        }
        if errors.is_empty() {
            Ok(Self(list))
        } else {
            Err(errors)
        }
    }
}

impl JsonSchema for PathList {
    fn schema_name() -> Cow<'static, str> {
        "PathList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_texts() {
        let good = PathList::from_json(&json!(["/data", "cache/x"])).unwrap();
        assert_eq!(good.0, [PathBuf::from("/data"), PathBuf::from("cache/x")]);
        let errors = PathList::from_json(&json!(["/data", "", 5, "a\nb"])).unwrap_err();
        let below: Vec<&str> = errors.iter().map(|error| error.below.as_str()).collect();
        assert_eq!(below, ["/1", "/2", "/3"]);
        let errors = PathList::from_json(&json!("/data")).unwrap_err();
        assert!(errors[0].what.contains("expected a list"), "{errors:?}");
    }
}
