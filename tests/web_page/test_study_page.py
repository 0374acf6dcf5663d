"""A simulated rater goes through a page of the perceptual study by keys, in a real Chromium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from scripts.perceptual_study import make, score

pytestmark = pytest.mark.browser


def video(path: Path, grey: int) -> None:
    """A quarter of a second of grey."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=20)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_rater_goes_through_the_page_by_keys(browser: Any, tmp_path: Path) -> None:
    for k, name in enumerate(("ours", "theirs", "good", "bad")):
        for clip in ("a.webm", "b.webm"):
            video(tmp_path / name / clip, 40 + 50 * k)
    pair = ["good/a.webm", "bad/a.webm"]
    study = {"question": "Which?", "systems": {"ours": "ours", "theirs": "theirs"}, "training": [pair], "traps": [pair]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    make(tmp_path / "study.json", tmp_path / "pages", 2)
    key = json.loads((tmp_path / "pages" / "key.json").read_text())
    context = browser.new_context(viewport={"width": 390, "height": 800}, accept_downloads=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "pages" / "rater_000.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    plan = key["plans"][0]
    for number, item in enumerate(plan):
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#hint") == "Play both first."
        for side in (1, 2):
            page.keyboard.press(" ")
            page.wait_for_function(f"played.filter((sides) => sides.has({number})).length === {side}")
        side = item.get("training", item.get("trap"))
        if "systems" in item:
            side = item["systems"].index("ours")
        if "training" in item:
            page.keyboard.press("ArrowRight" if side == 0 else "ArrowLeft")
            assert "Look again" in page.inner_text("#hint")
        page.keyboard.press("ArrowLeft" if side == 0 else "ArrowRight")
    with page.expect_download() as saved:
        page.click("#file")
    answers = json.loads(Path(saved.value.path()).read_text())
    assert saved.value.suggested_filename == "answers_0.json"
    found = score(key, [answers])
    assert (found["raters"], found["excluded"]) == (1, [])
    assert found["pairs"]["ours over theirs"]["share"] == 1.0
    assert found["pairs"]["ours over theirs"]["votes"] == 2
    assert complaints == []
    context.close()
