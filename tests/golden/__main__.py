"""``python -m tests.golden``: compare the outputs of this code with the manifest, or write the manifest anew."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.golden.manifest import differences, made, read_manifest, versions, write_manifest


def main() -> int:
    """Run the cases; exit code 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--compare", action="store_true", help="print what differs from the manifest")
    what.add_argument("--write", action="store_true", help="write the manifest anew, and print what has changed")
    parser.add_argument("--only", default="", help="cases whose names contain this; --write keeps the others")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is kept")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (chosen.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        found = made(folder, chosen.only, progress=True)
    try:
        kept = read_manifest()
    except FileNotFoundError:
        kept = {"versions": versions(), "given": {}, "diarizer": {}}
    if kept["versions"] != versions():
        print(f"the manifest was made with {kept['versions']}, this is {versions()}", file=sys.stderr)
    lines = differences(kept, found, chosen.only)
    print("\n".join(lines) or "all outputs are those of the manifest")
    if chosen.write:
        rest = kept if chosen.only else {"given": {}, "diarizer": {}}
        write_manifest({section: rest[section] | new for section, new in found.items()})
    return 1 if lines and not chosen.write else 0


if __name__ == "__main__":
    sys.exit(main())
