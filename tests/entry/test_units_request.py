"""Unit tests of what the application gets of a request, and of the checks of its headers."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import units  # noqa: E402, F401

import microservice_flask_environ as environs  # noqa: E402
import microservice_flask_headers as headers  # noqa: E402
import microservice_flask_websocket as websocket  # noqa: E402

PASSED = "203.0.113.7 4711 8080 https %s t=1.250 HTTP/1.0 r1 www.example.com /a%%20b?c=d ."


class Environ(unittest.TestCase):
    def own(self, passed=PASSED % "0", **raw):
        raw = dict({"REQUEST_METHOD": "GET", "PATH_INFO": "/a b", "REQUEST_URI": "/a%20b", "REMOTE_ADDR": "x"}, **raw)
        if passed is not None:
            raw["HTTP_MICROSERVICE_REQUEST"] = passed
        before = dict(raw)
        environ = environs.own(raw)
        self.assertEqual(raw, before)
        self.assertNotIn("HTTP_MICROSERVICE_REQUEST", environ)
        return environ

    def test_what_nginx_knows(self):
        environ = self.own()
        for name, value in {
            "REMOTE_ADDR": "203.0.113.7",
            "REMOTE_PORT": "4711",
            "SERVER_PORT": "8080",
            "SERVER_NAME": "www.example.com",
            "SERVER_PROTOCOL": "HTTP/1.0",
            "REQUEST_SCHEME": "https",
            "wsgi.url_scheme": "https",
            "HTTPS": "on",
            "REQUEST_URI": "/a%20b?c=d",
            "HTTP_X_REQUEST_ID": "r1",
            "HTTP_X_REQUEST_START": "t=1.250",
            "CONTENT_TYPE": "",
            "CONTENT_LENGTH": "",
        }.items():
            self.assertEqual(environ[name], value, name)

    def test_a_client_that_calls_a_header_like_nginx_s(self):
        # Possible with `underscores_in_headers on` only. uWSGI joins the two in their order.
        environ = self.own((PASSED % "0") + ", 10.0.0.1 1 1 http 1 t=0 HTTP/1.1 evil evil /evil .")
        self.assertEqual((environ["REMOTE_ADDR"], environ["REQUEST_URI"]), ("203.0.113.7", "/a%20b?c=d"))

    def test_a_request_past_nginx(self):
        for passed in None, "too few":
            environ = self.own(passed, HTTP_TRACEPARENT="posed", HTTP_TRACESTATE="posed")
            self.assertEqual((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]), ("127.0.0.1", "http"))
            self.assertTrue(environ.keys().isdisjoint(["HTTP_TRACEPARENT", "HTTP_TRACESTATE"]))

    def test_forwarded_headers_of_strangers_are_dropped(self):
        forwarded = {name: "evil" for name in environs._FORWARDED}
        environ = self.own(HTTP_HOST="h", **forwarded)
        self.assertTrue(environ.keys().isdisjoint(forwarded))
        self.assertEqual(environ["HTTP_HOST"], "h")

    def test_the_nearest_proxy_counts(self):
        def seen(**raw):
            environ = self.own(PASSED.replace("https", "http") % "1", HTTP_HOST="h", HTTP_X_FORWARDED_FOR="1.2.3.4", **raw)
            self.assertEqual(environ["HTTP_X_FORWARDED_PROTO"], environ["wsgi.url_scheme"])
            self.assertEqual(environ.get("HTTPS"), {"https": "on"}.get(environ["wsgi.url_scheme"]))
            return environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ.get("HTTP_X_FORWARDED_HOST")

        self.assertEqual(seen(), ("http", "h", None))
        for proto, scheme in (
            ("https", "https"),
            ("HTTPS", "https"),
            ("https, http", "http"),
            ("http,https", "https"),
            ("wss", "https"),
            ("gopher", "http"),
            ("", "http"),
            ("https,", "http"),
        ):
            self.assertEqual(seen(HTTP_X_FORWARDED_PROTO=proto)[0], scheme, proto)
        self.assertEqual(seen(HTTP_X_FORWARDED_SSL="on")[0], "https")
        self.assertEqual(seen(HTTP_X_FORWARDED_SSL="on", HTTP_X_FORWARDED_PROTO="http")[0], "http")
        for host, seen_host in (
            ("www.example.com", "www.example.com"),
            ("evil, www.example.com:8443", "www.example.com:8443"),
            ("www.example.com, [::1]:80", "[::1]:80"),
        ):
            self.assertEqual(seen(HTTP_X_FORWARDED_HOST=host)[1:], (seen_host, seen_host), host)
        for host in "www, ev/il", "a b", "", "www,", "a:b", "a:1:2", "::1", "[::1", "a[b]", ".a", ":80":
            self.assertEqual(seen(HTTP_X_FORWARDED_HOST=host)[1:], ("h", None), host)


class Body:
    """uWSGI's input: gives what it has, at most what is asked for, and everything for 0."""

    def __init__(self, data):
        self.data, self.asked = data, []

    def read(self, size=0):
        self.asked.append(size)
        data, self.data = self.data[: size or None], self.data[size:] if size else b""
        return data


class Input(unittest.TestCase):
    DATA = b"one\ntwo\n\nlast without end"

    def input(self, data=None):
        data = self.DATA if data is None else data
        return environs.Input(Body(data), len(data))

    def test_pep_3333(self):
        for step in 1, 2, 3, 5, 100:
            body = self.input()
            pieces = list(iter(lambda: body.read(step), b""))
            self.assertEqual(pieces, [self.DATA[at : at + step] for at in range(0, len(self.DATA), step)])
            body = self.input()
            lines = list(iter(lambda: body.readline(step), b""))
            self.assertEqual(b"".join(lines), self.DATA)
            self.assertTrue(all(len(line) <= step and b"\n" not in line[:-1] for line in lines), lines)
        lines = [b"one\n", b"two\n", b"\n", b"last without end"]
        self.assertEqual(list(self.input()), lines)
        self.assertEqual(self.input().readlines(), lines)
        self.assertEqual(self.input().readlines(5), lines[:2])
        for everything in (), (None,), (-1,), (1000,):
            self.assertEqual(self.input().read(*everything), self.DATA)
        self.assertEqual(self.input().readline(None), lines[0])
        self.assertEqual((self.input().read(0), self.input().readline(0)), (b"", b""))

    def test_mixed(self):
        body = self.input()
        self.assertEqual(body.readline(2), b"on")
        self.assertEqual(body.read(4), b"e\ntw")
        self.assertEqual(body.readline(), b"o\n")
        self.assertEqual(body.read(), b"\nlast without end")
        self.assertEqual((body.read(), body.readline(), list(body)), (b"", b"", []))

    def test_a_large_body_is_read_in_pieces(self):
        data = b"x" * (3 * environs._PIECE) + b"\n" + b"y" * 10
        body = self.input(data)
        self.assertEqual(body.readline(), data[:-10])
        self.assertEqual(body.read(), b"y" * 10)
        self.assertLessEqual(max(body._raw.asked), environs._PIECE)

    def test_no_body(self):
        for length in "", "0", "00", "x", "-1":
            body = environs.input_of({"CONTENT_LENGTH": length, "wsgi.input": Body(b"of another")})
            self.assertEqual((body.read(), body.read(5), body.readline(2), list(body)), (b"", b"", b"", []))
            self.assertEqual(body.readlines(), [])

    def test_after_the_end(self):
        for read in (
            lambda body: body.read(),
            lambda body: body.read(0),
            lambda body: body.read(1),
            lambda body: body.readline(),
            lambda body: body.readline(0),
            lambda body: list(body),
            lambda body: body.readlines(),
        ):
            body = self.input()
            body.readline()
            self.assertEqual(body.end(), 0)
            self.assertRaisesRegex(RuntimeError, "the request has ended", read, body)
        # What nginx is still sending is left to the caller.
        for size, left in (100, 0), (16 * 1024, 0), (16 * 1024 + 1, 16 * 1024 + 1):
            body = self.input(b"x" * size)
            self.assertEqual(body.end(), left)


class WebSockets(unittest.TestCase):
    def test_without_an_idle_limit_there_is_none(self):
        # The launcher sets the variable only where the configuration has a limit.
        self.assertEqual(websocket.IDLE_LIMIT, float("inf"))


class Headers(unittest.TestCase):
    def test_what_can_be_sent(self):
        kept, length = headers.checked(
            "200 Ünlich", [("X-Tab", "a\tb"), ("X-Latin", "\xe9"), ("Content-Length", "12"), ("KEEP-ALIVE", "x")]
        )
        self.assertEqual((kept, length), ([("X-Tab", "a\tb"), ("X-Latin", "\xe9"), ("Content-Length", "12")], 12))
        self.assertEqual(headers.checked("404", iter([("X", "y")])), ([("X", "y")], None))

    def test_events_are_not_held_back(self):
        for kind, held in (
            ("text/event-stream", False),
            ("text/event-stream; charset=utf-8", False),
            ("TEXT/EVENT-STREAM", False),
            ("text/plain", True),
        ):
            kept, _ = headers.checked("200 OK", [("Content-Type", kind)])
            self.assertEqual(("X-Accel-Buffering", "no") not in kept, held, kind)

    def test_an_application_decides_itself_what_is_held_back(self):
        lines = [("Content-Type", "text/event-stream"), ("x-accel-buffering", "yes")]
        self.assertEqual(headers.checked("200 OK", lines)[0], lines)

    def test_what_cannot(self):
        for status, lines, error, words in (
            (200, [], TypeError, "the status must be text"),
            (b"200 OK", [], TypeError, "the status must be text"),
            ("OK", [], ValueError, "the status must be a number"),
            ("99 Low", [], ValueError, "the status must be a number"),
            ("100 Continue", [], ValueError, "the status must be a number"),
            ("200 O\r\nX: y", [], ValueError, "the status must be a number"),
            ("200 \u4f60", [], ValueError, "the status must be a number"),
            ("200 OK", [("X", 5)], TypeError, "the value of the header X must be text, not int 5"),
            ("200 OK", [("X", b"5")], TypeError, "the value of the header X must be text"),
            ("200 OK", [("X", None)], TypeError, "the value of the header X must be text"),
            ("200 OK", [(5, "x")], TypeError, "the name of a header must be text"),
            ("200 OK", [("X Y", "x")], ValueError, "cannot be the name of a header"),
            ("200 OK", [("", "x")], ValueError, "cannot be the name of a header"),
            ("200 OK", [("X:", "x")], ValueError, "cannot be the name of a header"),
            ("200 OK", [("X", "a\r\nSet-Cookie: b")], ValueError, "a line break"),
            ("200 OK", [("X", "a\nb")], ValueError, "a line break"),
            ("200 OK", [("X", "a\0")], ValueError, "a line break or another control character"),
            ("200 OK", [("X", "\u4f60")], ValueError, "is not Latin-1"),
            ("200 OK", [("Content-Length", "many")], ValueError, "Content-Length"),
            ("200 OK", [("Content-Length", "-1")], ValueError, "Content-Length"),
            ("200 OK", [("Content-Length", "9" * 19)], ValueError, "Content-Length"),
            ("200 OK", [("X" * 257, "x")], ValueError, "cannot be the name of a header"),
            ("200 OK", [("X-%d" % n, "") for n in range(9000)], headers.TooLarge, "at most 64000"),
            ("200 OK", [("Content-Length", "1"), ("Content-Length", "2")], ValueError, "Content-Length"),
            ("200 OK", [("X", "y", "z")], ValueError, "too many values"),
            ("200 OK", {"X-Y": "z"}, ValueError, "too many values"),
            ("200 OK", None, TypeError, "not iterable"),
            ("200 OK", [("X", "y" * 64000)], headers.TooLarge, "at most 64000"),
        ):
            with self.subTest(status=status, lines=lines):
                self.assertRaisesRegex(error, words, headers.checked, status, lines)


if __name__ == "__main__":
    unittest.main()
