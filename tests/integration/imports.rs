//! An application that cannot be imported: the reason is reported once, within seconds, and the last line names it.

use std::time::Duration;

use crate::launcher::Launcher;
use crate::output::Output;
use crate::service::Service;
use crate::startup::SECONDS;

#[track_caller]
fn assert_last_line_names_the_application(output: &Output) {
    let last = output.log.last().unwrap().text;
    assert!(
        last.contains("application") || last.contains("main.py"),
        "no culprit: {last}"
    );
}

#[track_caller]
fn fails_to_import(main_py: &str, once: &str) -> Output {
    let service = Service::new().main_py(main_py);
    let output = Launcher::new(&service).output();
    assert!(
        !matches!(output.exit.code, Some(0) | None),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
    assert_eq!(output.log.count(once), 1, "{}", output.text());
    // A syntax error has no frames, and Python may omit the heading of the traceback.
    let headlines = output.log.count("Traceback (most recent call last)");
    assert!(headlines <= 1, "{headlines} tracebacks: {}", output.text());
    assert_last_line_names_the_application(&output);
    output
}

#[test]
fn an_import_error_is_reported_once() {
    let output = fails_to_import("import no_such_module\n", "    import no_such_module");
    output.assert_says("No module named 'no_such_module'");
}

#[test]
fn an_exception_at_import_is_reported_once() {
    let raises = "def brew():\n    raise RuntimeError('out of rum')\n\nbrew()\n";
    fails_to_import(raises, "in brew").assert_says("RuntimeError: out of rum");
}

#[test]
fn a_syntax_error_is_reported_once() {
    let broken = "from flask import Flask\napp = = Flask(__name__)\n";
    fails_to_import(broken, "app = = Flask(__name__)").assert_says("SyntaxError");
}

#[test]
fn main_py_without_app_is_reported() {
    let service =
        Service::new().main_py("from flask import Flask\napplication = Flask(__name__)\n");
    let output = Launcher::new(&service).output();
    assert!(
        !matches!(output.exit.code, Some(0) | None),
        "{:?}",
        output.exit
    );
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
    assert_last_line_names_the_application(&output);
    output.assert_says("`app`");
}

#[test]
fn an_app_that_is_not_callable_is_reported() {
    let output = Launcher::new(&Service::new().main_py("app = 42\n")).output();
    assert!(
        !matches!(output.exit.code, Some(0) | None),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
}

#[test]
fn exit_and_crash_at_import_end_the_run() {
    let ends = [
        "import sys\nsys.exit(3)\n",
        "import os\nos._exit(5)\n",
        "import ctypes\nctypes.string_at(0)\n",
    ];
    for main_py in ends {
        let output = Launcher::new(&Service::new().main_py(main_py)).output();
        assert!(
            !matches!(output.exit.code, Some(0) | None),
            "{main_py}: {:?}\n{}",
            output.exit,
            output.text()
        );
        assert!(
            output.exit.took < Duration::from_secs(40),
            "{main_py}: {:?}",
            output.exit
        );
    }
}

/// An ASGI application would be ready and then fail on each request.
#[track_caller]
fn is_refused_as_asgi(main_py: &str) {
    let output = Launcher::new(&Service::new().main_py(main_py)).output();
    output
        .assert_code(22)
        .assert_says("ASGI")
        .assert_says("a2wsgi");
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
    assert_last_line_names_the_application(&output);
}

#[test]
fn an_asgi_function_is_refused_with_the_way_out() {
    is_refused_as_asgi("async def app(scope, receive, send):\n    pass\n");
}

#[test]
fn an_asgi_object_is_refused_with_the_way_out() {
    is_refused_as_asgi(
        "class Application:\n    async def __call__(self, scope, receive, send):\n        pass\n\n\n\
         app = Application()\n",
    );
}
