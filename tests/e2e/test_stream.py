"""``sedtalker stream``: the face while it is being spoken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from tests.e2e.conftest import Result

Run = Callable[..., Result]


def test_lines_are_video_frames(sedtalker: Run, clip: Path) -> None:
    done = sedtalker("stream", clip, "--fps", "30", "--style", "lively")
    assert done.code == 0, done.err
    head, *lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(head["shapes"]) == 52
    assert head["fps"] == 30
    assert [line["time"] for line in lines] == pytest.approx([i / 30 for i in range(len(lines))], abs=1e-4)
    assert len(lines) in (59, 60)
    weights = np.array([line["weights"] for line in lines])
    assert weights.shape[1] == 52
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights[:, head["shapes"].index("jawOpen")].max() > 0.03
    assert all(line["emotion"] in CATEGORIES for line in lines)


def test_eyes_blink_and_wander_unless_they_are_told_not_to(sedtalker: Run, clip: Path) -> None:
    def eyes(*options: str) -> tuple[float, float]:
        done = sedtalker("stream", clip, "--fps", "30", "--seed", "2", *options)
        assert done.code == 0, done.err
        head, *lines = [json.loads(line) for line in done.out.splitlines()]
        weights = np.array([line["weights"] for line in lines])
        looks = [i for i, name in enumerate(head["shapes"]) if name.startswith("eyeLook")]
        return weights[:, head["shapes"].index("eyeBlinkLeft")].max(), weights[:, looks].max()

    closed, looking = eyes()
    assert closed > 0.8
    assert looking > 0
    closed, looking = eyes("--no-blinks", "--no-gaze")
    assert closed < 0.3
    assert looking == 0


def test_a_pipe_answers_while_it_is_open(clip: Path) -> None:
    command = [sys.executable, "-m", "sedtalker", "stream", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as live:
        assert live.stdin is not None
        assert live.stdout is not None
        live.stdin.write(clip.read_bytes())
        live.stdin.flush()
        assert "shapes" in json.loads(live.stdout.readline())
        assert json.loads(live.stdout.readline())["time"] == 0.0
        live.stdin.close()
        assert len(live.stdout.readlines()) > 60
    assert live.returncode == 0


def test_nonsense_is_refused_in_one_line(sedtalker: Run, clip: Path) -> None:
    done = sedtalker("stream", clip, "--style", "shouting")
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert not done.out
