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
    answer = json.loads(browser.open("talkinghead.html", tmp_path, frames=frames.tolist())["done"])
    for weights, shown in zip(frames, answer["shown"], strict=True):
        weight = dict(zip(ARKIT_52, weights.tolist(), strict=True))
        plain = [name for name in ARKIT_52 if not name.startswith(OTHERWISE)]
        assert {name: shown[name] for name in plain} == pytest.approx({name: weight[name] for name in plain}, abs=1e-6)
        for way in ("Up", "Down"):
            both = (weight[f"eyeLook{way}Left"] + weight[f"eyeLook{way}Right"]) / 2
            assert shown[f"eyesLook{way}"] == pytest.approx(both, abs=1e-6)
        assert shown["eyeBlinkLeft"] >= weight["eyeBlinkLeft"] - 1e-6
    assert answer["released"]["mouthFunnel"] < 0.1
