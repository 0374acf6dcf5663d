"""The commands, run in process through typer's runner, so that imports are paid once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from tests.support.clips import cut_sample

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "data" / "samples" / "four_moods.wav"
SAMPLE_TRACK = REPOSITORY / "data" / "samples" / "four_moods.emotion.json"
SAMPLE_HEAD = REPOSITORY / "data" / "samples" / "head.obj"


class Result(NamedTuple):
    """How a command ended, and what it said."""

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
    return cut_sample(tmp_path_factory.mktemp("clip") / "clip.wav", 3.0, 5.0)
