"""Imports go one way, and no module grows past what one can hold in mind."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "sedtalker"
LAYERS = {
    **dict.fromkeys(["audio"], 0),
    **dict.fromkeys(["speech", "face"], 1),
    **dict.fromkeys(["animation", "emotion", "metrics"], 2),
    **dict.fromkeys(["training", "datasets", "export", "render"], 3),
    "cli": 4,
}


def test_imports_go_from_the_command_line_down_to_the_sound() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {target}"
        for path in PACKAGE.glob("*/**/*.py")
        for target in re.findall(r"(?:from|import) sedtalker\.(\w+)", path.read_text(encoding="utf-8"))
        if LAYERS.get(target, 0) > LAYERS.get(path.relative_to(PACKAGE).parts[0], 0)
    ]
    assert wrong == []


def test_files_stay_short() -> None:
    long = [str(path) for path in PACKAGE.rglob("*.py") if path.read_text(encoding="utf-8").count("\n") > 400]
    assert long == []
