"""What the script that kills commands calls whole, old and a mixture."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture(scope="module")
def kills() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "kill_commands.py"
    spec = importlib.util.spec_from_file_location("kill_commands", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def judged(
    kills: ModuleType, folder: Path, before: dict[str, str], now: dict[str, str], **left: str
) -> tuple[str, str]:
    """The judgement where files of these texts lie; ``left``: what a killed program had still to move."""
    sandbox = kills.Sandbox(folder, folder)

    def hashes(texts: dict[str, str]) -> dict[str, str]:
        sandbox.empty("out")
        for name, text in texts.items():
            (folder / "out" / name).write_text(text)
        found: dict[str, str] = sandbox.results()
        return found

    quiet: Any = kills.Quiet([], {}, hashes({"a": "new", "b": "new"}), set(), 1.0, 0.1, folder / "old")
    then = hashes(before)
    hashes(now)
    for name, text in left.items():
        place = folder / "out" / ".sedtalker-abcdefgh" / "whole"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    command = kills.Command("x", "x")
    result: tuple[str, str] = kills.judge(command, sandbox, then, quiet)
    return result


OLD, NEW = {"a": "old", "b": "old"}, {"a": "new", "b": "new"}


def test_results_are_absent_old_or_new(kills: ModuleType, tmp_path: Path) -> None:
    assert judged(kills, tmp_path, {}, {}) == ("absent", "")
    assert judged(kills, tmp_path, OLD, OLD) == ("old", "")
    assert judged(kills, tmp_path, OLD, NEW) == ("new", "")


def test_a_mixture_is_a_fault_unless_the_next_program_makes_it_whole(kills: ModuleType, tmp_path: Path) -> None:
    mixed = {"a": "new", "b": "old"}
    assert judged(kills, tmp_path, OLD, mixed)[0] == "mixture"
    assert judged(kills, tmp_path, {}, {"a": "new"})[1].startswith("a mixture")
    assert judged(kills, tmp_path, OLD, mixed, b="new") == ("new, finished by the next", "")


def test_a_polite_end_is_one_line_and_a_code(kills: ModuleType) -> None:
    line = f"{kills.INTERRUPTED}nothing is half-written"
    assert kills._manners(signal.SIGTERM, 130, f"note: short\n{line}") == ""
    assert kills._manners(signal.SIGKILL, -9, "") == ""
    assert kills._manners(signal.SIGINT, None, "") == "it hangs"
    assert kills._manners(signal.SIGINT, 130, f"{line}\nTraceback") != ""
    assert kills._manners(signal.SIGINT, 1, line) != ""


def test_folders_of_a_command_that_goes_on_are_absent_or_whole(kills: ModuleType) -> None:
    wanted = {"a/x": "1", "a/y": "1", "b/x": "1"}
    assert kills._parts({"a/x": "1", "a/y": "1"}, wanted) == ("some whole", "")
    assert kills._parts(wanted, wanted)[0] == "whole"
    assert kills._parts({"a/x": "1"}, wanted)[0] == "mixture"
    assert kills._parts({"b/x": "2"}, wanted)[0] == "mixture"
    assert kills.compared({"run/last.ckpt": "1", "run/export/x": "2", "batch.jsonl": "3"}) == {"run/export/x": "2"}
