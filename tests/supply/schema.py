"""Checks a CycloneDX document against its schema: `schema.py FILE`; tests call `problem`."""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def problem(text):
    """What the schema has against it, or None."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


if __name__ == "__main__":
    found = problem(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    if found:
        sys.exit(f"{sys.argv[1]} is no CycloneDX 1.6 document: {found}")
