"""What the statement says of a build."""

import argparse
import unittest

import script

PINNED = "docker.io/library/debian@sha256:" + "d" * 64


def statement(*options):
    build = argparse.Namespace(
        engine="podman", image="hello", target="root", commit="e" * 40, started="then", finished="later",
        command=["podman", "build", *options, "."],
    )
    image = {"Id": "sha256:" + "c" * 64}
    return script.load("provenance").statement(build, image, launcher="a" * 64, sbom="f" * 64, version="podman 4")


class Provenance(unittest.TestCase):
    def test_names_what_came_out(self):
        made = statement("--build-arg", f"BASE_IMAGE={PINNED}")
        self.assertEqual(made["_type"], "https://in-toto.io/Statement/v1")
        self.assertEqual(made["predicateType"], "https://slsa.dev/provenance/v1")
        self.assertEqual([subject["digest"]["sha256"][0] for subject in made["subject"]], ["c", "a"])
        self.assertEqual(made["predicate"]["runDetails"]["byproducts"][0]["digest"], {"sha256": "f" * 64})

    def test_names_the_commit_and_the_bases(self):
        definition = statement("--build-arg", f"BASE_IMAGE={PINNED}")["predicate"]["buildDefinition"]
        source, base = definition["resolvedDependencies"]
        self.assertEqual(source["digest"], {"gitCommit": "e" * 40})
        self.assertEqual(base["uri"], "docker://docker.io/library/debian")
        self.assertEqual(base["digest"], {"sha256": "d" * 64})
        self.assertEqual(definition["externalParameters"]["buildArgs"], {"BASE_IMAGE": PINNED})

    def test_refuses_a_base_without_a_digest(self):
        with self.assertRaises(SystemExit) as refused:
            statement("--build-arg", "BASE_IMAGE=debian:bookworm-slim")
        self.assertIn("BASE_IMAGE is not pinned", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
