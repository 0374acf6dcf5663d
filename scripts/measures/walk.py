"""How far a newcomer walks through the code from ``sedtalker animate`` to the video, by call trace.

python scripts/measures/walk.py [--recording speech.wav]

A room is a module into which the command itself calls, or that is handed what the recording has become: its file, the
sound, features, track, motion, animation. A return is a call of the command into another room outside the command line,
after it came back from one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from typer.testing import CliRunner

import sedtalker
from sedtalker.cli.main import app

PACKAGE = f"{Path(sedtalker.__file__).parent}/"
"""Where the code is."""
COMMAND = "cli/animate"
"""The module in which the walk begins."""
BECOMES = {"Audio", "SpeechFeatures", "EmotionTrack", "Moved", "Animation"}
"""Classes of what a recording becomes on its way to a picture."""
LAST = "render_video"
"""The function at whose end the video is there."""


@dataclass
class Walk:
    """A profiler (``sys.setprofile``) that notes where calls lead.

    Attributes:
        recording: the file.
        rooms: modules entered, in order, each once.
        trips: modules outside the command line that the command itself called, in order, a run of one module once.
    """

    recording: Path
    rooms: list[str] = field(default_factory=list)
    trips: list[str] = field(default_factory=list)
    _stack: list[tuple[FrameType, str]] = field(default_factory=list)
    _begun: bool = False
    _ended: bool = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE) and frame.f_code.co_name[0] != "<":
            self._enter(frame, frame.f_code.co_filename[len(PACKAGE) : -len(".py")])
        elif event == "return" and self._stack and self._stack[-1][0] is frame:
            self._stack.pop()
            self._ended |= frame.f_code.co_name == LAST

    def _enter(self, frame: FrameType, room: str) -> None:
        caller = self._stack[-1][1] if self._stack else ""
        self._stack.append((frame, room))
        self._begun |= room == COMMAND and frame.f_code.co_name == "animate"
        if not self._begun or self._ended or room == caller:
            return
        if (caller == COMMAND or self._carries(frame)) and room not in (COMMAND, *self.rooms):
            self.rooms.append(room)
        if caller == COMMAND and not room.startswith("cli/") and self.trips[-1:] != [room]:
            self.trips.append(room)

    def _carries(self, frame: FrameType) -> bool:
        """Whether a call is given what the recording has become."""
        code = frame.f_code
        given = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]]
        given = given[1:] if code.co_varnames[:1] == ("self",) else given
        files = (value for value in given if isinstance(value, Path))
        return self.recording in files or any(type(value).__name__ in BECOMES for value in given)


def main() -> None:
    """Animate a recording and print the walk."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sample = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
    parser.add_argument("--recording", type=Path, default=sample)
    recording = parser.parse_args().recording
    walk = Walk(recording)
    with tempfile.TemporaryDirectory() as folder:
        words = ["animate", str(recording), "-o", f"{folder}/out", "--size", "64", "--fps", "5", "--quiet", "--force"]
        CliRunner().invoke(app, words)  # imports are no walk
        sys.setprofile(walk)
        done = CliRunner().invoke(app, words)
        sys.setprofile(None)
    if done.exit_code:
        sys.exit(done.output)
    print(f"{len(walk.rooms)} rooms: {', '.join(walk.rooms)}")
    print(f"{len(walk.trips) - 1} returns to the command, between: {', '.join(walk.trips)}")


if __name__ == "__main__":
    main()
