//! The environment of the service's own code.
//!
//! What would configure uWSGI, or would make its Python encode text otherwise than python3, reaches the application under
//! another name: `uwsgi/microservice_flask_interpreter.py` puts it back.

use std::ffi::{OsStr, OsString};

use crate::context::{self, Context};
use crate::host::environment::configures_uwsgi;
use crate::host::home::Home;
use crate::plan::Plan;

type Variables = Vec<(OsString, OsString)>;

/// The beginning of the name under which a variable passes uWSGI.
const HIDDEN: &str = "MICROSERVICE_HIDDEN_";
/// Names a variable that only uWSGI gets.
const ONLY_FOR_UWSGI: &str = "MICROSERVICE_ONLY_FOR_UWSGI";
/// Set when python3 would be in UTF-8 mode.
const UTF8_MODE: &str = "MICROSERVICE_UTF8_MODE";

/// The environment of the launcher, with the variables that the platform guarantees to services.
pub(crate) fn variables(context: &Context) -> Variables {
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

/// The environment of uWSGI and the application: that of [`variables`] for the user of the workers.
pub(crate) fn application(plan: &Plan, env: &[(OsString, OsString)]) -> Variables {
    // From outside they would not mean what they mean here.
    let is_ours = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(HIDDEN.as_bytes())
            || [ONLY_FOR_UWSGI, UTF8_MODE]
                .iter()
                .any(|own| name == own.as_bytes())
    };
    let mut env: Variables = env
        .iter()
        .filter(|(name, _)| !is_ours(name))
        .map(|(name, value)| {
            let name = if configures_uwsgi(name) {
                hidden(name)
            } else {
                name.clone()
            };
            (name, value.clone())
        })
        .collect();
    set_user(&mut env, plan);
    set_encoding(&mut env, plan);
    env
}

fn hidden(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(HIDDEN);
    hidden.push(name);
    hidden
}

/// As login(1) does: libraries get a permission error in the home of another user.
fn set_user(env: &mut Variables, plan: &Plan) {
    let home = match &plan.home {
        Home::Environment(folder) | Home::User(folder) => folder.clone(),
        Home::Own => plan.layout.home(),
    };
    env.retain(|(name, _)| !["HOME", "USER", "LOGNAME"].iter().any(|own| name == own));
    env.push(("HOME".into(), home.into()));
    for name in ["USER", "LOGNAME"] {
        env.push((name.into(), plan.worker.clone().into()));
    }
}

/// Starts uWSGI with the locale of the plan. LC_ALL would be stronger, so it is hidden.
fn set_encoding(env: &mut Variables, plan: &Plan) {
    let encoding = &plan.encoding;
    if encoding.utf8_mode {
        env.push((UTF8_MODE.into(), "1".into()));
    }
    let Some(locale) = &encoding.start else {
        return;
    };
    let mut had_one = false;
    env.retain_mut(|(name, _)| match name.to_str() {
        // python3 replaces it too.
        Some("LC_CTYPE") if encoding.coerced.is_some() => false,
        Some("LC_CTYPE") => {
            had_one = true;
            *name = hidden(name);
            true
        }
        Some("LC_ALL") => {
            *name = hidden(name);
            true
        }
        _ => true,
    });
    env.push(("LC_CTYPE".into(), locale.into()));
    if encoding.coerced.is_none() && !had_one {
        env.push((ONLY_FOR_UWSGI.into(), "LC_CTYPE".into()));
    }
}
