"""The list of software and weights is valid, and whole."""

from __future__ import annotations

import json
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from sedtalker import __version__

pytest.importorskip("cyclonedx", reason="cyclonedx-bom is not installed")


@pytest.mark.slow
def test_the_list_is_valid_and_whole() -> None:
    from scripts.sbom import described  # raises where the schema is not met

    listed = json.loads(described())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["version"] == __version__
    parts = {canonicalize_name(c["name"]): c for c in listed["components"] if c["type"] == "library"}
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]  # libraries add their own to sys.path
    here = {canonicalize_name(d.metadata["Name"]) for d in distributions(path=folders)} - {"sedtalker"}
    assert set(parts) == here
    assert parts["numpy"]["licenses"]


def test_all_weights_with_licence_and_hash() -> None:
    from scripts.sbom import weights

    folders = {p.parent.name: p for p in (Path(__file__).parents[2] / "checkpoints").glob("*/config.json")}
    listed = {each["name"]: each for each in weights()}
    assert set(listed) == set(folders)
    for name, each in listed.items():
        licence = json.loads(folders[name].read_text(encoding="utf-8"))["licence"]
        assert each["licenses"] == [{"license": {"id": licence}}]
        assert len(each["hashes"][0]["content"]) == 64
