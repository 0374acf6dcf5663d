"""Distributions that are installed for a test: a module, and an entry point that names something in it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sedtalker.emotion.formats.files import track_formats
from sedtalker.export.formats import export_formats
from sedtalker.plugins import GROUPS, parts_of_others

AddDistribution = Callable[[str, str, str, str, str], None]
"""``add(module, code, group, name, value)``: install a module with an entry point."""


def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddDistribution]:
    """Install distributions for the time of a test; the body of a fixture."""
    site, added = tmp_path / "site-packages", []
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def forget() -> None:
        for cached in (parts_of_others, export_formats, track_formats):
            cached.cache_clear()
        importlib.invalidate_caches()

    def add(module: str, code: str, group: str, name: str, value: str) -> None:
        assert group in GROUPS
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
        added.append(module)
        forget()

    yield add
    monkeypatch.undo()
    for module in added:
        sys.modules.pop(module, None)
    forget()
