"""The vendored libraries are the pinned ones, unchanged, and NOTICE names them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_vendored_files_are_those_of_the_registry_and_noticed() -> None:
    spec = importlib.util.spec_from_file_location("vendor_studio", ROOT / "scripts" / "vendor_studio.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["vendor_studio"] = script
    spec.loader.exec_module(script)
    assert script.complaints() == []
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for package in json.loads((script.VENDOR / "versions.json").read_text(encoding="utf-8")):
        assert f"{package['name']} {package['version']}" in notice
        assert (script.VENDOR / package["name"].removesuffix(".js") / "LICENSE").is_file()
