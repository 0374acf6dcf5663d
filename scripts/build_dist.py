"""Builds the wheel and the source archive of the last commit: the same bytes whenever, wherever and by whom.

python scripts/build_dist.py dist        # make dist does it

The files are those of the commit, so what lies about in the working tree is left out, and all of them carry the time of
the commit. The bytes depend on the versions of hatchling (which the lock holds) and of zlib.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""


def git(*words: str) -> bytes:
    """What git answers."""
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, stdout=subprocess.PIPE).stdout


def build(folder: Path, commit: str = "HEAD") -> list[Path]:
    """Build both of a commit into a folder.

    Raises:
        subprocess.CalledProcessError: not a git repository, or the build failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seconds = git("show", "-s", "--format=%ct", commit).decode().strip()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": seconds}
    environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit))) as archive:
            archive.extractall(source, filter="data")
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder.resolve())]
        subprocess.run(command, cwd=source, env=environment, check=True, stdout=subprocess.DEVNULL)
        version = (source / "sedtalker" / "version.py").read_text(encoding="utf-8").split('"')[-2]
    return [folder / f"sedtalker-{version}-py3-none-any.whl", folder / f"sedtalker-{version}.tar.gz"]


def main() -> None:
    """Build, and print sizes and hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if git("status", "--porcelain", "--untracked-files=no").strip():
        print("what is not committed is left out", file=sys.stderr)
    for path in build(given.folder):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
