"""The SBOM of a small image that is made up here; tests/container/run checks that of the real one."""

import json
import unittest

import schema
import script

PARTS = {
    "os": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"',
    "debian": (
        "installed\tlibpcre3\t2:8.39-15\tamd64\tpcre3\t2:8.39-15\n"
        "config-files\tgone\t1\tall\tgone\t1\n"
        "installed\tg++\t1+b1\tamd64\tgcc\t1\n"
    ),
    "hash": "a" * 64 + "  /usr/local/bin/microservice-flask",
    "crates-in-binary": "microservice-flask v0.1.0 (/build)|Apache-2.0\nmemchr v2.8.0|Unlicense/MIT",
    "crates-at-build": (
        "microservice-flask v0.1.0 (/build)|Apache-2.0\nmemchr v2.8.0|Unlicense/MIT\n"
        "syn v3.0.0|MIT OR Apache-2.0\nmacros v1.0.0 (proc-macro)|"
    ),
    "Cargo.lock": """
[[package]]
name = "microservice-flask"
version = "0.1.0"
dependencies = ["macros", "memchr", "syn 3.0.0", "tester"]
[[package]]
name = "macros"
version = "1.0.0"
dependencies = ["syn 3.0.0"]
[[package]]
name = "memchr"
version = "2.8.0"
checksum = "%s"
[[package]]
name = "syn"
version = "2.0.0"
[[package]]
name = "syn"
version = "3.0.0"
[[package]]
name = "tester"
version = "1.0.0"
"""
    % ("b" * 64),
    "python": "Name: Flask_Sock\nVersion: 0.7.0\nVersion: 1.2\nName: redis",
}
IMAGE = {"Id": "sha256:" + "c" * 64, "Created": "2026-11-01T10:00:00.123456789Z"}


class Sbom(unittest.TestCase):
    def setUp(self):
        self.bom = script.load("sbom").bom("hello", IMAGE, PARTS)
        self.components = {part["bom-ref"]: part for part in self.bom["components"]}

    def test_keeps_to_the_schema(self):
        self.assertIsNone(schema.problem(json.dumps(self.bom)))

    def test_the_schema_refuses_what_is_wrong(self):
        self.bom["components"][0]["type"] = "no such type"
        self.assertIsNotNone(schema.problem(json.dumps(self.bom)))

    def test_is_the_same_for_the_same_image(self):
        self.assertEqual(self.bom, script.load("sbom").bom("hello", IMAGE, PARTS))

    def test_lists_what_is_installed(self):
        self.assertIn("pkg:deb/debian/libpcre3@2%3A8.39-15?arch=amd64&distro=debian-12", self.components)
        self.assertNotIn("gone", {part["name"] for part in self.bom["components"]})
        self.assertIn("pkg:pypi/flask-sock@0.7.0", self.components)
        self.assertIn("pkg:pypi/redis@1.2", self.components)

    def test_escapes_names_in_package_urls(self):
        self.assertIn("pkg:deb/debian/g%2B%2B@1%2Bb1?arch=amd64&distro=debian-12", self.components)

    def test_tells_crates_in_the_binary_from_those_of_its_build(self):
        scopes = {name: part.get("scope") for name, part in self.components.items() if name.startswith("pkg:cargo/")}
        self.assertEqual(
            scopes,
            {
                "pkg:cargo/microservice-flask@0.1.0": "required",
                "pkg:cargo/memchr@2.8.0": "required",
                "pkg:cargo/macros@1.0.0": "excluded",
                "pkg:cargo/syn@3.0.0": "excluded",
            },
        )
        self.assertEqual(self.components["pkg:cargo/memchr@2.8.0"]["licenses"], [{"expression": "Unlicense OR MIT"}])
        self.assertEqual(self.components["pkg:cargo/memchr@2.8.0"]["hashes"][0]["content"], "b" * 64)
        self.assertEqual(self.components["pkg:cargo/microservice-flask@0.1.0"]["hashes"][0]["content"], "a" * 64)

    def test_says_who_needs_whom(self):
        needs = {part["ref"]: part["dependsOn"] for part in self.bom["dependencies"]}
        self.assertEqual(
            needs["pkg:cargo/microservice-flask@0.1.0"],
            ["pkg:cargo/macros@1.0.0", "pkg:cargo/memchr@2.8.0", "pkg:cargo/syn@3.0.0"],
        )
        self.assertIn("pkg:cargo/microservice-flask@0.1.0", needs["image"])


if __name__ == "__main__":
    unittest.main()
