from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.training.corpora.tracked_motion import read_coloured_rig, with_turning_eyes
from sedtalker.training.evaluation.shape_judge import JUDGED, _row, open_judge

SCRIPT = Path(__file__).parents[2] / "scripts" / "judge_face.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge_face", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge_face"] = module
    spec.loader.exec_module(module)
    return module


def test_thirty_three_shapes_are_judged() -> None:
    assert len(JUDGED) == 33


def test_a_rise_is_the_mean_of_both_sides() -> None:
    rest = {"mouthSmileLeft": 0.1, "mouthSmileRight": 0.1, "jawOpen": 0.0}
    seen = {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.3, "jawOpen": 0.2}
    row = _row(("mouthSmileLeft", "mouthSmileRight"), rest, seen)
    assert row["score"] == pytest.approx(0.4)
    assert row["rise"] == pytest.approx(0.3)
    assert row["others"] == {"jawOpen": pytest.approx(0.2)}
    assert _row(("jawOpen",), rest, None)["rise"] == 0.0


def test_a_missing_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="face landmarker is missing"), open_judge(tmp_path):
        pass


@pytest.mark.data
def test_the_eyes_of_the_reference_turn(data_dir: Path) -> None:
    rig = read_coloured_rig(data_dir)
    turned = with_turning_eyes(rig)
    moved = np.abs(turned.basis - rig.basis).max(axis=2)
    assert not moved[:, ~rig.regions["eyes"]].any()
    assert moved[rig.shape_index["eyeLookUpLeft"], rig.regions["eyes"]].max() > 0.003


@pytest.mark.data
@pytest.mark.slow
def test_mediapipe_agrees_with_the_built_in_face(script: ModuleType, data_dir: Path) -> None:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    result = script.judge_face(data_dir, "builtin", 480)
    assert result["found"] == 52
    assert result["agreeing"] >= 19
    assert result["agreeing_minus_reference"] >= 3
    assert result["rest_max"] < 0.35
