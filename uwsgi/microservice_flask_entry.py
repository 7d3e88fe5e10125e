"""The module that uWSGI imports; it loads the service's application. Written by microservice-flask: changes are lost.

uWSGI binds sys.stdout and sys.stderr to its own stderr. This module gives the application separate streams: stdout is
descriptor 1, stderr is a pipe of the launcher, and only uWSGI's master writes to descriptor 2. It also wraps each call:
microservice_flask_environ is what the application gets of a request, microservice_flask_answer what becomes of its
response, microservice_flask_deadline the request timeout, microservice_flask_websocket an upgraded connection.
"""

import gc
import inspect
import math
import os
import sys
import time
import traceback

import microservice_flask_interpreter as interpreter

# Before any module that reads the environment.
interpreter.begin()

import microservice_flask_answer as answers
import microservice_flask_forks as forks
import microservice_flask_graceful as graceful
import microservice_flask_imported as imported
import microservice_flask_leaving as leaving
import microservice_flask_permissions as permissions
import microservice_flask_readable as readable
import microservice_flask_records as records
import microservice_flask_signals as signals
import microservice_flask_streams as streams
import uwsgi

# uWSGI's exit code when the application cannot be loaded (need-app).
_NO_APPLICATION = 22
# The one at which uWSGI replaces a process without a word (UWSGI_QUIET_CODE in uwsgi.h).
_QUIETLY = 29
# Seconds between two imports in place of a process that has served.
_RETRY = 5

_stderr_descriptor = int(os.environ.pop("MICROSERVICE_APP_STDERR_FD"))
os.environ.pop("MICROSERVICE_APP_SOCKET_FD", None)
# Programs that the application starts inherit descriptors 1 and 2 instead.
if _stderr_descriptor > 2:
    os.set_inheritable(_stderr_descriptor, False)
# Removed from the environment: a program that knows the nonce could write lines on behalf of any request.
streams.install(1, _stderr_descriptor, os.environ.pop("MICROSERVICE_LOG_NONCE"))


def _give_up(message, code=_NO_APPLICATION):
    streams.flush()
    print("ERROR: " + message, file=sys.stderr, flush=True)
    if not _in_master:
        if _replaces_another():
            _wait_for_better_code()
        # This is a worker, and uWSGI replaces for ever those that exit, but not with this code (need-app). An exception
        # would end uWSGI, too; before 2.0.26 with exit code 0 about once in six times: the worker interrupts it first.
        code = _NO_APPLICATION
    os._exit(code)


def _replaces_another():
    """Whether this process takes the place of one that has served."""
    return uwsgi.workers()[uwsgi.worker_id() - 1]["respawn_count"] > 0


def _wait_for_better_code():
    """With lazy-apps, the code on disk may have become worse than what the other processes serve with."""
    records.record(
        "warning",
        "This process has replaced another one and cannot import the code that is on disk now. It is tried again every"
        " %d s; processes that have imported the application before serve on." % _RETRY,
        worker=uwsgi.worker_id(),
        pid=os.getpid(),
    )
    # In its own time, so that the import does not take the CPU from those that serve.
    time.sleep(_RETRY)
    os._exit(_QUIETLY)


def _seconds(name):
    """A timeout from the environment, in seconds; 0 means no limit."""
    text = os.environ.get(name) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (0 <= seconds and math.isfinite(seconds)):
        _give_up("cannot use %s=%s: it must be a number of seconds, 0 for none" % (name, text))
    return seconds


def _option(name):
    value = uwsgi.opt.get(name, b"")
    value = value[-1] if isinstance(value, list) else value
    return value.decode() if isinstance(value, bytes) else str(value)


# With lazy-apps each process that serves imports the application itself.
_in_master = _option("lazy-apps").lower() in ("", "0", "false", "off", "no")


def _guard(timeout):
    """The object that enforces the request timeout."""
    if not timeout:
        return answers.NoGuard()
    import microservice_flask_deadline as deadline

    if any(_option(name) not in ("", "0") for name in ("async", "gevent", "ugreen", "asyncio")):
        records.record(
            "warning", "request_timeout works with processes and threads only, not with uWSGI's async modes: it is off"
        )
        return answers.NoGuard()
    return (deadline.Watcher if _threads > 1 else deadline.Timer)(timeout)


def _load():
    """Imports the service's `app` from src/main.py. The launcher has made src the working directory."""
    interpreter.as_flask_run(os.getcwd())
    try:
        import main
    except BaseException as error:
        if forks.is_child():
            # The service is another process.
            if not isinstance(error, SystemExit):
                _print_traceback(error)
            answers.leave(error)
        _give_up_import(error)
    application = getattr(main, "app", None)
    if application is None:
        _give_up("cannot find `app` in %s: it needs a line such as `app = Flask(__name__)`" % main.__file__)
    if not callable(application):
        _give_up("cannot use `app` of %s: it is a %s, not a WSGI application" % (main.__file__, type(application).__name__))
    if _is_asgi(application):
        _give_up(
            "cannot use `app` of %s: it is an ASGI application (%s), and uWSGI serves WSGI. Wrap it: pip install a2wsgi,"
            " then `from a2wsgi import ASGIMiddleware` and `app = ASGIMiddleware(app)`"
            % (main.__file__, type(application).__name__)
        )
    return application


def _give_up_import(error):
    code = _NO_APPLICATION
    if isinstance(error, SystemExit):
        code = answers.exit_code(error)
        what = "it ended Python with sys.exit(), code %d" % code
    elif isinstance(error, KeyboardInterrupt):
        if not _in_master:
            # uWSGI ends, because another process could not import the application, and has said so.
            os._exit(_QUIETLY)
        what = "KeyboardInterrupt: it was interrupted (SIGINT)"
    else:
        hint = permissions.hint(error)
        what = "%s: %s%s" % (type(error).__name__, error, hint and "; hint: " + hint)
    _print_traceback(error)
    _give_up("cannot import main.py: " + what, code)


def _is_asgi(application):
    """Whether calling it makes a coroutine, or it takes ASGI's three arguments. Flask has an asynchronous form of
    views, not of the application."""
    call = application if inspect.isroutine(application) else getattr(type(application), "__call__", None)
    if inspect.isclass(application):
        # ASGI 2: a class that is called with the scope and gives a coroutine function.
        return inspect.iscoroutinefunction(getattr(application, "__call__", None))
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(call):
        return True
    try:
        parameters = list(inspect.signature(application).parameters)
    except (TypeError, ValueError):
        # A callable written in C may have no signature; none of them is an ASGI application.
        return False
    return parameters == ["scope", "receive", "send"]


def _print_traceback(error):
    # Skips the first frames, which are those of this module and importlib, not of the service.
    trace = error.__traceback__
    while trace and (trace.tb_frame.f_code.co_filename == __file__ or "importlib" in trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _chain(name, own):
    """Sets a hook of uWSGI. A hook that the application has set runs after it."""
    theirs = getattr(uwsgi, name, None)

    def both():
        own()
        theirs()

    setattr(uwsgi, name, both if callable(theirs) else own)


def _in_worker():
    """Runs in each worker before it serves. Redirects descriptor 2, for output that bypasses sys.stderr."""
    os.dup2(_stderr_descriptor, 2)
    streams.in_worker()
    serves = uwsgi.worker_id() > 0
    forks.in_worker(_threads)
    signals.in_worker(serves)
    if serves:
        readable.in_worker()
    if serves and _threads > 1:
        graceful.in_worker()
    if serves and _in_master:
        imported.in_worker()


def _in_child():
    """Runs in each process that the application forks."""
    answers.in_child()
    signals.in_child(_request_guard.handler)


_threads = int(_option("threads")) if _option("threads").isdigit() else 1
_request_guard = _guard(_seconds("MICROSERVICE_REQUEST_TIMEOUT"))
imported.take_over()
forks.before_import(_stderr_descriptor, _in_child)
signals.before_import(_in_master)
permissions.begin()
_application = _load()
permissions.watch_flask(records.record)
_request_guard.check()
signals.after_import(_in_master)
if _in_master:
    # A collection writes to each object that it looks at, and what is written to is shared no more.
    gc.freeze()
forks.after_import(_in_master)
if _in_master:
    imported.after_import()
leaving.install(_seconds("MICROSERVICE_WORKER_EXIT_TIMEOUT"))
if _in_master:
    _chain("post_fork_hook", _in_worker)
else:
    # This process has been forked already.
    _in_worker()
application = answers.server(_application, _request_guard, sys.stderr)
streams.flush()
