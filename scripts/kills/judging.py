"""What a kill has left: results that are absent, whole old or whole new, and how the command ended."""

from __future__ import annotations

import signal

from kills.commands import Command
from kills.quiet import Quiet
from kills.sandbox import Sandbox

INTERRUPTED = "interrupted"
"""How the line of a command begins that was killed politely."""


def judge(command: Command, sandbox: Sandbox, before: dict[str, str], quiet: Quiet) -> tuple[str, str]:
    """What the results are now."""
    if command.goes_on:
        return parts(compared(sandbox.results()), compared(quiet.results))
    for attempt in ("", ", finished by the next"):
        now = sandbox.results()
        if now == before:
            return ("old" if len(before) > len(quiet.given) else "absent") + attempt, ""
        if now == quiet.results:
            return "new" + attempt, ""
        from sedtalker.staging import clear_left_over

        for folder in (sandbox.root / "out", *(p for p in (sandbox.root / "out").rglob("*") if p.is_dir())):
            clear_left_over(folder)
    return "mixture", f"a mixture: {sorted(now)}"


UNCOMPARED = (".jsonl", ".ckpt", "events.out", ".lock")
"""Parts of the names of logs, locks and states of a training."""


def compared(results: dict[str, str]) -> dict[str, str]:
    """The results of a command that goes on which must be those of a quiet run."""
    return {name: value for name, value in results.items() if not any(part in name for part in UNCOMPARED)}


def parts(now: dict[str, str], wanted: dict[str, str]) -> tuple[str, str]:
    """Whether every folder of results is absent or whole."""
    if not now.items() <= wanted.items():
        return "mixture", f"other results: {sorted(now.items() - wanted.items())}"
    folders = {name.rpartition("/")[0] for name in now}
    missing = [name for name in wanted if name.rpartition("/")[0] in folders and name not in now]
    if missing:
        return "mixture", f"missing: {missing}"
    return "whole" if now == wanted else "absent" if not now else "some whole", ""


def manners(which: signal.Signals, code: int | None, said: str) -> str:
    """What is wrong with how it ended."""
    if code is None:
        return "it hangs"
    if which is signal.SIGKILL or code == 0:
        return ""
    if code == -which:
        return ""  # before Python could say anything
    last = said.splitlines()[-1:]  # before it, notes and steps that were done
    if code != 130 or not last or not last[0].startswith(INTERRUPTED) or "Traceback" in said or said.count(last[0]) > 1:
        return f"code {code}, said {said[-300:]!r}"
    return ""
