"""What the import has left in uWSGI's master and is missing in the processes that serve: threads. Written by
microservice-flask: changes are lost.

A thread exists in no process that is forked. Libraries that know this start theirs again there; then it is not
missing. The launcher reads the file, warns, and shows it in the status (src/programs/uwsgi/leftovers.rs).
"""

import mmap
import os
import re
import sys
import threading

import uwsgi
from microservice_flask_records import record

# Threads that do their work in the master, for all processes: loguru with enqueue=True.
_for_all = re.compile("loguru-").match
_number = re.compile("-[0-9]+")
_FILE = os.path.join(os.path.dirname(__file__), "%s-of-the-import")

_names = []
# One byte that all processes share: whether the file is written.
_written = None


def _threads():
    """Names of the threads of Python but for this one; those of C libraries do not count."""
    me = threading.get_ident()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return [names.get(ident, "a thread without a name") for ident in sys._current_frames() if ident != me]


def after_import():
    global _written
    _names.extend(name for name in _threads() if not _for_all(name))
    if _names:
        _written = mmap.mmap(-1, 1)


def in_worker():
    """Must be called in each process that serves, after the functions of os.register_at_fork."""
    if not _names or _written[0]:
        return
    here = {_number.sub("", name) for name in _threads()}
    missing = [name for name in _names if _number.sub("", name) not in here]
    if missing:
        _write("threads", missing)
    _written[0] = 1


def write_connections(peers):
    """For `check --import`; of a service that runs, the launcher sees them itself."""
    _write("connections", peers)


def _write(what, names):
    try:
        with open(_FILE % what, "w") as file:
            file.write("".join("%.100s\n" % name.replace("\n", " ") for name in names[:20]))
    except OSError as error:
        record("warning", "Cannot write down what the import has left open: %s." % error)


def ask(what):
    """A function that asks the launcher for something, in place of one of uWSGI's: `reload` or `stop`."""
    path = os.path.join(os.path.dirname(__file__), "asked-to-" + what)

    def asked():
        with open(path, "w"):
            pass
        return True

    asked.__name__ = what
    asked.__doc__ = "Asks microservice-flask to %s the service." % what
    return asked


def take_over():
    """uWSGI's own reload starts it anew without what the launcher has given it. Its `stop` is a reload, too."""
    uwsgi.reload = ask("reload")
    uwsgi.stop = ask("stop")
