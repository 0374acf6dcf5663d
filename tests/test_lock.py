"""The lock satisfies what the package asks for, everywhere it is said to run, and every file in it has a hash."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sedtalker.errors import OPTIONAL

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
SYSTEMS = {
    "Linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    "macOS": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    "Windows": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
}
PYTHONS = ("3.11", "3.12", "3.13")


@cache
def project() -> dict[str, object]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))


def entries(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each version in a file of the lock, and its hashes."""
    text = (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", "")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def asked(extra: str | None = None) -> Iterator[Requirement]:
    """What the package asks for, alone or with an extra."""
    described = project()["project"]
    assert isinstance(described, dict)
    extras = described["optional-dependencies"]
    for line in described["dependencies"] if extra is None else extras[extra]:
        inner = re.fullmatch(r"sedtalker\[(.*)\]", line)
        if inner is None:
            yield Requirement(line)
        else:
            for name in inner[1].split(","):
                yield from asked(name)


def test_what_an_error_says_to_install_brings_the_module() -> None:
    packages = {"hydra": "hydra-core", "lightning_fabric": "lightning-fabric", "sklearn": "scikit-learn"}
    for module, extra in OPTIONAL.items():
        assert packages.get(module, module) in {canonicalize_name(needed.name) for needed in asked(extra)}


def environment(python: str, system: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.5", "extra": "", **SYSTEMS[system]}


def locked(python: str, system: str, files: tuple[str, ...]) -> dict[str, Version]:
    found = {}
    for requirement, _ in (entry for name in files for entry in entries(name)):
        if requirement.marker is None or requirement.marker.evaluate(environment(python, system)):
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            assert requirement.name not in found, f"two versions of {requirement.name}"
            found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", list(SYSTEMS))
@pytest.mark.parametrize("torch", ["torch.txt", "torch-cpu.txt"])
def test_what_the_package_asks_for_is_in_it(python: str, system: str, torch: str) -> None:
    if torch == "torch-cpu.txt" and system != "Linux":
        pytest.skip("elsewhere the usual build of PyTorch is for the CPU")
    versions = locked(python, system, ("build.txt", torch, "base.txt", "video.txt", "extras.txt"))
    for requirement in (*asked(), *asked("dev")):
        if requirement.marker is None or requirement.marker.evaluate(environment(python, system)):
            version = versions.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement.name} is not in the lock: make lock"
            assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"


@pytest.mark.parametrize("name", ["build.txt", "torch.txt", "torch-cpu.txt", "base.txt", "video.txt", "extras.txt"])
def test_everything_has_hashes(name: str) -> None:
    listed = list(entries(name))
    assert listed
    for requirement, hashes in listed:
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement.name


def test_what_inference_needs_is_in_its_file_without_torch() -> None:
    versions = locked("3.11", "Linux", ("build.txt", "base.txt"))
    assert {canonicalize_name(requirement.name) for requirement in asked()} <= set(versions)
    assert not {"torch", "numba", "llvmlite", "av", "matplotlib"} & set(versions)
    assert {canonicalize_name(requirement.name) for requirement in asked("video")} <= set(
        locked("3.11", "Linux", ("video.txt",))
    )


def test_what_builds_the_package_is_in_it() -> None:
    build = project()["build-system"]
    assert isinstance(build, dict)
    versions = locked("3.11", "Linux", ("build.txt",))
    for requirement in map(Requirement, build["requires"]):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_torch_is_the_same_everywhere() -> None:
    version = re.search(r"^TORCH := (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    found = {r.name: str(r.specifier) for name in ("torch.txt", "torch-cpu.txt") for r, _ in entries(name)}
    assert found["torch"] == f"=={version[1]}+cpu"
    assert {str(r.specifier) for r, _ in entries("torch.txt") if r.name == "torch"} == {f"=={version[1]}"}


def test_only_torch_brings_the_libraries_of_cuda() -> None:
    names = {
        r.name
        for name in ("build.txt", "base.txt", "video.txt", "extras.txt", "torch-cpu.txt")
        for r, _ in entries(name)
    }
    assert [n for n in names if n.startswith(("nvidia-", "cuda-")) or n == "triton"] == []


def test_setup_takes_nothing_that_is_not_in_the_lock() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = "".join(text.partition(f"$(VENV)/.{name}:")[2].partition("\n\n")[0] for name in ("base", "video", "ready"))
    assert "--require-hashes --no-deps --no-build-isolation" in text
    for line in re.findall(r"pip\S* install[^\n|;]*", recipe):
        assert "--no-deps --no-build-isolation -e ." in line, line
    for name in ("build.txt", "torch.txt", "torch-cpu.txt", "base.txt", "video.txt", "extras.txt"):
        assert f"$(LOCKED) -r requirements/{name}" in recipe or f"-r requirements/{name}" in recipe
