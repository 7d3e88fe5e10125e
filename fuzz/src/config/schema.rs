//! A reader of the JSON Schema of config.json, as far as it has keywords.

use std::sync::OnceLock;

use microservice_flask::internals::config;
use serde_json::Value;

/// Fails for a document that an editor would underline.
pub(super) fn check(document: &Value) {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| serde_json::from_str(&config::schema()).expect("JSON"));
    assert!(
        accepts(schema, schema, document),
        "not by the schema: {document}"
    );
}

fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return schema != &Value::Bool(false);
    };
    keywords
        .iter()
        .all(|(keyword, argument)| match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = argument.as_str().and_then(|name| name.strip_prefix('#'));
                let target = name.and_then(|name| root.pointer(name));
                accepts(root, target.expect("a definition"), value)
            }
            "anyOf" => list(argument).iter().any(|one| accepts(root, one, value)),
            "oneOf" => {
                let accepting = list(argument)
                    .iter()
                    .filter(|one| accepts(root, one, value));
                accepting.count() == 1
            }
            "type" => match argument {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind, value)),
                kind => is_of(kind, value),
            },
            "const" => argument == value,
            "minimum" => value
                .as_f64()
                .is_none_or(|number| Some(number) >= argument.as_f64()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| Some(number) <= argument.as_f64()),
            "maxLength" => text(value)
                .is_none_or(|text| Some(text.chars().count() as u64) <= argument.as_u64()),
            "pattern" => {
                text(value).is_none_or(|text| matches(argument.as_str().expect("text"), text))
            }
            "properties" => entries(value).all(|(name, value)| {
                argument
                    .get(name)
                    .is_none_or(|one| accepts(root, one, value))
            }),
            "propertyNames" => {
                entries(value).all(|(name, _)| accepts(root, argument, &name.as_str().into()))
            }
            "additionalProperties" => {
                let known = |name: &String| {
                    schema
                        .get("properties")
                        .is_some_and(|all| all.get(name).is_some())
                };
                entries(value).all(|(name, value)| known(name) || accepts(root, argument, value))
            }
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| accepts(root, argument, item))),
            other => panic!("the schema has a keyword that is unknown here: {other}"),
        })
}

fn list(argument: &Value) -> &[Value] {
    argument.as_array().expect("a list")
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a kind") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("an unknown kind: {other}"),
    }
}

/// The regular expressions of the schema, by hand: there are few.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| match text.split_once('.') {
        Some((whole, "")) => digits(whole),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    };
    let with_unit = |text: &str, units: &[&str]| {
        let text = text.trim();
        let without = units.iter().filter_map(|unit| text.strip_suffix(unit));
        number(text) || without.into_iter().any(|text| number(text.trim_end()))
    };
    match pattern {
        r"^\s*[+-]?[0-9]+\s*$" => {
            let text = text.trim();
            digits(text.strip_prefix(['+', '-']).unwrap_or(text))
        }
        r"^\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*(ms|s|m|h)?\s*$" => {
            with_unit(text, &["ms", "s", "m", "h"])
        }
        r"^\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*[kKmMgG]?\s*$" => {
            with_unit(text, &["k", "K", "m", "M", "g", "G"])
        }
        "^/" => text.starts_with('/'),
        "^/.*/$" => text.len() >= 2 && text.starts_with('/') && text.ends_with('/'),
        "^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,31}$" => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            (1..=32).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(allowed)
        }
        other => panic!("a pattern that is unknown here: {other}"),
    }
}
