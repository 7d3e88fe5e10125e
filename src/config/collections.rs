//! Values of config.json with several elements: static folders, networks. Each invalid element is reported.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::problem::pointer;
use super::values::{FromJson, InvalidValue, UrlPath, describe};

/// One entry of `static`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMapping {
    /// URL prefix, with `/` at both ends.
    pub prefix: String,
    /// Folder below `src`, without `/` at either end.
    pub folder: String,
}

/// `static`: maps URL prefixes to folders below `src`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StaticMap(pub Vec<StaticMapping>);

impl FromJson for StaticMap {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::Object(entries) = value else {
            return Err(vec![InvalidValue::new(
                format!("expected an object, got {}", describe(value)),
                "write {\"/static/\": \"static\"}",
            )]);
        };
        let mut list = Vec::new();
        let mut errors = Vec::new();
        for (prefix, folder) in entries {
            match static_mapping(prefix, folder) {
                Ok(mapping) => list.push(mapping),
                Err(error) => errors.push(InvalidValue {
                    below: pointer("", prefix),
                    ..error
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

fn static_mapping(prefix: &str, folder: &Value) -> Result<StaticMapping, InvalidValue> {
    let path = UrlPath::from_json(&Value::String(prefix.to_owned())).map_err(|errors| {
        errors
            .into_iter()
            .next()
            .unwrap_or_else(|| InvalidValue::new("not a URL path", ""))
    })?;
    // nginx replaces the prefix by the folder textually: with a slash at only one end, /static../ would escape from it.
    if !path.0.ends_with('/') {
        return Err(InvalidValue::new(
            format!("the URL prefix {prefix:?} does not end with /"),
            format!("write {:?}", format!("{prefix}/")),
        ));
    }
    if path.0 == "/" {
        return Err(InvalidValue::new(
            "the prefix \"/\" would hide the application",
            "use a prefix such as \"/static/\"",
        ));
    }
    if path.0.contains('%') {
        return Err(InvalidValue::new(
            format!(
                "the URL prefix {prefix:?} is percent-encoded, and nginx matches what it stands for"
            ),
            "use plain letters, digits, - and _",
        ));
    }
    if path.0.split('/').any(|part| matches!(part, "." | "..")) || path.0.contains("//") {
        return Err(InvalidValue::new(
            format!("the URL prefix {prefix:?} is not in its normal form"),
            "leave out .. and //",
        ));
    }
    let Value::String(text) = folder else {
        return Err(InvalidValue::new(
            format!("expected a folder below src, got {}", describe(folder)),
            "write \"static\"",
        ));
    };
    let trimmed = text.trim_end_matches('/');
    let inside = !trimmed.is_empty()
        && !trimmed.starts_with('/')
        && trimmed
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."))
        && !trimmed.chars().any(char::is_control);
    if !inside {
        return Err(InvalidValue::new(
            format!("{} is not a folder below src", describe(folder)),
            "write a relative path such as \"static\" or \"assets/public\", without . and ..",
        ));
    }
    Ok(StaticMapping {
        prefix: path.0,
        folder: trimmed.to_owned(),
    })
}

impl JsonSchema for StaticMap {
    fn schema_name() -> Cow<'static, str> {
        "StaticMap".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^/.*/$" },
            "additionalProperties": { "type": "string" },
        })
    }
}

/// A list of networks in CIDR notation (RFC 4632, RFC 4291) or single addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(pub Vec<IpNet>);

impl FromJson for Networks {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::Array(entries) = value else {
            return Err(vec![InvalidValue::new(
                format!("expected a list of networks, got {}", describe(value)),
                "write [\"10.0.0.0/8\"]",
            )]);
        };
        let mut list = Vec::new();
        let mut errors = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match entry.as_str().and_then(network) {
                Some(net) => list.push(net),
                None => errors.push(InvalidValue {
                    below: format!("/{index}"),
                    what: format!("{} is not a network", describe(entry)),
                    hint: "write CIDR notation: \"10.0.0.0/8\", \"fd00::/8\", or one address"
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

fn network(text: &str) -> Option<IpNet> {
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()?;
    Some(net.trunc())
}

impl JsonSchema for Networks {
    fn schema_name() -> Cow<'static, str> {
        "Networks".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check<T: FromJson + std::fmt::Debug>(value: &Value, expected: &[(&str, &str)]) {
        let errors = T::from_json(value).err().unwrap_or_default();
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, (below, part)) in errors.iter().zip(expected) {
            assert_eq!(error.below, *below);
            assert!(error.what.contains(part), "{error:?}");
        }
    }

    #[test]
    fn static_folders_stay_below_src() {
        check::<StaticMap>(&json!({"/static/": "static", "/a/b/": "x/y/"}), &[]);
        check::<StaticMap>(
            &json!({"/static": "static", "/s/": "../config", "/t/": "/etc", "/": "x", "/u/": ".", "/v/../w/": "y", "/z/": 1}),
            &[
                ("/~1static", "does not end with /"),
                ("/~1s~1", "not a folder below src"),
                ("/~1t~1", "not a folder below src"),
                ("/~1", "would hide the application"),
                ("/~1u~1", "not a folder below src"),
                ("/~1v~1..~1w~1", "normal form"),
                ("/~1z~1", "expected a folder"),
            ],
        );
    }

    #[test]
    fn networks_are_cidr_or_addresses() {
        let nets = Networks::from_json(&json!(["10.1.2.3/8", "fd00::1"])).unwrap();
        assert_eq!(
            nets.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "fd00::1/128"]
        );
        check::<Networks>(
            &json!(["10.0.0.0/33", 5]),
            &[("/0", "not a network"), ("/1", "not a network")],
        );
    }
}
