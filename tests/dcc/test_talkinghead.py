"""TalkingHead itself, in a real browser, shows what the web package's adapter gives it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sedtalker.face.arkit import ARKIT_52
from tests.dcc.browser import Browser
from tests.dcc.conftest import missing
from tests.dcc.test_browser import browser

__all__ = ["browser"]
OTHERWISE = ("eyeBlink", "eyeLookUp", "eyeLookDown")
"""Beginnings of shapes that TalkingHead shows in its own way: lids sink with brows, eyes look up and down together."""


def test_an_avatar_shows_the_weights_until_it_is_given_back(browser: Browser, tmp_path: Path) -> None:
    if not (browser.packages / "node_modules" / "@met4citizen" / "talkinghead").is_dir():
        missing("no TalkingHead: install @met4citizen/talkinghead beside three.js, or use make test-dcc")
    frames = np.random.default_rng(0).uniform(0.2, 1.0, (2, len(ARKIT_52))).round(3)
    frames[:, [ARKIT_52.index(f"eyeLook{way}") for way in ("InLeft", "OutRight", "DownLeft", "DownRight")]] = 0.0
    heads = np.array([[0.0, 0.0, 0.0], [-0.03, -0.05, 0.1]])
    given = {"frames": frames.tolist(), "heads": heads.tolist()}
    answer = json.loads(browser.open("talkinghead.html", tmp_path, **given)["done"])
    for weights, head, shown in zip(frames, heads, answer["shown"], strict=True):
        weight = dict(zip(ARKIT_52, weights.tolist(), strict=True))
        # The eyes were turned against a head (radians) that TalkingHead does not move: up and to the subject's left.
        for way, turn in (("OutLeft", head[1]), ("InRight", head[1]), ("UpLeft", -head[0]), ("UpRight", -head[0])):
            weight[f"eyeLook{way}"] = min(weight[f"eyeLook{way}"] + turn / np.radians(30.0), 1.0)
        plain = [name for name in ARKIT_52 if not name.startswith(OTHERWISE)]
        assert {name: shown[name] for name in plain} == pytest.approx({name: weight[name] for name in plain}, abs=1e-6)
        for way in ("Up", "Down"):
            both = (weight[f"eyeLook{way}Left"] + weight[f"eyeLook{way}Right"]) / 2
            assert shown[f"eyesLook{way}"] == pytest.approx(both, abs=1e-6)
        assert shown["eyeBlinkLeft"] >= weight["eyeBlinkLeft"] - 1e-6
    assert answer["released"]["mouthFunnel"] < 0.1
