//! JSON Schema of config.json, derived from the types that parse it.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::file::{LogSection, ServerSection, TopLevel};

/// JSON Schema (draft 2020-12) of the keys that the launcher reads.
pub(crate) fn schema() -> Schema {
    /// What the launcher reads of a service's config.json. Every key has a default; other keys at the top level belong
    /// to the service, and a section takes no keys but those listed.
    #[derive(JsonSchema)]
    #[schemars(title = "config.json of a microservice-flask service")]
    #[expect(dead_code, reason = "schemars reads the fields, no code does")]
    struct ConfigFile {
        #[schemars(flatten)]
        top: TopLevel,
        /// How the service runs in production.
        nginx_config: Option<ServerSection>,
        /// Older name of nginx_config, which takes precedence key by key. Apache's own keys have no effect.
        apache_config: Option<ApacheSection>,
        /// What is logged, and what happens when stdout is not read.
        log_config: Option<LogSection>,
    }

    /// The launcher's keys among Apache's own.
    struct ApacheSection;

    impl JsonSchema for ApacheSection {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "ApacheSection".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let mut schema = ServerSection::json_schema(generator);
            schema.insert("additionalProperties".to_owned(), Value::Bool(true));
            schema
        }
    }

    SchemaGenerator::default().into_root_schema_for::<ConfigFile>()
}

#[cfg(test)]
mod tests {
    use super::super::file::SECTIONS;
    use super::super::near_miss::plain;
    use super::*;

    #[test]
    fn schema_has_a_description_for_users() {
        let schema = schema();
        let text = schema.get("description").and_then(Value::as_str).unwrap();
        assert!(text.starts_with("What the launcher reads of"), "{text}");
        assert!(text.contains("other keys at the top level"), "{text}");
    }

    #[test]
    fn schema_names_every_key() {
        let text = serde_json::to_string(&schema()).unwrap();
        for key in [
            TopLevel::KEYS,
            ServerSection::KEYS,
            LogSection::KEYS,
            SECTIONS,
        ]
        .concat()
        {
            assert!(
                text.contains(&format!("\"{}\"", plain(key))),
                "{key} is missing in {text}"
            );
        }
    }
}
