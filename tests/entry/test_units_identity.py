"""Unit tests of the headers that only a proxy may send."""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import units  # noqa: E402, F401

import microservice_flask_environ as environs  # noqa: E402
import microservice_flask_identity as identity  # noqa: E402

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/configuration.md"
PASSED = "203.0.113.7 4711 8080 http %s t=1.250 HTTP/1.1 r1 www.example.com / ."


def words():
    return " ".join(identity.HEADERS.values()).split()


class Identity(unittest.TestCase):
    def setUp(self):
        identity._others.clear()

    def dropped(self, *names, kept=""):
        environ = dict.fromkeys(names, "x")
        identity.drop(environ, kept)
        return [name for name in names if name not in environ]

    def test_each_word_of_the_list(self):
        for word in words():
            name = identity.variable(word.replace("*", "x9"))
            self.assertEqual(self.dropped(name), [name], word)
            self.assertEqual(self.dropped("X" + name, "HTTP_A_" + name[5:]), [], word)

    def test_what_is_only_similar(self):
        others = "X_HOSTS X_USERS X_USER_AGENT X_SCHEMES X_HTTPSX X_CLIENT_IPS EPPNS X_REAL X_AUTH_TOKEN CF FORWARDE REMOTE"
        self.assertEqual(self.dropped(*("HTTP_" + name for name in others.split())), [])

    def test_no_word_covers_another(self):
        prefixes = [word[:-1].lower() for word in words() if word.endswith("*")]
        for word in words():
            plain = word.rstrip("*").lower()
            covering = [p for p in prefixes if plain.startswith(p) and not (word.endswith("*") and p == plain)]
            self.assertEqual(covering, [], word)
        self.assertEqual(len(words()), len({word.lower() for word in words()}))

    def test_no_variable_of_the_server_is_in_it(self):
        mine = "HTTP_HOST HTTP_X_REQUEST_ID HTTP_X_REQUEST_START REMOTE_ADDR REMOTE_PORT REMOTE_USER SCRIPT_NAME PATH_INFO"
        mine = mine.split() + ["SSL_CLIENT_CERT", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "wsgi.input"]
        self.assertEqual(self.dropped(*mine), [])

    def test_what_is_kept(self):
        names = "HTTP_REMOTE_USER", "HTTP_X_REAL_IP", "HTTP_ACCEPT"
        self.assertEqual(self.dropped(*names), ["HTTP_REMOTE_USER", "HTTP_X_REAL_IP"])
        self.assertEqual(self.dropped(*names, kept="remote-user"), ["HTTP_X_REAL_IP"])
        self.assertEqual(self.dropped(*names, kept="X-Real-IP,Remote-User"), [])
        self.assertEqual(self.dropped(*names, kept="X-Real,Remote-*"), ["HTTP_REMOTE_USER", "HTTP_X_REAL_IP"])
        # What was kept once is not known as harmless.
        self.assertEqual(self.dropped(*names), ["HTTP_REMOTE_USER", "HTTP_X_REAL_IP"])

    def test_what_is_remembered_has_a_bound(self):
        self.dropped(*("HTTP_X_JUNK_%d" % number for number in range(5000)))
        self.dropped("HTTP_" + "X" * 8000)
        self.assertEqual(len(identity._others), identity._OTHERS_MAX)
        self.assertLess(max(map(len, identity._others)), 100)
        self.assertEqual(self.dropped("HTTP_NEW", "HTTP_X_REAL_IP"), ["HTTP_X_REAL_IP"])

    def test_by_sender(self):
        for trusted, seen in ("0", False), ("1", True), ("0X-Real-IP", True), ("0Remote-User", False), ("2", False):
            raw = {"HTTP_X_REAL_IP": "192.0.2.1", "HTTP_MICROSERVICE_REQUEST": PASSED % trusted}
            self.assertEqual("HTTP_X_REAL_IP" in environs.own(raw), seen, trusted)
        self.assertNotIn("HTTP_X_REAL_IP", environs.own({"HTTP_X_REAL_IP": "192.0.2.1"}))

    def test_the_list_of_the_docs(self):
        rows = re.findall(r"^\| ([A-Za-z ,-]+) \| (`.*`) \|$", DOCS.read_text(), re.MULTILINE)
        told = {kind: re.findall("`([^`]+)`", headers) for kind, headers in rows if kind in identity.HEADERS}
        self.assertEqual(told, {kind: headers.split() for kind, headers in identity.HEADERS.items()})
