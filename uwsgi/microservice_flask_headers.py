"""What may stand in the status and the headers of a response. Written by microservice-flask: changes are lost.

uWSGI sends what it gets. A line break would let a value of the application write headers of its own (response
splitting), and nginx answers 502 to what it cannot parse: such a response is an error of the application instead.
"""

import re

# Bytes of all headers together. nginx's buffer for them has 64 KiB (proxy_buffer_size).
MAX_BYTES = 64000
# RFC 9110, 5.6.2: token. 15: status code and reason phrase.
_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_status = re.compile(r"[2-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?").fullmatch
# RFC 9110, 5.5: field-value. Other control characters are harmless, but nginx and clients reject them.
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch

_ORDINARY, _LENGTH, _DROPPED, _TYPE, _BUFFERING = range(5)
# Headers between two hops (RFC 9110, 7.6.1), which PEP 3333 leaves to the server, and the one that nginx reads.
_SPECIAL = {
    "content-length": _LENGTH,
    "content-type": _TYPE,
    "x-accel-buffering": _BUFFERING,
    "connection": _DROPPED,
    "keep-alive": _DROPPED,
    "proxy-connection": _DROPPED,
    "transfer-encoding": _DROPPED,
    "microservice-answer": _DROPPED,
}
# Names and status lines that were found valid: applications use few.
_kinds = {}
_statuses = set()
_CACHED_MAX = 1000
_NAME_MAX = 256


class NoRoom(Exception):
    """The disk space for the responses of slow clients is full, and this one would need it."""


class TooLarge(ValueError):
    """The headers are larger than nginx accepts."""


def checked(status, headers):
    """The headers as a new list without those that are the server's, and the length of the body, None if unknown.

    Raises TypeError or ValueError with what is wrong.
    """
    if status not in _statuses:
        _check_status(status)
    length = None
    size = 0
    lines = list(headers)
    special = False
    for name, value in lines:
        # The two tests of the whole value are faster than the regular expression, and suffice for nearly all.
        if value.__class__ is not str or not (value.isascii() and value.isprintable()):
            _check_value(name, value)
        size += len(value)
        kind = _kinds.get(name)
        if kind is None:
            kind = _kind(name)
        if kind:
            if kind is _LENGTH:
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise ValueError("there must be one header Content-Length, with a number of bytes, not %.100r" % value)
                length = int(value)
            elif kind is _DROPPED or (kind is _TYPE and _is_events(value)):
                special = True
    if size + (_NAME_MAX + 4) * len(lines) > MAX_BYTES:
        size += sum(len(name) + 4 for name, _ in lines)
        if size > MAX_BYTES:
            raise TooLarge("the headers of the response are %d bytes in all, at most %d can be sent" % (size, MAX_BYTES))
    return _without_special(lines) if special else lines, length


def _without_special(lines):
    """Without the headers that are the server's; events are not held back, unless the application says so itself."""
    kept = [(name, value) for name, value in lines if _kind(name) is not _DROPPED]
    of_events = any(_kind(name) is _TYPE and _is_events(value) for name, value in kept)
    if of_events and not any(_kind(name) is _BUFFERING for name, _ in kept):
        # Each event reaches the client at once (ngx_http_proxy_module, proxy_buffering).
        kept.append(("X-Accel-Buffering", "no"))
    return kept


def is_unbuffered(lines):
    """Whether nginx passes the response on as it comes, at the pace of the client."""
    return any(_kind(name) is _BUFFERING and value.lower() == "no" for name, value in lines)


def _is_events(media_type):
    """Whether it is that of server-sent events; case does not matter (RFC 9110, 8.3.1)."""
    return media_type[:17].lower() == "text/event-stream"


def _check_status(status):
    if not isinstance(status, str):
        raise TypeError("the status must be text such as '200 OK', not %s" % _described(status))
    if not _is_status(status):
        raise ValueError("the status must be a number from 200 to 999 and a reason in Latin-1, not %r" % status[:100])
    if len(_statuses) < _CACHED_MAX:
        _statuses.add(status)


def _kind(name):
    if not isinstance(name, str):
        raise TypeError("the name of a header must be text, not %s" % _described(name))
    if not _is_token(name) or len(name) > _NAME_MAX:
        raise ValueError("%r cannot be the name of a header (RFC 9110, 5.1)" % name[:100])
    kind = _SPECIAL.get(name.lower(), _ORDINARY)
    if len(_kinds) < _CACHED_MAX:
        _kinds[name] = kind
    return kind


def _check_value(name, value):
    if not isinstance(value, str):
        raise TypeError("the value of the header %s must be text, not %s" % (name, _described(value)))
    if _is_value(value):
        return
    foreign = next((letter for letter in value if ord(letter) > 0xFF), None)
    if foreign is None:
        found = "it contains a line break or another control character"
    else:
        found = "%r is not Latin-1; a file name goes into filename* (RFC 6266)" % foreign
    raise ValueError("the value of the header %s cannot be sent: %s: %.100r" % (name, found, value))


def _described(value):
    return "%s %.100r" % (type(value).__name__, value)
