"""Records for the launcher's log, and the error pages. Written by microservice-flask: changes are lost."""

import json
import os
import re
import sys
import traceback

import microservice_flask_permissions as permissions
import microservice_flask_streams as streams

# The longest line that the launcher's log does not split, less the head.
_RECORD_MAX = 16 * 1024 - 256
# How the paths of these modules begin.
_OWN_PREFIX = os.path.join(os.path.dirname(__file__), "microservice_flask_")
_asks_for_json = re.compile(r"application/([a-z0-9.+-]+\+)?json", re.IGNORECASE).search


def error_page(environ, status, reason, headers=()):
    """Status line, headers and body of an error response, the same as nginx sends."""
    identifier = streams.valid_request_id(str(environ.get("HTTP_X_REQUEST_ID", "")))
    if _asks_for_json(environ.get("HTTP_ACCEPT", "")):
        kind = "application/json"
        text = '{"status":%d,"error":"%s","request_id":"%s"}\n' % (status, reason, identifier)
    else:
        kind = "text/html; charset=utf-8"
        text = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{0} {1}</title></head>\n'
            "<body><h1>{0} {1}</h1><p>Request {2}</p></body></html>\n"
        ).format(status, reason, identifier)
    body = text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))] + list(headers)
    return "%d %s" % (status, reason), headers, [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def record(level, message, **fields):
    """Writes one JSON line to the application's stderr."""
    fields = dict(level=level, message=message, **fields)
    line = json.dumps(fields)
    for name in "stack", "traceback":
        while len(line) > _RECORD_MAX and len(fields.get(name, "")) > 100:
            # Keeps both ends: where the request entered, and where it hangs or fails.
            text = fields[name]
            half = min(len(text) * _RECORD_MAX // len(line), len(text) - 100) // 2 - 20
            fields[name] = text[:half] + "\n  [...]\n" + text[-half:]
            line = json.dumps(fields)
    sys.__stderr__.record(line)


def about(environ):
    """The fields of a record that say which request it is about. The query string is not one: it holds secrets."""
    return {
        "request_id": streams.valid_request_id(str(environ.get("HTTP_X_REQUEST_ID", ""))),
        "method": str(environ.get("REQUEST_METHOD", ""))[:32],
        "path": ("%s%s" % (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")))[:1024],
    }


def is_own_frame(frame):
    """Whether the frame is of these modules."""
    return frame is not None and _is_own(frame.f_code.co_filename)


def _is_own(path):
    return path.startswith(_OWN_PREFIX)


def stack(frame):
    """The stack as in a traceback, innermost frame last, without the frames of these modules."""
    frames = traceback.extract_stack(frame)
    # Frames outside of these modules' first one belong to uWSGI.
    first = next((number for number, entry in enumerate(frames) if _is_own(entry.filename)), 0)
    frames = [entry for entry in frames[first:] if not _is_own(entry.filename)]
    return "".join(traceback.format_list(frames)).rstrip("\n")


def exception(error):
    """The last lines of a traceback: type and message, and what to do about a missing permission."""
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    hint = permissions.hint(error)
    return "%s (hint: %s)" % (text, hint) if hint else text


def trace(error):
    """The traceback without the frames of these modules at its beginning and end."""
    trace = error.__traceback__
    while trace and is_own_frame(trace.tb_frame):
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace)
    while len(shown.stack) > 0 and _is_own(shown.stack[-1].filename):
        shown.stack.pop()
    return "".join(shown.format()).rstrip("\n")
