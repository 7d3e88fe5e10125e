"""Hints for what the workers may not write. Written by microservice-flask: changes are lost.

The workers run as another user than the one that has built the image, so a folder that can be written in development may
be closed to them. The exception names the path at best; here stands who they are, whose it is, and what to do.
"""

import errno
import os
import sys

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
# How SQLite says it.
_SQLITE = ("unable to open database file", "readonly database", "read-only database", "readonly file")
# The longest chain of exceptions that is searched.
_CHAIN_MAX = 20

# Whether the launcher is root, and so obeys the key `user`.
_changes_user = False
# What the sandbox lets the application write; empty without one. Devices and /proc are not named.
_writable = [line for line in os.environ.get("MICROSERVICE_WRITABLE", "").split("\n") if line]


def begin():
    """Must be called in uWSGI's master, whose parent is the launcher."""
    global _changes_user
    try:
        _changes_user = os.stat("/proc/%d" % os.getppid()).st_uid == 0
    except OSError:
        # Without /proc the hint leaves out the key.
        pass


def hint(error):
    """What to do about an exception that is due to a missing permission; empty for any other one."""
    try:
        for cause in _chain(error):
            if isinstance(cause, OSError) and cause.errno in _DENIED:
                path = cause.filename if isinstance(cause.filename, (str, bytes, os.PathLike)) else None
                return _hint(path and os.fsdecode(path), cause.errno == errno.EROFS, _makes_folder(cause))
            if type(cause).__module__ == "sqlite3" and any(text in str(cause) for text in _SQLITE):
                return _hint(_database(cause), database=True)
    except Exception:
        # The attributes and the text of an exception are code of the application; the exception itself is logged.
        pass
    return ""


def watch_flask(record):
    """Flask logs the exceptions of views itself: it tells its extensions before, and `record` logs the hint."""
    flask = sys.modules.get("flask")
    signal = getattr(flask, "got_request_exception", None)
    if signal is None:
        return

    def tell(sender, exception=None, **_others):
        text = hint(exception) if exception is not None else ""
        if text:
            record("warning", text)

    try:
        # Without blinker (Flask before 2.3), there are no signals.
        signal.connect(tell, weak=False)
    except RuntimeError:
        pass


def _chain(error):
    """The exception, what it was raised from, and the parts of groups."""
    waiting, seen = [error], []
    while waiting and len(seen) < _CHAIN_MAX:
        cause = waiting.pop(0)
        if cause is None or any(cause is known for known in seen):
            continue
        seen.append(cause)
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "orig", None)]
        waiting += list(getattr(cause, "exceptions", ()))[:_CHAIN_MAX]
        waiting = [entry for entry in waiting if isinstance(entry, BaseException)]


# ---- The text.


def _makes_folder(error):
    """Whether it comes from os.mkdir, os.makedirs or Path.mkdir: the path is then that of a folder."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    import linecache

    code = trace.tb_frame.f_code
    if code.co_name in ("makedirs", "mkdir"):
        # Modules that are frozen into Python have no source.
        return True
    return "mkdir(" in linecache.getline(code.co_filename, trace.tb_lineno, trace.tb_frame.f_globals)


def _hint(path, read_only=False, is_folder=False, database=False):
    user, uid = _user(os.geteuid()), os.geteuid()
    who = "the application runs as %s (uid %d)" % (user, uid)
    if not path:
        return who + ", which may not do this" + (": the database and its folder must belong to it" if database else "")
    path = os.path.abspath(path)
    if read_only or _is_read_only(path):
        return "%s, and %s is on a read-only file system: mount a volume there, or configure another folder" % (who, path)
    outside = _outside(path)
    if outside and _modes_allow(path):
        return "%s, and its sandbox lets it write only its own folders, temporary ones and volumes: name %s in the key writable of nginx_config, and reload" % (
            who,
            outside,
        )
    what, missing, command = _obstacle(path, is_folder)
    status = os.stat(what)
    owner = "%s belongs to %s (uid %d), mode %04o" % (what, _user(status.st_uid), status.st_uid, status.st_mode & 0o7777)
    text = "%s, and %s%s. In the Dockerfile: RUN %s" % (
        who,
        "cannot create %s: " % path if missing else "" if what == path else "cannot reach %s: " % path,
        owner,
        command % {"user": user if not user.isdigit() else uid},
    )
    if _changes_user:
        text += "; or set the key user of nginx_config to %s" % (_user(status.st_uid) if status.st_uid else "its new owner")
    if outside:
        text += ". And name %s in the key writable of nginx_config" % outside
    return text


def _outside(path):
    """The folder that the sandbox would have to let the application write, if it does not."""
    # An unnamed temporary file has the path of its folder.
    folder = path
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    folder = os.path.realpath(folder)
    places = [os.path.realpath(path), folder] if os.path.lexists(path) else [folder]
    if not _writable or any(_is_below(place, known) for place in places for known in _writable + ["/dev", "/proc"]):
        return ""
    return folder


def _is_below(path, folder):
    return (path + "/").startswith(folder.rstrip("/") + "/")


def _modes_allow(path):
    """Whether owner and mode let the user write: the sandbox is not asked by access(2)."""
    if os.path.exists(path) and not os.path.isdir(path):
        # Whether the file was to be written or removed is not known.
        return os.access(path, os.W_OK) or os.access(os.path.dirname(path), os.W_OK | os.X_OK)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def _obstacle(path, is_folder):
    """The file or folder that keeps the user from the path, whether the path is missing, and the command that helps."""
    folder = os.path.dirname(path)
    closed = None
    for ancestor in _ancestors(folder):
        if not os.path.lexists(ancestor):
            break
        if not os.access(ancestor, os.X_OK):
            closed = ancestor
            break
    if closed:
        return closed, False, "chmod o+x " + _quoted(closed)
    if os.path.exists(path):
        if os.access(path, os.W_OK) and not os.path.isdir(path):
            # A database needs its folder for the journal; a file is renamed and removed in its folder.
            return folder, False, "chown %(user)s " + _quoted(folder)
        return path, False, "chown -R %(user)s " + _quoted(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if folder == os.path.dirname(path) and not is_folder:
        return folder, True, "chown %(user)s " + _quoted(folder)
    first = os.path.join(folder, os.path.relpath(path, folder).split(os.sep)[0])
    return folder, True, "mkdir -p %s && chown %%(user)s %s" % (_quoted(first), _quoted(first))


def _ancestors(folder):
    parts = folder.split(os.sep)
    return [os.sep.join(parts[:end]) or os.sep for end in range(1, len(parts) + 1)]


def _is_read_only(path):
    while not os.path.lexists(path) and path != os.sep:
        path = os.path.dirname(path)
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        # It is in a folder that is closed, which is the reason then.
        return False


def _quoted(path):
    from shlex import quote

    return quote(path).replace("%", "%%")


def _user(uid):
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# ---- SQLite names no path: it is found in the frames of the traceback.


def _database(error):
    trace, frames = error.__traceback__, []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    for trace in reversed(frames[-_CHAIN_MAX:]):
        frame = trace.tb_frame
        for value in list(frame.f_locals.values()):
            path = _path_of(value)
            if path:
                return path
        path = _argument(trace)
        if path:
            return path
    return None


def _path_of(value):
    """The file of a connection or cursor of sqlite3."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is None or not isinstance(value, (sqlite3.Connection, sqlite3.Cursor)):
        return None
    connection = getattr(value, "connection", value)
    try:
        return next((row[2] for row in connection.execute("PRAGMA database_list") if row[2]), None)
    except Exception:
        # It is closed, or of another thread.
        return None


def _argument(trace):
    """The first argument of the call of `connect` on the line of a frame, if it is made of names, attributes, items and paths
    that are joined. Attributes may run code of the application, as this line has done just before."""
    import ast
    import linecache
    import textwrap

    frame, line = trace.tb_frame, trace.tb_lineno
    for count in range(1, 8):
        lines = [linecache.getline(frame.f_code.co_filename, line + more, frame.f_globals) for more in range(count)]
        try:
            tree = ast.parse(textwrap.dedent("".join(lines)).rstrip().rstrip(":").replace("with ", "", count == 1))
        except SyntaxError:
            # The call goes on in the next line.
            continue
        for call in ast.walk(tree):
            name = getattr(getattr(call, "func", None), "attr", getattr(getattr(call, "func", None), "id", ""))
            if isinstance(call, ast.Call) and name == "connect":
                arguments = call.args[:1] + [entry.value for entry in call.keywords if entry.arg in ("database", "uri_path")]
                first = arguments[0] if arguments else None
                return first and _value(first.value if isinstance(first, ast.Starred) else first, frame)
        return None
    return None


def _value(node, frame):
    import ast

    allowed = (ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Index, ast.Constant, ast.BinOp, ast.Add, ast.Div)
    allowed += (ast.JoinedStr, ast.FormattedValue, ast.Call)
    pure = ("os.path.join", "path.join", "join", "str", "os.fspath", "fspath", "os.path.abspath", "abspath", "Path", "pathlib.Path")
    for part in ast.walk(node):
        if not isinstance(part, allowed):
            return None
        if isinstance(part, ast.Call) and ast.unparse(part.func) not in pure:
            return None
    try:
        path = eval(compile(ast.Expression(node), "<path>", "eval"), frame.f_globals, frame.f_locals)
    except Exception:
        # The line would fail so, too, or something has changed since.
        return None
    if isinstance(path, (list, tuple)) and path:
        # SQLAlchemy: connect(*arguments).
        path = path[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return None
    path = os.fsdecode(path)
    return None if path.startswith("file:") or path in ("", ":memory:") else path
