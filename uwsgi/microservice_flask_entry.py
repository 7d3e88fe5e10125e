"""What uWSGI imports: hands it the service's application. Written by microservice-flask; changes are lost.

uWSGI binds sys.stdout and sys.stderr to its own stderr. Here the application gets its streams back: stdout is
descriptor 1, stderr is a pipe of the launcher's, and the lines of uWSGI's master stay alone on descriptor 2. Around
each call go the deadline of a request and the limit on its wait, where they are configured.
"""

import math
import os
import sys
import traceback

import microservice_flask_streams as streams
import uwsgi

# uWSGI's code for an application that does not load (need-app).
_NO_APPLICATION = 22

_stderr_descriptor = int(os.environ.pop("MICROSERVICE_APP_STDERR_FD"))
os.environ.pop("MICROSERVICE_APP_SOCKET_FD", None)
# What the application starts has descriptors 1 and 2.
os.set_inheritable(_stderr_descriptor, False)
# Popped: what knows the nonce can write lines in the name of any request.
streams.install(1, _stderr_descriptor, os.environ.pop("MICROSERVICE_LOG_NONCE"))


def _give_up(message, code=_NO_APPLICATION):
    streams.flush()
    print("ERROR: " + message, file=sys.stderr, flush=True)
    if _option("lazy-apps") not in ("", "0", "False", "false"):
        # In a worker, which uWSGI would replace for ever if it just ended; need-app ends uWSGI itself.
        raise ImportError(message)
    os._exit(code)


def _seconds(name):
    """A limit from the environment; 0 is none."""
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


def _guard(timeout):
    """What ends a request that runs for too long; None where nothing does."""
    if not timeout:
        return None
    import microservice_flask_deadline as deadline

    if any(_option(name) not in ("", "0") for name in ("async", "gevent", "ugreen", "asyncio")):
        deadline.record(
            "warning", "request_timeout works with processes and threads only, not with uWSGI's async modes: it is off"
        )
        return None
    threads = _option("threads")
    return (deadline.Watcher if threads.isdigit() and int(threads) > 1 else deadline.Timer)(timeout)


def _load():
    """The service's `app`, from src/main.py. The launcher has made src the working folder."""
    folder = os.getcwd()
    # This module's own folder is no business of the application.
    sys.path[:] = [folder] + [entry for entry in sys.path if entry not in (os.path.dirname(__file__), folder, "", ".")]
    try:
        import main
    except SystemExit as end:
        _print_traceback(end)
        if end.code is None or isinstance(end.code, int):
            code = (end.code or 0) & 0xFF
        else:
            print(end.code, file=sys.stderr)
            code = 1
        _give_up("cannot import main.py: it ended Python with sys.exit(), code %d" % code, code)
    except KeyboardInterrupt as error:
        _print_traceback(error)
        _give_up("cannot import main.py: KeyboardInterrupt: it was interrupted (SIGINT)")
    except BaseException as error:
        _print_traceback(error)
        _give_up("cannot import main.py: %s: %s" % (type(error).__name__, error))
    application = getattr(main, "app", None)
    if application is None:
        _give_up("cannot find `app` in %s: it needs a line such as `app = Flask(__name__)`" % main.__file__)
    if not callable(application):
        _give_up("cannot use `app` of %s: it is a %s, not a WSGI application" % (main.__file__, type(application).__name__))
    return application


def _print_traceback(error):
    # The first frames are this module's and importlib's: nothing of the service is in them.
    trace = error.__traceback__
    while trace and (trace.tb_frame.f_code.co_filename == __file__ or "importlib" in trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _chain(name, own):
    """Sets a hook of uWSGI's; one that the application has set runs after ours."""
    theirs = getattr(uwsgi, name, None)

    def both():
        own()
        theirs()

    setattr(uwsgi, name, both if callable(theirs) else own)


def _in_worker():
    """In each worker, before it serves: what does not go through sys.stderr goes the same way."""
    os.dup2(_stderr_descriptor, 2)
    streams.in_worker()


def _after_request():
    streams.flush()
    streams.request_id.set("")


def _wrap(application, guard, queue_timeout):
    """The application, with what is configured around it and nothing else."""
    set_request_id = streams.request_id.set
    errors = sys.stderr

    def plain(environ, start_response):
        set_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        environ["wsgi.errors"] = errors
        return application(environ, start_response)

    if not guard and not queue_timeout:
        return plain

    from microservice_flask_deadline import Answer, error_page, waited_too_long

    def guarded(environ, start_response):
        set_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        environ["wsgi.errors"] = errors
        # uWSGI sends a file by itself only where it gets its own object back.
        environ.pop("wsgi.file_wrapper", None)
        return Answer(guard, environ, start_response).run(application)

    inner = guarded if guard else plain
    if not queue_timeout:
        return inner

    def queued(environ, start_response):
        if waited_too_long(environ, queue_timeout):
            status, headers, body = error_page(environ, 503, "Service Unavailable", [("Retry-After", "1")])
            start_response(status, headers)
            return body
        return inner(environ, start_response)

    return queued


_queue_timeout = _seconds("MICROSERVICE_QUEUE_TIMEOUT")
_request_guard = _guard(_seconds("MICROSERVICE_REQUEST_TIMEOUT"))
if _queue_timeout:
    import microservice_flask_deadline  # noqa: F401  While our folder is on sys.path.
_application = _load()
if _request_guard:
    _request_guard.check()
_chain("post_fork_hook", _in_worker)
_chain("after_req_hook", _after_request)
application = _wrap(_application, _request_guard, _queue_timeout)
streams.flush()
