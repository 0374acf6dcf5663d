"""Writes the lock: the versions and the hashes of everything that ``make setup`` installs.

python scripts/lock.py 2.13.0        # the version of PyTorch; make lock does it

One resolution by uv of ``pyproject.toml`` with the extra ``dev``, for Python 3.11 and newer and for every system, goes
into five files: ``requirements/build.txt`` (what builds packages), ``requirements/base.txt`` (what the package needs
without extras), ``requirements/video.txt`` (what the extra ``video`` adds), ``requirements/torch.txt`` (PyTorch of PyPI
with the CUDA libraries it asks for) and ``requirements/extras.txt`` (everything else). ``requirements/torch-cpu.txt``
is PyTorch's own build for Linux without a GPU; it comes from an index of PyTorch. Where that cannot be reached, the
file stays as it is, if it is of the same version.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""
FOLDER = ROOT / "requirements"
"""Where the lock is."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's index of builds without CUDA."""
OF_TORCH = re.compile(r"torch|triton|(nvidia|cuda)-.*")
"""Names of PyTorch and of what its build for NVIDIA GPUs asks for on Linux."""
ALSO = ("setuptools>=78.1.1", "editables>=0.5")
"""What builds packages that have no wheel, and what hatchling asks for when it installs a working tree."""
HEADERS = {
    "build.txt": "What builds packages, installed first.",
    "torch.txt": "PyTorch of PyPI: on Linux for NVIDIA GPUs, with the CUDA libraries.",
    "base.txt": "What the package needs without extras.",
    "video.txt": "What pictures and videos need beside it.",
    "extras.txt": "What the extras need, but for PyTorch.",
    "torch-cpu.txt": f"PyTorch for Linux without a GPU, from {CPU_INDEX}",
}
"""First line of each file."""


def compiled(requirements: str, *options: str) -> dict[str, str]:
    """Requirements resolved for all systems: name -> the lines of its versions and hashes.

    Raises:
        subprocess.CalledProcessError: there is no such set of packages, or an index cannot be reached.
    """
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    command = [str(uv) if uv.exists() else "uv", "pip", "compile", "-", "--universal", "--python-version", "3.11"]
    command += ["--fork-strategy", "fewest", "--generate-hashes", "--no-annotate", "--no-header", "--quiet", *options]
    done = subprocess.run(command, input=requirements, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    blocks: dict[str, str] = {}
    for block in re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", done.stdout, re.MULTILINE | re.DOTALL):
        name = re.split(r"[=\s]", block, maxsplit=1)[0]
        blocks[name] = blocks.get(name, "") + block
    return blocks


def write(name: str, blocks: dict[str, str]) -> None:
    """A file of the lock."""
    header = f"# {HEADERS[name]}\n# Written by make lock. Installed by make setup with pip install --require-hashes.\n"
    (FOLDER / name).write_text(header + "".join(blocks[key] for key in sorted(blocks)), encoding="utf-8")


def needed(*extras: str) -> list[str]:
    """Requirements of the package, and of some of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(line for name in extras for line in project["optional-dependencies"][name])]


def wanted() -> tuple[str, str]:
    """Requirements of the package with the extra dev, and those of its build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines, waiting, seen = needed(), ["dev"], set()
    while waiting:
        name = waiting.pop()
        for line in extras[name] if name not in seen else ():
            inner = re.fullmatch(r"sedtalker\[(.*)\]", line)
            waiting += inner[1].split(",") if inner else []
            lines += [] if inner else [line]
        seen.add(name)
    return "\n".join(lines), "\n".join([*project["build-system"]["requires"], *ALSO])


def main() -> None:
    """Resolve and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("torch", help="version of PyTorch")
    parser.add_argument("--cpu-index", default=CPU_INDEX)
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    package, build = wanted()
    everything = compiled(f"{package}\n{build}\ntorch=={given.torch}\n")
    pinned = ("--constraint", str(_pins(everything)))
    texts = {"build.txt": build, "base.txt": "\n".join(needed()), "video.txt": "\n".join(needed("video"))}
    found = {part: compiled(text, *pinned).keys() for part, text in texts.items()}
    parts: dict[str, dict[str, str]] = {part: {} for part in (*texts, "torch.txt", "extras.txt")}
    for name, block in everything.items():
        own = next((part for part, names in found.items() if name in names), "extras.txt")
        parts["torch.txt" if OF_TORCH.fullmatch(name) else own][name] = block
    for part, blocks in parts.items():
        write(part, blocks)
    try:
        index = ("--default-index", given.cpu_index, "--no-deps")
        write("torch-cpu.txt", compiled(f"torch=={given.torch}+cpu ; sys_platform == 'linux'\n", *index))
    except subprocess.CalledProcessError:
        here = FOLDER / "torch-cpu.txt"
        if not here.exists() or f"torch=={given.torch}+cpu" not in here.read_text(encoding="utf-8"):
            sys.exit(f"{given.cpu_index} cannot be reached, and {here.name} is not of {given.torch}")
        print(f"{here.name} stays as it is: {given.cpu_index} cannot be reached")


def _pins(blocks: dict[str, str]) -> Path:
    """A file of the versions alone, for uv to keep to."""
    path = ROOT / "build" / "pins.txt"
    path.parent.mkdir(exist_ok=True)
    lines = [line for block in blocks.values() for line in block.splitlines() if "==" in line]
    path.write_text("".join(line.rstrip(" \\") + "\n" for line in lines), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
