//! `check`: prints every problem, or the plan, and imports the application where that is asked for. It writes only into a temporary folder, which it removes.

use std::path::PathBuf;

use super::findings;
use crate::cli::{CheckArgs, ServiceOptions};
use crate::config::problem::Findings;
use crate::console::{print, print_error};
use crate::context::{self, Context};
use crate::exit::Failure;
use crate::generation::files as generation;
use crate::generation::runtime_folder;
use crate::generation::{children, environment};
use crate::host::Host;
use crate::plan::layout::Layout;
use crate::plan::{Plan, explain};
use crate::programs::nginx::config_test;
use crate::programs::uwsgi::import_test::{self, Imported};
use crate::programs::uwsgi::leftovers::Advice;
use crate::sys::folders;
use crate::sys::left_behind;
use crate::sys::process;
use crate::sys::removal;
use crate::sys::rights;
use crate::sys::runtime;
use crate::sys::short_programs::ShortPrograms;

/// Loads, validates, plans and renders as `run` does, then runs `nginx -t` on the result, and imports the application
/// where that is asked for.
pub(super) fn check(options: &ServiceOptions, args: &CheckArgs) -> Result<(), Failure> {
    rights::protect();
    runtime::block_on(check_service(options, args))?
}

async fn check_service(options: &ServiceOptions, args: &CheckArgs) -> Result<(), Failure> {
    let programs = ShortPrograms::alone();
    let mut context = context::load(options)?;
    context.require_mode();
    let host = context.host(&programs).await?;
    let folder = ScratchFolder::make()?;
    let layout = Layout {
        canary: false,
        runtime: folder.0.clone(),
        generation: 1,
    };
    let plan = context.plan(&host, layout, context::listen(options));
    let objections = if context.findings.has_problems() {
        None
    } else {
        for user in plan.user.iter().chain(&plan.nginx_user) {
            runtime_folder::refuse_replaceable(user, &folder.0)?;
        }
        // The workers' user reads the modules for the import.
        folders::create_folder(&folder.0, 0o755, None)?;
        generation::write(&plan)?;
        config_test::objections(&plan, &[], &programs).await?
    };
    findings::print(&context.findings);
    if let Some(objections) = &objections {
        findings::print_nginx_objections(objections);
    }
    context.fail_on_problems()?;
    if objections.is_some() {
        return Err(Failure::NginxRefuses);
    }
    if args.import {
        import(&context, &plan, &host, &programs).await?;
    }
    print(&explain::text(&explain::explain(
        &plan,
        &context.config,
        &host,
    )))
}

/// A temporary folder, removed in the end. Code of the application may have run in it, so that it may hold anything.
struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn make() -> Result<Self, Failure> {
        let made = tempfile::Builder::new()
            .prefix("microservice-flask-check-")
            .tempdir()
            .and_then(|folder| folder.keep().canonicalize());
        made.map(Self)
            .map_err(Failure::system("make a temporary folder"))
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if let Err(error) = removal::remove_folder(&self.0) {
            print_error(&format!("microservice-flask: {error}\n"));
        }
    }
}

/// Imports the application, and prints what is to be said about it.
async fn import(
    context: &Context,
    plan: &Plan,
    host: &Host,
    programs: &ShortPrograms,
) -> Result<(), Failure> {
    children::require_programs(host, &context.env)?;
    let Some(uwsgi) = &plan.uwsgi else {
        return Err(Failure::Bug("uWSGI was there a moment ago".to_owned()));
    };
    let env = environment::application(plan, &environment::variables(context));
    process::become_subreaper();
    let imported = import_test::import(plan, &uwsgi.path, &env, programs).await;
    // The plan tells nothing of what the import has started.
    drop(left_behind::end());
    match imported? {
        Imported::Yes { advice, warnings } => {
            let mut told = Findings::default();
            for warning in warnings {
                told.warning("", warning, "");
            }
            for Advice { message, hint } in advice {
                told.warning("", message, hint);
            }
            findings::print(&told);
            Ok(())
        }
        Imported::No { how, output } => {
            if !output.is_empty() {
                print_error(&format!("{output}\n"));
            }
            Err(Failure::CannotImport(how))
        }
    }
}
