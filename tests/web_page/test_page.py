"""The page in a real Chromium: a file in, the head moves, files out; for everyone; and what it says to bad input."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.accessibility import faults
from tests.web_page.conftest import ROOT, Page

pytestmark = pytest.mark.browser
SECONDS = 3.2
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}

JAWS = "[...page.animation.weights].filter((_, i) => i % 52 === page.animation.names.indexOf('jawOpen'))"
"""The opening of the jaw in every frame."""


def speech(seconds: float = SECONDS, rate: int = 16_000, channels: int = 1) -> bytes:
    """The beginning of the sample recording as a WAV."""
    samples, _ = soundfile.read(ROOT / "data" / "samples" / "four_moods.wav", dtype="float32")
    part = np.resize(samples, int(seconds * 16_000))
    if rate != 16_000:
        part = np.interp(np.arange(int(seconds * rate)) / rate, np.arange(len(part)) / 16_000, part)
    file = io.BytesIO()
    soundfile.write(file, np.repeat(part[:, None], channels, axis=1), rate, format="WAV")
    return file.getvalue()


@pytest.fixture
def talking(page: Page) -> Page:
    """The page with a recording."""
    page.give("a talk.wav", speech())
    page.until("page.animation && page.frame")
    return page


def downloaded(page: Page, button: str, folder: Path) -> tuple[str, Path]:
    """The name and the content of what a button gives."""
    with page.page.expect_download() as waiting:
        page.page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path.name, path


def test_one_action_is_offered_at_first_sight(page: Page) -> None:
    shown = [button for button in page.page.query_selector_all("button.primary") if button.is_visible()]
    assert [button.inner_text() for button in shown] == ["Play a sample"]
    box = shown[0].bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900


def test_the_sample_plays(page: Page) -> None:
    page.page.click("#sample")
    page.until("page.animation && page.frame?.time > 0.5")
    assert page.page.inner_text("#play") == "Pause"
    assert page.page.is_visible("#given")
    labels = page.page.evaluate("page.animation.track.segments.map((segment) => segment.label)")
    assert [label for label in labels if label != "neutral"] == ["happy", "sad", "angry", "surprise"]
    page.page.click("#play")
    page.give("own.wav", speech(1.0))
    page.until("page.name === 'own'")
    assert not page.page.is_visible("#given")
    assert page.page.get_attribute("#working", "hidden") is not None


def test_a_file_moves_the_head(talking: Page) -> None:
    jaws = []
    for _ in range(40):
        jaws.append(talking.weight("jawOpen"))
        talking.page.wait_for_timeout(50)
    assert max(jaws) > 0.2
    assert min(jaws) < 0.5 * max(jaws)
    assert talking.page.evaluate("page.stage.head.turning.quaternion.w") < 1
    assert "Ready: 3 seconds, 2 segments: neutral, happy." in talking.page.inner_text("#status")


def test_correctives_follow_the_shapes(talking: Page) -> None:
    from sedtalker.face import Face

    face = Face.builtin()
    rng = np.random.default_rng(3)
    frame = {"weights": rng.random(52).tolist(), "tongue": rng.random(3).tolist(), "head": [0.0, 0.0, 0.0]}
    row = talking.page.evaluate("(frame) => { page.stage.pose(frame); return [...page.stage.row]; }", frame)
    described = talking.page.evaluate("page.stage.described")
    named = dict(
        zip([*described["names"], *described["tongueNames"]], [*frame["weights"], *frame["tongue"]], strict=True)
    )
    expanded = face.expand(np.array([[named.get(name, 0.0) for name in face.shapes]]))[0]
    correct = dict(zip([*face.shapes, *(c.name for c in face.correctives)], expanded, strict=True))
    got = np.array(row[: len(described["targets"])])
    assert got == pytest.approx([correct[name] for name in described["targets"]], abs=1e-6)


def test_a_glb_with_the_animation(talking: Page, tmp_path: Path) -> None:
    from scripts.web_head import read_accessor, read_glb

    name, path = downloaded(talking, "#glb", tmp_path)
    assert name == "a talk.glb"
    document, binary = read_glb(path)
    (animation,) = document["animations"]
    paths = {channel["target"]["path"]: channel for channel in animation["channels"]}
    assert set(paths) == {"weights", "rotation"}
    assert document["nodes"][paths["rotation"]["target"]["node"]]["name"] == "head"
    weights, rotation = (animation["samplers"][paths[kind]["sampler"]] for kind in ("weights", "rotation"))
    times = read_accessor(document, binary, weights["input"])[:, 0]
    assert len(times) == 96
    assert times[-1] == pytest.approx(95 / 30)
    names = document["meshes"][0]["extras"]["targetNames"]
    table = read_accessor(document, binary, weights["output"]).reshape(len(times), len(names))
    jaw = talking.page.evaluate(JAWS)
    assert table[:, names.index("jawOpen")] == pytest.approx(jaw)
    turns = read_accessor(document, binary, rotation["output"])
    assert np.linalg.norm(turns, axis=1) == pytest.approx(np.ones(96), abs=1e-6)
    assert (turns[1:] * turns[:-1]).sum(1).min() > 0


def test_the_glb_shows_in_three_js(talking: Page, site: str, tmp_path: Path) -> None:
    _, path = downloaded(talking, "#glb", tmp_path)
    script = """async (data) => {
      const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
      const { AnimationMixer } = await import("three");
      const gltf = await new GLTFLoader().parseAsync(Uint8Array.from(data).buffer, "");
      const mixer = new AnimationMixer(gltf.scene);
      mixer.clipAction(gltf.animations[0]).play();
      let jaw = 0;
      for (let k = 0; k < 30; k++) {
        mixer.update(0.1);
        gltf.scene.traverse(({ morphTargetDictionary: rows, morphTargetInfluences: weights }) => {
          if (rows) jaw = Math.max(jaw, weights[rows.jawOpen]);
        });
      }
      return { jaw, duration: gltf.animations[0].duration };
    }"""
    found = talking.page.evaluate(script, list(path.read_bytes()))
    assert found["duration"] == pytest.approx(95 / 30, abs=1e-3)
    assert found["jaw"] > 0.2


def test_a_csv_that_sedtalker_reads(talking: Page, tmp_path: Path) -> None:
    from sedtalker.export.arkit import COLUMNS, read_take
    from sedtalker.face.arkit import INDEX

    name, path = downloaded(talking, "#csv", tmp_path)
    assert name == "a talk.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        assert tuple(next(csv.reader(stream))) == COLUMNS
    take = read_take(path)
    assert len(take.times) == round(SECONDS * 60)
    assert take.times[-1] == pytest.approx(SECONDS - 1 / 60)
    every = talking.page.evaluate(JAWS)
    assert take.weights[::2, INDEX["jawOpen"]] == pytest.approx(every, abs=1e-6)


def test_other_rates_and_channels(page: Page) -> None:
    page.give("stereo.wav", speech(1.5, 44_100, 2))
    page.until("page.animation")
    assert page.page.evaluate("page.animation.weights.length / 52") == pytest.approx(45, abs=1)


@pytest.mark.parametrize(("form", "rate"), [("FLAC", 16_000), ("FLAC", 44_100), ("OGG", 48_000), ("MP3", 44_100)])
def test_compressed_sound_is_that_of_python(page: Page, form: str, rate: int, tmp_path: Path) -> None:
    from sedtalker.audio import load_audio

    path = tmp_path / "speech"
    samples, _ = soundfile.read(io.BytesIO(speech(3.0, rate)), dtype="float32")
    soundfile.write(path, samples, rate, format=form)
    script = """async (data) => {
      const { decodeSound } = await import("./src/microphone.js");
      return [...await decodeSound(new Blob([Uint8Array.from(data)]))];
    }"""
    got, wanted = np.array(page.page.evaluate(script, list(path.read_bytes()))), load_audio(path).samples
    assert len(got) == pytest.approx(len(wanted), abs=1)
    upper = [np.abs(np.fft.rfft(each, 48_000))[18_000:21_000] for each in (got, wanted)]  # 6 to 7 kHz
    assert np.mean(upper[0] ** 2) == pytest.approx(np.mean(upper[1] ** 2), rel=0.02)
    assert np.sqrt(np.mean((got - wanted[: len(got)]) ** 2)) < 0.01 * np.sqrt(np.mean(wanted**2))


def test_dropping_a_file(page: Page) -> None:
    script = """(data) => {
      const held = new DataTransfer();
      held.items.add(new File([Uint8Array.from(data)], "dropped.wav", { type: "audio/wav" }));
      document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer: held, bubbles: true }));
      const over = !document.getElementById("drop").hidden;
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true }));
      return over;
    }"""
    assert page.page.evaluate(script, list(speech(1.0)))
    page.until("page.animation")
    assert page.page.evaluate("page.name") == "dropped"
    assert page.page.inner_text("#status").startswith("Ready: 1 second, ")


def test_several_files_are_not_taken_for_one(page: Page) -> None:
    page.page.evaluate(
        """() => {
          const held = new DataTransfer();
          for (const name of ["a.wav", "b.wav"])
            held.items.add(new File([Uint8Array.of(1)], name, { type: "audio/wav" }));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true }));
        }"""
    )
    assert page.problem == "The page takes one file at a time: drop the one that you want."
    assert page.page.evaluate("page.animation") is None


def test_keys_are_enough(page: Page) -> None:
    keys = page.page.keyboard
    for _ in range(12):
        keys.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "sample":
            break
    keys.press("Enter")
    page.until("page.animation && document.activeElement.id === 'play'")
    keys.press("Space")
    page.until("document.getElementById('play').textContent === 'Play'")
    for _ in range(12):
        keys.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "seek":
            break
    keys.press("Home")
    page.until("page.frame?.time === 0")
    for _ in range(10):
        keys.press("ArrowRight")
    page.until("Math.abs(page.frame?.time - 0.5) < 0.01")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    page.until("Math.abs(page.frame?.time - 5.26) < 0.01 && page.frame?.emotion === 'happy'")
    assert page.page.get_attribute("#seek", "aria-valuetext") == "0:05, happy"


def test_a_click_on_the_track_seeks(talking: Page) -> None:
    talking.page.click("#play")
    box = talking.page.locator("#lane").bounding_box()
    assert box is not None
    talking.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 40)
    talking.until(f"Math.abs(page.frame?.time - {0.75 * SECONDS}) < 0.1")
    assert talking.page.evaluate("page.frame?.emotion") == "happy"


# --- For everyone.


@pytest.fixture(params=["light", "dark"])
def in_scheme(request: Any, browser: Any, site: str) -> Iterator[Page]:
    """The page in light and in dark."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    yield Page(context.new_page(), site).open()
    context.close()


def test_axe_finds_no_serious_fault_in_light_and_dark(in_scheme: Page) -> None:
    assert faults(in_scheme.page) == []
    in_scheme.give("a.wav", speech())
    in_scheme.until("page.animation")
    in_scheme.give("no sound.wav", b"nothing")
    in_scheme.until("document.getElementById('problem').textContent")
    assert faults(in_scheme.page) == []


def test_a_phone_needs_no_scrolling_sideways(browser: Any, site: str) -> None:
    context = browser.new_context(**PHONE)
    page = Page(context.new_page(), site).open()
    page.give("a.wav", speech(20.0))
    page.until("page.animation")
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    small = page.page.evaluate(
        """[...document.querySelectorAll('button, input[type=range]')].filter((each) => each.offsetParent)
           .map((each) => [each.textContent, each.getBoundingClientRect().height]).filter(([, high]) => high < 44)"""
    )
    assert small == []
    context.close()


def test_a_phone_on_its_side_shows_the_button(browser: Any, site: str) -> None:
    context = browser.new_context(viewport={"width": 740, "height": 360}, has_touch=True, is_mobile=True)
    page = Page(context.new_page(), site).open()
    box = page.page.locator("#sample").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 360
    context.close()


# --- The microphone.


def test_speaking_moves_the_head_and_is_kept(browser: Any, page: Page) -> None:
    page.page.click("#speak")
    page.until("page.speaking && page.speaking.track.intensity.length > 40")
    assert page.page.get_attribute("#speak", "aria-pressed") == "true"
    assert page.page.inner_text("#speak") == "Stop the microphone"
    page.until(
        "page.stage.row[page.stage.described.targets.indexOf('jawOpen')] > 0.01"
    )  # Chromium's own microphone beeps
    page.page.click("#speak")
    page.until("page.animation && !page.speaking")
    assert page.page.evaluate("page.name") == "recording"
    assert page.page.is_visible("#glb")


def test_the_key_that_begins_to_speak_ends_it(page: Page) -> None:
    page.page.focus("#speak")
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Enter")  # while the browser asks: nothing happens
    page.until("page.speaking && page.speaking.seconds > 1")
    page.page.keyboard.press("Enter")
    page.until("page.animation && !page.speaking")


def test_after_too_short_a_take_the_recording_before_it_is_there_again(talking: Page) -> None:
    talking.page.click("#speak")
    talking.until("page.speaking && page.speaking.seconds > 0 && page.speaking.seconds < 0.5")
    talking.page.click("#speak")
    talking.until("document.getElementById('problem').textContent")
    assert talking.problem == "That was too short: speak for half a second or longer."
    assert talking.page.is_visible("#glb")
    assert talking.page.is_enabled("#seek")
    assert talking.page.locator("#segments li").count() == 2


def test_a_file_that_is_chosen_while_the_sample_comes_stays(browser: Any, site: str) -> None:
    context = browser.new_context()
    page = Page(context.new_page(), site).open()
    held: list[Any] = []
    page.page.route("**/sample.wav.gz", lambda route: held.append(route))
    page.page.click("#sample")
    page.until("!document.getElementById('working').hidden")
    page.give("own.wav", speech(1.0))
    page.until("page.name === 'own'")
    for route in held:
        route.continue_()
    page.page.wait_for_timeout(1000)
    assert page.page.evaluate("page.name") == "own"
    assert page.page.get_attribute("#working", "hidden") is not None
    context.close()


def test_a_denied_microphone(browser: Any, site: str) -> None:
    context = browser.new_context()
    context.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    page = Page(context.new_page(), site).open()
    page.page.click("#speak")
    page.until("document.getElementById('problem').textContent")
    assert page.problem == "The microphone was not allowed. You can allow it beside the page's address and try again."
    assert page.page.get_attribute("#speak", "aria-pressed") == "false"
    page.give("a.wav", speech(1.0))
    page.until("page.animation")
    assert page.problem == ""
    context.close()


# --- Bad input: a sentence each.


def test_an_empty_file(page: Page) -> None:
    page.give("empty.wav", b"")
    page.until("document.getElementById('problem').textContent")
    assert page.problem == "This file is empty."


def test_a_folder(page: Page, tmp_path: Path) -> None:
    session = page.page.context.new_cdp_session(page.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        carried = {"items": [], "files": [str(tmp_path)], "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 200, "data": carried})
    page.until("document.getElementById('problem').textContent")
    assert page.problem == "This cannot be read: a folder, or a file that has gone. Drop one sound file."
    page.complaints.clear()  # Chromium logs that a blob is none


@pytest.mark.parametrize("data", [b"no sound at all", speech(0.5)[:40], b"\xff" * 5000])
def test_a_file_that_is_no_sound(page: Page, data: bytes) -> None:
    page.give("broken.wav", data)
    page.until("document.getElementById('problem').textContent")
    assert page.problem.startswith("This file is no sound that this browser can read.")
    page.until("document.getElementById('working').hidden")


def test_after_a_broken_file_the_models_load_without_a_word(browser: Any, site: str) -> None:
    context, held, wait = browser.new_context(), [], True
    context.route("**/model.json.gz", lambda route: held.append(route) if wait else route.continue_())
    page = Page(context.new_page(), site).open()
    page.until("page.faced")
    page.give("broken.wav", b"no sound at all")
    page.until("document.getElementById('problem').textContent")
    page.page.evaluate(
        "new MutationObserver(() => (page.shown = true)).observe("
        "document.getElementById('working'), { attributes: true })"
    )
    wait = False  # a busy machine may not have asked for it yet
    for route in held:
        route.continue_()
    page.until("page.ready")
    assert page.page.evaluate("!page.shown && document.getElementById('working').hidden")
    context.close()


def test_models_whose_worker_has_failed_are_loaded_again(browser: Any, site: str) -> None:
    context = browser.new_context()
    context.add_init_script("""const Real = Worker;
      window.workers = [];
      window.Worker = class extends Real {
        constructor(...given) { super(...given); workers.push(this); }
      };""")
    page = Page(context.new_page(), site).open()
    page.until("page.ready")
    page.page.evaluate("workers[0].dispatchEvent(new ErrorEvent('error', { message: 'no memory' }))")
    page.give("a.wav", speech(1.0))
    page.until("page.animation", 60.0)
    assert page.page.evaluate("workers.length") == 2
    context.close()


def test_an_hour_of_sound(page: Page) -> None:
    silent = io.BytesIO()
    soundfile.write(silent, np.zeros(3600 * 8000, np.uint8).astype(np.int16), 8000, format="WAV", subtype="PCM_U8")
    page.give("hour.wav", silent.getvalue())
    page.until("document.getElementById('problem').textContent")
    assert re.fullmatch(
        r"This sound is too long. The page takes at most 10 minutes: .* sedtalker animate\.", page.problem
    )


def test_too_short_a_sound(page: Page) -> None:
    page.give("click.wav", speech(0.05))
    page.until("document.getElementById('problem').textContent")
    assert page.problem == "This sound is shorter than 0.1 s: there is no syllable in it."
    assert page.page.inner_text("#status") == ""


def test_no_simd(browser: Any, site: str) -> None:
    context = browser.new_context()
    context.add_init_script("WebAssembly.validate = () => false")
    page = Page(context.new_page(), site)
    page.page.goto(site)
    page.until("document.getElementById('problem').textContent")
    assert page.problem.startswith("This browser has no WebAssembly SIMD")
    assert page.page.is_disabled("#sample")
    context.close()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"format": "other"}', "model.json is not one of SEDTalker's models."),
        (None, "model.json.gz could not be loaded: the server answered 404."),
    ],
)
def test_models_that_are_others_or_not_there(browser: Any, site: str, body: str | None, sentence: str) -> None:
    context = browser.new_context()
    context.route("**/model.json.gz", lambda route: route.fulfill(status=200 if body else 404, body=body or ""))
    page = Page(context.new_page(), site).open()
    page.give("a.wav", speech(1.0))
    page.until("document.getElementById('problem').textContent")
    assert page.problem == sentence
    context.close()


def test_without_webgl_the_track_works(browser: Any, site: str) -> None:
    context = browser.new_context()
    context.add_init_script(
        """const given = HTMLCanvasElement.prototype.getContext;
           HTMLCanvasElement.prototype.getContext = function (kind) {
             return kind === "2d" ? given.apply(this, arguments) : null;
           };"""
    )
    page = Page(context.new_page(), site)
    page.page.goto(site)
    page.until("document.getElementById('problem').textContent")
    assert page.problem.startswith("The face cannot be drawn: this browser gives no WebGL 2.")
    page.give("a.wav", speech(1.0))
    page.until("page.animation")
    assert page.page.is_visible("#track")
    context.close()
