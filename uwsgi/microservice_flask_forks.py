"""Forks: those of uWSGI, and those of the application. Written by microservice-flask: changes are lost.

Before uWSGI 2.0.22 (and in its mules in all versions) only the child's half of the functions that libraries register
with os.register_at_fork is called when uWSGI forks: a lock that only the parent's half has taken is released. So the
parent's half is called here, from pthread_atfork(3).

A process that the application forks has a copy of all that uWSGI has open. It keeps none of that: a client would wait
for the end of the child, a socket would have one more process that never accepts.
"""

import _imp
import contextlib
import ctypes
import os
import posix
import signal
import socket
import stat
import sys
import threading

import microservice_flask_signals as signals

_register = os.register_at_fork
_fork, _forkpty = os.fork, os.forkpty
# Registered by the application and its libraries.
_before, _in_parent = [], []
# Set while the application itself forks; threads may do so at the same time.
_forking = threading.local()
# The process whose forks are uWSGI's own: its master, after the import. 0: there is none.
_master = 0
# Whether Python has called the parent's half itself, and whether this module has.
_by_python = _by_us = False
# Descriptors of uWSGI and the launcher, by number, each with its file.
_foreign = {}
_kept = {0, 1, 2}
_opened_at_import = {}
_in_child = None
# Whether this is such a process, or one that it has forked.
_is_child = False


def _run(hooks):
    for hook in hooks:
        try:
            hook()
        except BaseException:
            # As Python does it with such a function.
            sys.excepthook(*sys.exc_info())


def _prepare():
    global _by_us
    if os.getpid() == _master and not _by_python:
        _by_us = True
        # uWSGI has taken this lock already, Python takes it last: a thread may hold a lock of the functions and import.
        try:
            _imp.release_lock()
            released = True
        except RuntimeError:
            # It has not, or another thread has it.
            released = False
        _run(reversed(_before))
        if released:
            _imp.acquire_lock()


def _parent():
    global _by_us
    if _by_us:
        _by_us = False
        _run(_in_parent)


def _python_forks():
    global _by_python
    _by_python = True


def _python_has_forked():
    global _by_python, _by_us
    _by_python = _by_us = False


def _register_at_fork(*, before=None, after_in_child=None, after_in_parent=None):
    given = {"before": before, "after_in_child": after_in_child, "after_in_parent": after_in_parent}
    # Checks the arguments.
    _register(**{name: function for name, function in given.items() if function is not None})
    if before is not None:
        _before.append(before)
    if after_in_parent is not None:
        _in_parent.append(after_in_parent)


_C_FUNCTION = ctypes.CFUNCTYPE(None)
# The C library keeps pointers to them.
_callbacks = _C_FUNCTION(_prepare), _C_FUNCTION(_parent)


def before_import(kept, in_child):
    """`kept` is the descriptor of the log, which a child of the application keeps; `in_child` is called there."""
    global _in_child
    _in_child = in_child
    _kept.add(kept)
    _find_foreign()
    _register(before=_python_forks, after_in_parent=_python_has_forked, after_in_child=_after_fork)
    os.register_at_fork = _register_at_fork
    os.fork = posix.fork = _as_application(_fork)
    os.forkpty = posix.forkpty = _as_application(_forkpty)


def after_import(in_master):
    global _master
    before = dict(_foreign)
    _opened_at_import.update((number, file) for number, file in _descriptors().items() if before.get(number) != file)
    if in_master:
        _master = os.getpid()
        libc = ctypes.CDLL(None)
        if hasattr(libc, "__register_atfork"):
            # pthread_atfork of glibc is not in its shared library.
            libc.__register_atfork(_callbacks[0], _callbacks[1], None, None)
        else:
            libc.pthread_atfork(_callbacks[0], _callbacks[1], None)


def opened_at_import():
    return list(_opened_at_import)


def _find_foreign():
    _foreign.clear()
    _foreign.update((number, file) for number, file in _descriptors().items() if _opened_at_import.get(number) != file)
    for descriptor in _foreign:
        with contextlib.suppress(OSError):  # The folder in which they were listed is closed again.
            os.set_inheritable(descriptor, False)


def in_worker(threads):
    """Must be called in each process that uWSGI has forked."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        # They are children of uWSGI's main process: none of its own can wait for them, and none may end them.
        processes._children.clear()
    if threads > 1:
        _start_programs_unblocked()


def _as_application(fork):
    def application_forks():
        # A signal that arrives before the child has handlers of its own would meet those of uWSGI.
        _forking.mask = signals.mask()
        try:
            signals.block()
            _forking.now = True
            return fork()
        finally:
            _forking.now = False
            signals.set_mask(_forking.mask)

    application_forks.__name__, application_forks.__doc__ = fork.__name__, fork.__doc__
    return application_forks


def _after_fork():
    global _is_child
    _python_has_forked()
    if _is_child:
        return
    if not getattr(_forking, "now", False):
        # uWSGI has forked. What functions that come later open belongs to the application.
        _find_foreign()
    else:
        _is_child = True
        _become_main()
        _in_child()
        _close_foreign()
        _forking.mask = signals.without_ours(_forking.mask)


def _become_main():
    """Python's end waits for a lock of the main thread. The threads of uWSGI have none; this one is the main one now."""
    main = threading.main_thread()
    # Since Python 3.13 there is no such lock.
    if getattr(main, "_tstate_lock", main) is None:
        main._set_tstate_lock()


def is_child():
    """Whether this is a process that the application has forked."""
    return _is_child


def _descriptors():
    """Open descriptors except those that are kept, by number, each with device and inode of its file."""
    found = {}
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        if int(name) not in _kept:
            with contextlib.suppress(OSError):  # The folder in which they were listed is closed again.
                status = os.fstat(int(name))
                found[int(name)] = status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)
    return found


def _close_foreign():
    names, listening = set(), set()
    now = _descriptors()
    for number, file in _foreign.items():
        if now.get(number) == file and stat.S_ISSOCK(file[2]):
            with contextlib.suppress(OSError), _borrowed(number) as its:
                if its.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    names.add(its.getsockname())
                    listening.add(number)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number, file in now.items():
        if _foreign.get(number) == file or _is_foreign(number, file, names, listening):
            # The number stays in use: objects of this process still know it, and may close it.
            os.dup2(null, number, inheritable=False)
    os.close(null)


def _is_foreign(number, file, names, listening):
    """Whether it is a connection of a client, or waits for new ones."""
    if stat.S_ISSOCK(file[2]):
        with contextlib.suppress(OSError), _borrowed(number) as its:
            return its.getsockname() in names
    with contextlib.suppress(OSError):  # It is gone, or /proc is not to be read.
        if os.readlink("/proc/self/fd/%d" % number) == "anon_inode:[eventpoll]":
            with open("/proc/self/fdinfo/%d" % number) as watched:
                return any(line.startswith("tfd:") and int(line.split()[1]) in listening for line in watched)
    return False


@contextlib.contextmanager
def _borrowed(number):
    """A socket object on a descriptor, which stays open."""
    its = socket.socket(fileno=number)
    try:
        yield its
    finally:
        its.detach()


def _start_programs_unblocked():
    """uWSGI blocks all signals in its threads, and a program inherits what is blocked (execve(2)): nobody could end it."""
    import _posixsubprocess
    import subprocess

    _posixsubprocess.fork_exec = _unblocked(_posixsubprocess.fork_exec)
    if hasattr(subprocess, "_fork_exec"):
        # Since Python 3.11 it has a name of its own for it.
        subprocess._fork_exec = _posixsubprocess.fork_exec
    os.posix_spawn, os.posix_spawnp = _with_mask(os.posix_spawn), _with_mask(os.posix_spawnp)
    os.system = _system


def _unblocked(start):
    """It knows no mask. The signals are let through until the program has begun, which takes a millisecond."""

    def started(*args, **kwargs):
        mask = signals.mask()
        try:
            signals.set_mask(signals.without_ours(mask))
            return start(*args, **kwargs)
        finally:
            signals.set_mask(mask)

    return started


def _with_mask(spawn):
    def started(*args, **kwargs):
        kwargs.setdefault("setsigmask", signals.without_ours(signals.mask()))
        return spawn(*args, **kwargs)

    return started


def _system(command):
    """Execute the command in a subshell."""
    # That of Python lasts as long as the command, so nothing can be unblocked meanwhile.
    words = [b"sh", b"-c", os.fsencode(command)]
    pid = os.posix_spawn("/bin/sh", words, os.environ, setsigdef=[signal.SIGINT, signal.SIGQUIT])
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        # The application ignores SIGCHLD: as Python's own.
        return -1
