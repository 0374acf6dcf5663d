"""Files of real speech on a real head, as their formats' own authors judge them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sedtalker.export.formats import export
from sedtalker.export.own_file import write_animation_glb
from tests.dcc.conftest import Example, missing
from tests.support.user_file import spoken, written

LIVE_LINK = """Timecode BlendShapeCount EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft
EyeSquintLeft EyeWideLeft EyeBlinkRight EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight
EyeWideRight JawForward JawRight JawLeft JawOpen MouthClose MouthFunnel MouthPucker MouthRight MouthLeft MouthSmileLeft
MouthSmileRight MouthFrownLeft MouthFrownRight MouthDimpleLeft MouthDimpleRight MouthStretchLeft MouthStretchRight
MouthRollLower MouthRollUpper MouthShrugLower MouthShrugUpper MouthPressLeft MouthPressRight MouthLowerDownLeft
MouthLowerDownRight MouthUpperUpLeft MouthUpperUpRight BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft
BrowOuterUpRight CheekPuff CheekSquintLeft CheekSquintRight NoseSneerLeft NoseSneerRight TongueOut HeadYaw HeadPitch
HeadRoll LeftEyeYaw LeftEyePitch LeftEyeRoll RightEyeYaw RightEyePitch RightEyeRoll""".split()  # noqa: SIM905
"""The columns of a recording by Epic's Live Link Face, in its order."""


def khronos_issues(path: Path) -> dict[str, Any]:
    """What the Khronos validator says of a GLB file."""
    packages = Path(os.environ.get("SEDTALKER_NODE", ""))
    if not (packages / "node_modules" / "gltf-validator").is_dir():
        missing("no gltf-validator: set SEDTALKER_NODE to a folder with node_modules, or use make test-dcc")
    script = (
        "const v=require('gltf-validator'),f=require('fs');"
        "v.validateBytes(new Uint8Array(f.readFileSync(process.argv[1])))"
        ".then(r=>console.log(JSON.stringify(r.issues)))"
    )
    command = ["node", "-e", script, str(path)]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    issues: dict[str, Any] = json.loads(done.stdout)
    return issues


@pytest.mark.parametrize("targets", ["few", "arkit", "all"])
def test_khronos_finds_no_error_and_no_warning(builtin: Example, tmp_path: Path, targets: str) -> None:
    export(builtin.animation, tmp_path / "a.glb", "glb", targets=targets)
    issues = khronos_issues(tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:5]


@pytest.mark.parametrize("skinned", [False, True], ids=["nodes", "skin"])
@pytest.mark.parametrize("shoulders", [False, True], ids=["head", "bust"])
def test_khronos_finds_no_error_in_a_users_own_file(tmp_path: Path, skinned: bool, shoulders: bool) -> None:
    mine = written(tmp_path / "mine.glb", skinned=skinned)
    write_animation_glb(tmp_path / "a.glb", spoken(mine, shoulders=shoulders, teeth=True), targets="all")
    before = {message["code"] for message in khronos_issues(mine)["messages"]}
    issues = khronos_issues(tmp_path / "a.glb")
    new = {message["code"] for message in issues["messages"]} - before
    assert new <= {"NODE_SKINNED_MESH_LOCAL_TRANSFORMS", "NODE_SKINNED_MESH_NON_ROOT"}, issues["messages"]


@pytest.mark.parametrize("points", [False, True], ids=["shapes", "points"])
def test_pixars_validators_find_nothing(builtin: Example, tmp_path: Path, points: bool) -> None:
    from pxr import Usd, UsdValidation

    export(builtin.animation, tmp_path / "a.usdc", "usd", points=points)
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert validators
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "a.usdc")))
    assert [f"{e.GetName()}: {e.GetMessage()}" for e in errors] == []


def test_the_csv_has_the_columns_of_live_link_face_and_weights_between_0_and_1(
    builtin: Example, tmp_path: Path
) -> None:
    export(builtin.animation, tmp_path / "a.csv", "arkit")
    with (tmp_path / "a.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == LIVE_LINK
    assert len(rows) == round(60 * builtin.animation.duration)
    for row in rows:
        assert len(row) == len(LIVE_LINK)
        assert row[1] == "61"
        assert all(0.0 <= float(value) <= 1.0 for value in row[2:54])
    assert max(float(row[LIVE_LINK.index("JawOpen")]) for row in rows) > 0.05
