"""``sedtalker animate`` as a background process. Needs neither Blender nor numpy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

STEPS = 6
"""Steps of one run, about: audio, fit, encoding, emotion, motion, files."""


def find_program(given: str) -> Path | None:
    """The program named in the preferences, or the one on PATH."""
    if given:
        path = Path(given).expanduser()
        return path if path.is_file() else None
    found = shutil.which("sedtalker")
    return Path(found) if found else None


class AnimateJob:
    """One run. ``poll`` it until it gives an exit code; ``stage`` and ``share`` say how far it is.

    ``sedtalker animate --progress json`` writes on stderr, an object a line: ``{"step": …, "done": n, "total": m,
    "seconds": s}``. Other lines are messages and errors for people.
    """

    def __init__(self, program: Path, audio: Path, mesh: Path, folder: Path, options: Sequence[str] = ()) -> None:
        self.result = folder / f"{audio.stem}.npz"
        self.stage = "starting"
        self.done = 0
        """Steps that are finished."""
        self._part = 0.0
        self._lines: list[str] = []
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
        command = [str(program), "animate", str(audio), "--mesh", str(mesh), "--output", str(folder), "--no-video"]
        self._process = subprocess.Popen(
            [*command, "--force", "--progress", "json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=clean | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def poll(self) -> int | None:
        """The exit code, or ``None`` while it runs."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(timeout=2.0)
        return code

    def wait(self) -> int:
        """The exit code, when it has ended."""
        self._process.wait()
        return self.poll() or 0

    def cancel(self) -> None:
        """Ask it to stop, which leaves nothing half-written; after five seconds, make it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def share(self) -> float:
        """How much is done, 0 to 1, by steps."""
        return min((self.done + self._part) / STEPS, 1.0)

    @property
    def complaint(self) -> str:
        """What the program said last: its error, in one line."""
        errors = [line for line in self._lines if line.startswith("error:")]
        return (errors or self._lines or ["it said nothing"])[-1].removeprefix("error:").strip()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            progress = _progress(line)
            if progress is None:
                self._lines += [line.strip()] if line.strip() else []
            elif 0 < progress["total"] <= progress["done"]:
                self.stage, self.done, self._part = progress["step"], self.done + 1, 0.0
            else:
                self.stage, self._part = progress["step"], progress["done"] / max(progress["total"], 1)


def _progress(line: str) -> dict | None:
    """What a line of progress says; ``None`` for any other line."""
    try:
        said = json.loads(line)
        return said if isinstance(said["step"], str) and said["done"] >= 0 and said["total"] >= 0 else None
    except (ValueError, TypeError, KeyError):
        return None
