"""A recording is loaded, played, edited by mouse and keys, undone and redone; what is shown is what the server has."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from sedtalker.animation.performance import Motion
from tests.studio.browser.programs import REFUSED, SHOWN, Desk, asked, seconds, until
from tests.studio.conftest import SAMPLE

if TYPE_CHECKING:
    from scripts.studio_page import StudioPage

pytestmark = pytest.mark.browser

PLAYED = "window.testSounds.find((sound) => !sound.paused)"
"""The sound that plays now."""


def of_server(page: StudioPage) -> dict[str, Any]:
    """The document as the server has it."""
    found: dict[str, Any] = asked(page.url + "api/state")["document"]
    return found


def longest(page: StudioPage) -> int:
    """Index of the longest segment."""
    lengths = [s["end"] - s["start"] for s in page.segments]
    return lengths.index(max(lengths))


def longest_middle(page: StudioPage) -> float:
    """Seconds at the middle of the longest segment."""
    segment = page.segments[longest(page)]
    return float((segment["start"] + segment["end"]) / 2)


def test_the_picture_follows_the_sound(page: StudioPage) -> None:
    page.page.keyboard.press("Space")
    page.wait(f"{PLAYED} && window.studio.time > 0.5")
    seen = page.page.evaluate(
        """() => new Promise((done) => {
          const rows = [];
          const look = () => {
            const sound = window.testSounds.find((s) => !s.paused);
            if (!sound) return done(rows);
            rows.push([sound.currentTime, window.studio.shown.time, ...window.studio.shown.weights]);
            requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        })"""
    )
    seen = [row for row in seen if row[0] < 5.5]  # not the end, where the clock stops
    assert len(seen) > 3
    assert seen[-1][0] > seen[0][0] + 1.0
    assert np.median([abs(sound - shown) for sound, shown, *_ in seen]) < 0.1  # exactly: measure_studio.py
    assert len({tuple(row[2:]) for row in seen}) > 3
    page.wait("!window.studio.playing")  # at the end of the recording
    assert page.page.evaluate(f"() => {PLAYED} === undefined")
    page.page.keyboard.press("Home")
    page.wait("window.studio.time === 0")


def test_edits_by_mouse_and_key_and_back_again(page: StudioPage) -> None:
    states = [of_server(page)]

    def shown() -> None:
        """What the page has is what the server has; another state is kept."""
        assert page.read("document") == of_server(page)
        assert of_server(page) != states[-1]
        states.append(of_server(page))

    chosen = longest(page)
    first = page.segments[chosen]
    middle = (first["start"] + first["end"]) / 2
    page.seek(middle)
    with page.changing():
        page.page.keyboard.press("s")
    shown()
    assert len(page.segments) == len(states[0]["segments"]) + 1
    cut = page.segments[chosen]["end"]
    assert cut == pytest.approx(middle, abs=seconds(page, 4))
    assert page.segments[chosen + 1]["start"] == cut

    page.page.mouse.click(page.x((cut + first["end"]) / 2), page.y("emotion"))
    label = "sad" if first["label"] != "sad" else "happy"
    with page.changing():
        page.page.keyboard.press(str(page.read("state.labels").index(label) + 1))
    shown()
    assert page.segments[chosen + 1]["label"] == label
    assert page.segments[chosen]["label"] == first["label"]

    page.page.keyboard.press("n")  # no snapping
    to = cut + 0.25 * (first["end"] - cut)
    with page.changing():
        page.drag((page.x(cut), page.y("emotion")), (page.x(to), page.y("emotion")))
    shown()
    assert page.segments[chosen]["end"] == pytest.approx(to, abs=seconds(page, 4))

    before = page.segments
    for _ in range(3):
        with page.changing():
            page.page.keyboard.press("Control+z")
    assert of_server(page) == states[0] == page.read("document")
    for expected in states[1:]:
        with page.changing():
            page.page.keyboard.press("Control+Shift+z")
        assert of_server(page) == expected
    assert page.segments == before


def test_the_next_segment_in_doubt(page: StudioPage) -> None:
    doubtful = [k for k, segment in enumerate(page.segments) if segment["uncertain"]]
    page.page.keyboard.press("Home")
    page.page.keyboard.press("Escape")
    for index in [k for k in doubtful if k > 0] or doubtful:
        page.page.keyboard.press("u")
        page.wait(f"Math.abs(window.studio.time - {page.segments[index]['start']}) < 0.05")
    assert page.page.get_by_role("button", name="Next in doubt").is_visible() == bool(doubtful)


def test_drawn_intensity(page: StudioPage) -> None:
    page.page.keyboard.press("d")
    first, last = 1.0, 3.0
    with page.changing():
        page.drag(
            (page.x(first), page.y("intensity", 0.2)),
            (page.x(2.0), page.y("intensity", 0.9)),
            (page.x(last), page.y("intensity", 0.2)),
            steps=12,
        )
    spans = page.read("document.intensity")
    assert len(spans) == 1
    times, values = zip(*spans[0]["points"], strict=True)
    assert times[0] == pytest.approx(first, abs=seconds(page, 6))
    assert times[-1] == pytest.approx(last, abs=seconds(page, 6))
    assert max(values) == pytest.approx(0.9, abs=0.05)
    assert values[0] == pytest.approx(0.2, abs=0.05)
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert page.read("document.intensity") == []


def test_a_segment_moves_as_a_whole(page: StudioPage) -> None:
    chosen = longest(page)
    held = page.segments[chosen]
    length = held["end"] - held["start"]
    for share in (0.3, 0.7):
        page.seek(held["start"] + share * length)
        with page.changing():
            page.page.keyboard.press("s")
    moved = page.segments[chosen + 1]
    at = (moved["start"] + moved["end"]) / 2
    page.page.keyboard.press("n")
    with page.changing():
        page.drag((page.x(at), page.y("emotion")), (page.x(at + 0.1 * length), page.y("emotion")))
    now = page.segments[chosen + 1]
    assert now["start"] - moved["start"] == pytest.approx(0.1 * length, abs=seconds(page, 4))
    assert now["end"] - now["start"] == pytest.approx(moved["end"] - moved["start"], abs=1e-6)


def test_the_choice_stays_with_its_segment_when_another_page_or_undo_changes_the_list(page: StudioPage) -> None:
    page.seek(1.0)
    with page.changing():
        page.page.keyboard.press("s")
    page.seek(5.0)
    with page.changing():
        page.page.keyboard.press("s")
    page.page.mouse.click(page.x(5.5), page.y("emotion"))
    last = page.segments[-1]
    assert page.read("selected") == len(page.segments) - 1
    with page.changing():  # elsewhere
        asked(page.url + "api/edit", {"op": "split", "t": 0.5})
    assert page.segments[page.read("selected")] == last
    label = "angry" if last["label"] != "angry" else "sad"
    before = page.segments
    with page.changing():
        page.page.keyboard.press(str(page.read("state.labels").index(label) + 1))
    assert [s["label"] for s in page.segments] == [s["label"] for s in before[:-1]] + [label]
    with page.changing():
        asked(page.url + "api/edit", {"op": "move_edge", "index": len(before) - 2, "t": 5.2})
    assert page.segments[page.read("selected")]["start"] == pytest.approx(5.2)
    for _ in range(3):
        with page.changing():
            page.page.keyboard.press("Control+z")
    assert page.read("selected") == len(page.segments) - 1
    assert page.segments[-1] == last
    with page.changing():
        asked(page.url + "api/edit", {"op": "split", "t": 5.5})
    assert page.read("selected") == -1, "the segment is no more"


def test_times_that_are_none_of_the_segment_are_not_taken(page: StudioPage) -> None:
    page.seek(3.0)
    with page.changing():
        page.page.keyboard.press("s")
    page.page.mouse.click(page.x(2.9), page.y("emotion"))
    page.page.get_by_role("tab", name="Edit").click()
    before, revision = page.segments, page.revision
    field = page.page.get_by_role("spinbutton", name="End")
    held = field.input_value()
    for wrong in ("", "-3", "99"):
        field.fill(wrong)
        field.press("Tab")
        assert field.input_value() == held
    page.settle(0.5)
    assert (page.segments, page.revision) == (before, revision)
    field.fill("2.8")
    with page.changing():
        field.press("Tab")
    assert page.segments[page.read("selected")]["end"] == pytest.approx(2.8)


def test_segments_are_joined_and_reset(page: StudioPage) -> None:
    whole = page.segments
    chosen = longest(page)
    page.seek((whole[chosen]["start"] + whole[chosen]["end"]) / 2)
    with page.changing():
        page.page.click("#split")
    page.page.mouse.click(page.x(whole[chosen]["start"] + 0.1), page.y("emotion"))
    with page.changing():
        page.page.click("#merge")
    assert page.segments == whole
    with page.changing():
        page.page.keyboard.press("7")
    assert page.segments[chosen]["label"] == "surprise"
    with page.changing():
        page.page.keyboard.press("r")
    assert [(s["start"], s["end"], s["label"]) for s in page.segments] == [
        (s["start"], s["end"], s["label"]) for s in whole
    ]


def test_a_relabelled_segment_changes_the_picture(page: StudioPage) -> None:
    chosen = longest(page)
    found = page.segments[chosen]
    page.seek((found["start"] + found["end"]) / 2)
    plain, weights = picture(page), page.read("shown.weights")
    with page.changing():
        page.page.keyboard.press("2" if found["label"] != "happy" else "4")
    emotional = np.abs(picture(page) - plain).mean()
    assert page.read("shown.weights") != weights
    assert emotional > 0.2
    assert page.read("latency.last") > 0
    with page.changing():
        page.page.keyboard.press("Control+z")
    assert np.abs(picture(page) - plain).mean() < 0.05 * emotional
    assert page.read("shown.weights") == pytest.approx(weights, abs=1e-6)


def picture(page: StudioPage) -> Any:
    """What is seen of the head when it stands still, as numbers; while it moves it is drawn with fewer pixels."""
    page.ready()
    page.wait("window.studio.still")
    shot = page.page.locator("#stage-canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float)


def test_loop_zoom_and_steps(page: StudioPage) -> None:
    page.seek(2.0)
    at = page.read("time")
    page.page.keyboard.press("ArrowRight")
    page.wait(f"Math.abs(window.studio.time - {at}) > 0.01")
    assert abs(page.read("time") - at) < 0.07
    whole = page.read("geometry")
    for _ in range(3):
        page.page.keyboard.press("+")
    page.settle()
    close = page.read("geometry")
    assert close["end"] - close["start"] == pytest.approx((whole["end"] - whole["start"]) / 1.5**3, rel=0.02)
    page.page.keyboard.press("Shift+F")
    page.settle()
    assert page.read("geometry") == whole
    page.seek(1.0)
    page.page.keyboard.press("[")
    page.seek(1.6)
    page.page.keyboard.press("]")
    page.page.keyboard.press("Space")
    page.wait("window.studio.playing")
    times = []
    for _ in range(30):
        times.append(page.read("time"))
        page.settle(0.1)
    assert max(times) < 1.9
    assert any(b < a for a, b in pairwise(times))  # it has gone back at least once


def test_two_pages_of_one_studio_agree(shared_desk: Desk, page: StudioPage) -> None:
    other = shared_desk.open(shared_desk.servers[0])
    other.wait(SHOWN)
    chosen = longest(page)
    page.page.mouse.click(page.x(page.segments[chosen]["start"] + 0.2), page.y("emotion"))
    with other.changing(), page.changing():
        page.page.keyboard.press("6")
    assert other.read("document") == page.read("document") == of_server(page)


def test_edits_of_two_pages_within_one_round_trip(shared_desk: Desk, page: StudioPage) -> None:
    """Another page changes the list while a key's request is on its way: nothing else is relabelled instead."""
    shared_desk.expected = (REFUSED,)
    for t in (1.0, 2.0, 3.0):
        asked(page.url + "api/edit", {"op": "split", "t": t})
    page.wait("window.studio.document.segments.length >= 4 && window.studio.ready")
    meanwhile = [{"op": "merge", "index": 0}, {"op": "settings", "seed": 7}]

    def between(route: Any) -> None:
        if meanwhile:
            asked(page.url + "api/edit", meanwhile.pop(0))
        route.continue_()

    page.page.route("**/api/edit", between)
    page.page.mouse.click(page.x(2.5), page.y("emotion"))
    page.page.keyboard.press("6")
    page.page.get_by_text("so your edit was not made").wait_for()
    page.ready()
    assert "disgust" not in [s["label"] for s in of_server(page)["segments"]]
    assert page.segments[page.read("selected")]["start"] == 2.0
    page.page.keyboard.press("6")  # what else has changed does not matter to it
    page.wait("window.studio.ready && window.studio.document.settings.seed === 7")
    page.wait("window.studio.document.segments.some((one) => one.label === 'disgust')")
    assert [s["start"] for s in of_server(page)["segments"] if s["label"] == "disgust"] == [2.0]


def test_curves_that_were_asked_for_before_an_edit_do_not_replace_those_after_it(page: StudioPage) -> None:
    held: list[Any] = []
    page.page.route("**/api/track.bin", lambda route: held.append((route, route.fetch())), times=1)
    asked(page.url + "api/edit", {"op": "settings", "seed": 7})  # another page's: everything is fetched again
    until(lambda: page.page.wait_for_timeout(20) or held)
    page.page.get_by_role("tab", name="Edit").click()
    page.page.mouse.click(page.x(longest_middle(page)), page.y("emotion"))
    slider = page.page.locator("section[aria-label=Segment]").get_by_role("slider")
    slider.focus()
    slider.press("End")
    strongest = "document.querySelector('.stage-now').innerText.includes('1.00')"
    page.wait(strongest)
    route, reply = held[0]
    route.fulfill(response=reply)
    page.ready()
    page.settle()  # a picture further
    assert page.page.evaluate(strongest)


def test_delete_sets_a_slider_back(page: StudioPage) -> None:
    page.page.get_by_role("tab", name="Edit").click()
    slider = page.page.get_by_role("slider", name="Expressivity")
    usual = slider.input_value()
    slider.focus()
    for key, changes in (("End", True), ("Delete", False)):
        with page.changing():
            slider.press(key)
        assert (slider.input_value() != usual) == changes
    assert of_server(page)["settings"]["expressivity"] == float(usual)


def test_a_drag_after_the_page_is_loaded_again_is_a_step_of_its_own(page: StudioPage) -> None:
    for name in ("Expressivity", "Contrast"):
        page.page.reload()
        page.ready()
        page.page.get_by_role("tab", name="Edit").click()
        slider = page.page.get_by_role("slider", name=name)
        slider.focus()
        with page.changing():
            slider.press("End")
    settings, usual = of_server(page)["settings"], Motion()
    assert settings["expressivity"] > usual.expressivity, "the first drag is lost"
    assert settings["contrast"] > usual.contrast


def test_the_divider_is_let_go_where_the_browser_takes_the_pointer(page: StudioPage) -> None:
    divider = page.page.locator("#splitter")
    box = divider.bounding_box()
    page.page.mouse.move(box["x"] + 300, box["y"] + 3)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 301, box["y"] + 3)
    tall = divider.get_attribute("aria-valuenow")
    page.page.evaluate("() => document.getElementById('splitter').releasePointerCapture(1)")
    page.page.mouse.move(box["x"] + 300, box["y"] + 1)
    page.page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == tall


def test_settings_that_wait_outlast_edits_of_another_page(shared_desk: Desk, page: StudioPage) -> None:
    """A slider moves while a key's request is on its way; another page changes the list, which is nothing to it."""
    shared_desk.expected = (REFUSED,)
    asked(page.url + "api/edit", {"op": "split", "t": 2.0})
    page.wait("window.studio.document.segments.length >= 2 && window.studio.ready")
    page.page.get_by_role("tab", name="Edit").click()
    slider = page.page.get_by_role("slider", name="Expressivity")
    held: list[Any] = []
    page.page.route("**/api/edit", lambda route: held.append(route), times=1)
    page.page.mouse.click(page.x(2.5), page.y("emotion"))
    page.page.keyboard.press("6")
    until(lambda: page.page.wait_for_timeout(20) or held)
    slider.focus()
    slider.press("ArrowRight")
    asked(page.url + "api/edit", {"op": "merge", "index": 0})
    held[0].continue_()
    page.page.get_by_text("so your edit was not made").wait_for()
    page.wait("window.studio.ready")
    assert of_server(page)["settings"]["expressivity"] > 1.0
    assert page.read("document") == of_server(page)
    assert "disgust" not in [s["label"] for s in page.segments]


def test_an_edit_of_a_long_recording_does_not_wait_for_what_is_fetched_beside(desk: Desk, tmp_path: Path) -> None:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 15), rate)
    page = desk.studio(tmp_path / "long.wav")
    page.page.mouse.click(page.x(200.0), page.y("emotion"))
    page.page.evaluate(
        """() => {
          window.asks = [];
          const now = window.fetch;
          window.fetch = async (path, options) => {
            window.asks.push(path);
            await new Promise((soon) => setTimeout(soon, 400));
            return now(path, options);
          };
        }"""
    )
    asked(page.url + "api/edit", {"op": "settings", "expressivity": 1.2})  # all of the motion is fetched again
    page.wait("window.asks.filter((path) => path.startsWith('api/weights')).length > 1")
    page.page.keyboard.press("6")
    page.wait("window.studio.document.segments[window.studio.selected].label === 'disgust' && window.studio.ready")
    asks = page.page.evaluate("() => window.asks")
    after = asks[asks.index("api/edit") + 1]
    start = page.segments[page.read("selected")]["start"]
    assert float(after.split("weights.bin?from=")[1].split("&")[0]) == pytest.approx(start, abs=8.0)
    page.wait(f"window.asks.length > {len(asks)}")  # it goes on


def test_steps_and_keys_wait_for_each_other(page: StudioPage) -> None:
    before = of_server(page)
    page.page.keyboard.press("ArrowDown")
    for key in ("3", "6", "Control+z", "5", "Control+z", "Control+z"):
        page.page.keyboard.press(key)
    until(lambda: of_server(page) == before)
    page.ready()
    assert page.read("document") == before
    assert page.page.locator("#toasts [role=alert]").count() == 0
