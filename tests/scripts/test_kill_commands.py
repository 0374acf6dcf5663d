"""What the script that kills commands calls whole, old and a mixture."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture(scope="module", autouse=True)
def kills() -> Iterator[None]:
    """The parts of the script can be imported, as they are when it runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "scripts")
        yield


def judged(folder: Path, before: dict[str, str], now: dict[str, str], **left: str) -> tuple[str, str]:
    """The judgement where files of these texts lie; ``left``: what a killed program had still to move."""
    from kills.commands import Command
    from kills.judging import judge
    from kills.quiet import Quiet
    from kills.sandbox import Sandbox

    sandbox = Sandbox(folder, folder)

    def hashes(texts: dict[str, str]) -> dict[str, str]:
        sandbox.empty("out")
        for name, text in texts.items():
            (folder / "out" / name).write_text(text)
        found: dict[str, str] = sandbox.results()
        return found

    quiet: Any = Quiet([], {}, hashes({"a": "new", "b": "new"}), set(), 1.0, 0.1, folder / "old")
    then = hashes(before)
    hashes(now)
    for name, text in left.items():
        place = folder / "out" / ".sedtalker-abcdefgh" / "whole"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    command = Command("x", "x")
    result: tuple[str, str] = judge(command, sandbox, then, quiet)
    return result


OLD, NEW = {"a": "old", "b": "old"}, {"a": "new", "b": "new"}


def test_results_are_absent_old_or_new(tmp_path: Path) -> None:
    assert judged(tmp_path, {}, {}) == ("absent", "")
    assert judged(tmp_path, OLD, OLD) == ("old", "")
    assert judged(tmp_path, OLD, NEW) == ("new", "")


def test_a_mixture_is_a_fault_unless_the_next_program_makes_it_whole(tmp_path: Path) -> None:
    mixed = {"a": "new", "b": "old"}
    assert judged(tmp_path, OLD, mixed)[0] == "mixture"
    assert judged(tmp_path, {}, {"a": "new"})[1].startswith("a mixture")
    assert judged(tmp_path, OLD, mixed, b="new") == ("new, finished by the next", "")


def test_a_polite_end_is_one_line_and_a_code() -> None:
    from kills.judging import INTERRUPTED, manners

    line = f"{INTERRUPTED}; nothing is half-written"
    assert manners(signal.SIGTERM, 130, f"note: short\n{line}") == ""
    assert manners(signal.SIGINT, 130, f"{INTERRUPTED}: 1 of 2 are done or failed; --resume continues") == ""
    assert manners(signal.SIGKILL, -9, "") == ""
    assert manners(signal.SIGINT, None, "") == "it hangs"
    assert manners(signal.SIGINT, 130, f"{line}\nTraceback") != ""
    assert manners(signal.SIGINT, 1, line) != ""


def test_folders_of_a_command_that_goes_on_are_absent_or_whole() -> None:
    from kills.judging import compared, parts

    wanted = {"a/x": "1", "a/y": "1", "b/x": "1"}
    assert parts({"a/x": "1", "a/y": "1"}, wanted) == ("some whole", "")
    assert parts(wanted, wanted)[0] == "whole"
    assert parts({"a/x": "1"}, wanted)[0] == "mixture"
    assert parts({"b/x": "2"}, wanted)[0] == "mixture"
    assert compared({"run/last.ckpt": "1", "run/export/x": "2", "batch.jsonl": "3"}) == {"run/export/x": "2"}
