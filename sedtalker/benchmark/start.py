"""Start-up: whole commands in fresh processes, as somebody types them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from sedtalker.benchmark.speech import write_speech
from sedtalker.errors import InputError
from sedtalker.storage import temporary_folder

COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "diarize": ("diarize", "CLIP", "--json"),
    "animate": ("animate", "CLIP", "--no-video", "-q", "--force", "-o", "OUT"),
}
"""What is run; CLIP is three seconds of sound, OUT a folder."""


def measure_start(runs: int = 2) -> dict[str, dict[str, Any]]:
    """Seconds and CPU seconds of each command, the least of so many runs after one that is not counted."""
    with temporary_folder() as folder:
        clip = write_speech(folder / "clip.wav", 3.0)
        words = {"CLIP": str(clip), "OUT": str(folder / "out")}
        measured = {}
        for name, arguments in COMMANDS.items():
            command = [sys.executable, "-P", "-m", "sedtalker", *(words.get(word, word) for word in arguments)]
            timed = [time_command(command) for _ in range(1 + runs)]
            measured[name] = {
                "seconds": min(seconds for seconds, _ in timed[1:]),
                "cpu_seconds": min(cpu for _, cpu in timed[1:]),
                "first_seconds": timed[0][0],
                "runs": runs,
            }
        return measured


def time_command(command: list[str]) -> tuple[float, float]:
    """Seconds and CPU seconds of a program.

    Raises:
        InputError: it fails.
    """
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    took, after = time.perf_counter() - began, os.times()
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise InputError(f"{' '.join(command[1:4])} …: {last[0]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return took, cpu
