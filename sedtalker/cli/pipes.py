"""Sound from a file or a pipe, and lines to a reader that may go away."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIPE = Path("-")
"""The name of stdin."""


def sound_pieces(source: Path, longest: float) -> Iterator[NDArray[np.float32]]:
    """A file at once, a pipe as it comes; Ctrl-C ends the sound."""
    from sedtalker.audio import load_audio
    from sedtalker.audio.pipe import pipe_samples

    if source != PIPE:
        yield load_audio(source, longest).samples
        return
    try:
        yield from pipe_samples(sys.stdin.buffer)
    except KeyboardInterrupt:
        return


def print_lines(lines: Iterable[str]) -> None:
    """Print each line at once; a reader that has gone ends it quietly."""
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        # keep Python from failing again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
