//! The environment of the service's own code.

use std::ffi::OsString;

use crate::context::{self, Context};

/// The environment of the launcher, with the variables that the platform guarantees to services.
pub(crate) fn variables(context: &Context) -> Vec<(OsString, OsString)> {
    let mut env = context::whole_environment();
    let service = &context.service;
    let mut set = |name: &str, value: &str| {
        env.retain(|(known, _)| known != name);
        env.push((name.into(), value.into()));
    };
    set("MICROSERVICE_NAME", &service.name);
    set("CONFIG_PATH", &service.config_path);
    if let Some(microservice_env) = &service.env {
        set("MICROSERVICE_ENV", microservice_env);
    }
    env
}
