"""The commands, run in process through typer's runner, so that imports are paid once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "data" / "samples" / "four_moods.wav"
SAMPLE_TRACK = REPOSITORY / "data" / "samples" / "four_moods.emotion.json"
SAMPLE_HEAD = REPOSITORY / "data" / "samples" / "head.obj"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def sedtalker() -> Callable[..., Result]:
    """Run ``sedtalker ARGUMENTS``."""

    def run(*arguments: object) -> Result:
        done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        return Result(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the sample: the end of a sentence, a pause, the start of the next."""
    import soundfile

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, samples[int(3.0 * rate) : int(5.0 * rate)], rate)
    return path
