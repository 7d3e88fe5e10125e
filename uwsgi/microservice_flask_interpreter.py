"""Makes the embedded Python the one that python3 would be. Written by microservice-flask: changes are lost.

uWSGI says that Python's executable is uWSGI, takes its options from the environment, and starts Python without the
encodings of python3 (PEP 538 and 540). The launcher hides the variables from uWSGI and chooses its locale
(src/generation/environment.rs); here the application gets its environment back, and an interpreter that can be run.
"""

import os
import sys

_HIDDEN = b"MICROSERVICE_HIDDEN_"
_ONLY_FOR_UWSGI = "MICROSERVICE_ONLY_FOR_UWSGI"
_UTF8_MODE = "MICROSERVICE_UTF8_MODE"
# uWSGI sets these for a process that it might start in its own place, which the launcher never asks for.
_OF_UWSGI = ("UWSGI_RELOADS", "UWSGI_ORIGINAL_PROC_NAME")


def begin():
    """Must be called before the application is imported."""
    utf8_mode = os.environ.pop(_UTF8_MODE, "") == "1"
    locale = os.environ.get("LC_CTYPE", "")
    _restore_environment()
    if utf8_mode:
        _enter_utf8_mode(locale)
    _identify()


def as_flask_run(folder):
    """What `flask run` sets before it imports the application from this folder."""
    own = os.path.dirname(os.path.abspath(__file__))
    left_out = ("", ".", folder, own)
    # uWSGI spells the folder of this module as in its configuration, with a slash at the end.
    sys.path[:] = [folder] + [entry for entry in sys.path if entry not in left_out and os.path.abspath(entry) != own]
    # `flask run` makes app.run() do nothing (Flask 1.0 to 3.x).
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    flask = _main_of_flask()
    if flask:
        sys.argv[:] = [flask, "run"]
        if hasattr(sys, "orig_argv"):
            sys.orig_argv[:] = [sys.executable, "-m", "flask", "run"]
    sys.meta_path.insert(0, _SocketIo)


# ---- The environment.


def _restore_environment():
    for name in _OF_UWSGI:
        os.environ.pop(name, None)
    only = os.environ.pop(_ONLY_FOR_UWSGI, "")
    if only:
        os.environ.pop(only, None)
    for name in [name for name in os.environb if name.startswith(_HIDDEN)]:
        os.environb[name[len(_HIDDEN) :]] = os.environb.pop(name)


# ---- The encoding. The launcher has started uWSGI with a locale of UTF-8, so that only traces of the mode are missing.


def _enter_utf8_mode(utf8_locale):
    _set_flag("utf8_mode", 1)
    import _locale

    original = _locale.setlocale

    def setlocale(category, locale=None):
        """In UTF-8 mode a locale of another encoding changes no file of python3's."""
        result = original(category, locale)
        if locale is not None and category in (_locale.LC_ALL, _locale.LC_CTYPE):
            if _locale.nl_langinfo(_locale.CODESET).lower().replace("-", "") != "utf8":
                original(_locale.LC_CTYPE, utf8_locale or "C.UTF-8")
        return result

    _locale.setlocale = setlocale
    module = sys.modules.get("locale")
    if module is not None:
        # It has made a copy.
        module._setlocale = setlocale


def _set_flag(name, value):
    """Python gives no other way to set one of sys.flags, and `locale` and `subprocess` ask for it."""
    if getattr(sys.flags, name, value) == value:
        return
    try:
        import ctypes

        # The fields in their order are those of the text.
        text = repr(sys.flags)
        order = [part.split("=")[0] for part in text[text.index("(") + 1 : -1].split(", ")]
        number = ctypes.py_object(value)
        ctypes.pythonapi.Py_IncRef(number)
        set_item = ctypes.pythonapi.PyStructSequence_SetItem
        set_item.argtypes, set_item.restype = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object], None
        set_item(sys.flags, order.index(name), value)
    except (ImportError, AttributeError, ValueError):
        # The flag is only what others read of the mode; the encodings are right without it.
        pass


# ---- The executable.


def _identify():
    """multiprocessing, subprocess and others start Python from sys.executable."""
    base = _python_in(sys.base_exec_prefix) or _python_in(sys.base_prefix) or _python_on_path()
    in_venv = sys.prefix != sys.base_prefix
    executable = (_runnable(os.path.join(sys.prefix, "bin", "python3")) if in_venv else None) or base
    if executable is None:
        return
    sys.executable = executable
    sys._base_executable = base or executable
    spawn = sys.modules.get("multiprocessing.spawn")
    if spawn is not None:
        spawn.set_executable(executable)


def _python_in(prefix):
    """`python3` when it is of this version, which is how the folder's users call it; else the one with the version."""
    folder = os.path.join(prefix, "bin")
    version = "python%d.%d" % sys.version_info[:2]
    named = _runnable(os.path.join(folder, version))
    general = _runnable(os.path.join(folder, "python3"))
    if general and named and os.path.realpath(general) == os.path.realpath(named):
        return general
    return named


def _python_on_path():
    version = "python%d.%d" % sys.version_info[:2]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.isabs(folder):
            found = _runnable(os.path.join(folder, version))
            if found:
                return found
    return None


def _runnable(path):
    return path if os.path.isfile(path) and os.access(path, os.X_OK) else None


# ---- What else `flask run` sets.


def _main_of_flask():
    for folder in sys.path:
        path = os.path.join(folder, "flask", "__main__.py")
        if os.path.isfile(path):
            return path
    return None


class _SocketIo:
    """Finds flask_socketio, once, to make socketio.run() do in its threading mode what app.run() does: nothing. With a
    terminal it calls app.run(); without one it refuses."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "flask_socketio":
            return None
        sys.meta_path.remove(cls)
        from importlib.util import find_spec

        spec = find_spec(name)
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if execute is None:
            return spec

        def exec_module(module):
            execute(module)
            _ignore_run(module)

        spec.loader.exec_module = exec_module
        return spec


def _ignore_run(module):
    original = getattr(getattr(module, "SocketIO", None), "run", None)
    if original is None:
        return

    def run(self, app, *arguments, **options):
        engine = getattr(getattr(self, "server", None), "eio", None)
        if getattr(engine, "async_mode", None) != "threading":
            return original(self, app, *arguments, **options)
        print("Ignoring a call of socketio.run(): the service is already served.", file=sys.stderr)
        return None

    module.SocketIO.run = run
