"""The JavaScript around the face, in Node: the same figures as Python, and avatars that stand in for real ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.audio import from_samples
from sedtalker.emotion.track import CATEGORIES
from sedtalker.export.arkit import eye_angles
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.osc import vrm_expressions
from sedtalker.live.senders import with_still_head
from tests.web_page.conftest import missing

SOURCES = Path(__file__).parents[2] / "web" / "src"


def node(script: str, given: Any = None) -> Any:
    """What a script of JavaScript returns; ``given`` is what it has of the same name."""
    program = shutil.which("node")
    if program is None:
        missing("no Node: apt install nodejs")
    text = f"const given = {json.dumps(given)};\nconst made = await (async () => {{ {script} }})();"
    text += "\nconsole.log(JSON.stringify(made));"
    command = [str(program), "--input-type=module", "-"]
    done = subprocess.run(command, input=text, cwd=SOURCES, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def random_frames(count: int = 40) -> list[StreamedFrame]:
    rng = np.random.default_rng(5)
    return [
        StreamedFrame(
            time=k / 30,
            weights=(rng.random(52) ** 2).astype(np.float32),
            head=rng.normal(0, 0.4, 3).astype(np.float32),
            tongue=rng.random(3).astype(np.float32),
            emotion=CATEGORIES[k % len(CATEGORIES)],
            intensity=float(rng.random()),
        )
        for k in range(count)
    ]


def plain(frame: StreamedFrame) -> dict[str, Any]:
    return {
        "weights": frame.weights.tolist(),
        "head": np.asarray(frame.head).tolist(),
        "emotion": frame.emotion,
        "intensity": frame.intensity,
    }


def test_expressions_of_vrm_are_those_that_vmc_sends() -> None:
    frames = random_frames()
    got = node(
        """const { vrmExpressions } = await import("./adapters/vrm.js");
           return given.map((frame) => vrmExpressions(frame));""",
        [plain(frame) for frame in frames],
    )
    for frame, found in zip(frames, got, strict=True):
        assert found.pop("relaxed") == 0
        assert found == pytest.approx(vrm_expressions(frame), abs=1e-6)


def test_angles_of_the_csv_are_those_of_python() -> None:
    frames = random_frames()
    got = node(
        """const { headAngles, eyeAngles } = await import("./csv.js");
           const { SHAPES } = await import("./tables.js");
           return given.map(({ head, weights }) => [...headAngles(head), ...eyeAngles(weights, SHAPES.names)]);""",
        [plain(frame) for frame in frames],
    )
    head = Rotation.from_rotvec([np.asarray(frame.head, float) for frame in frames]).as_euler("YXZ")
    eyes = eye_angles(np.stack([frame.weights for frame in frames])).reshape(-1, 6)
    assert np.array(got) == pytest.approx(np.concatenate([head * (-1, 1, -1), eyes], axis=1), abs=1e-6)


def test_an_avatar_of_vrm() -> None:
    frame = random_frames(1)[0]
    script = """const { VrmFace } = await import("./adapters/vrm.js");
      const { SHAPES } = await import("./tables.js");
      const shapes = new Set(SHAPES.names.map((name) => name.toLowerCase()));
      const avatar = (perfect) => {
        const values = {};
        const head = { quaternion: { set(...q) { this.q = q; } } };
        return {
          values, head, lookAt: { autoUpdate: true, yaw: 0, pitch: 0 },
          humanoid: { getNormalizedBoneNode: (name) => (name === "head" ? head : null) },
          expressionManager: {
            getExpression: (name) => (perfect || !shapes.has(name.toLowerCase()) ? {} : null),
            setValue: (name, value) => { values[name] = value; },
          },
        };
      };
      return [false, true].map((perfect) => {
        const vrm = avatar(perfect);
        new VrmFace(vrm).apply(given);
        const { yaw, pitch, autoUpdate } = vrm.lookAt;
        return { values: vrm.values, yaw, pitch, autoUpdate, q: vrm.head.quaternion.q };
      });"""
    usual, perfect = node(script, plain(frame))
    assert set(usual["values"]) >= {"aa", "ih", "ou", "ee", "oh", "happy", "angry", "sad", "surprised", "relaxed"}
    assert usual["q"] == pytest.approx(Rotation.from_rotvec(frame.head).as_quat(), abs=1e-6)
    assert not usual["autoUpdate"]
    left, right = np.degrees(eye_angles(frame.weights[None])[0, :, :2])
    assert [usual["yaw"], usual["pitch"]] == pytest.approx([-(left[0] + right[0]) / 2, (left[1] + right[1]) / 2])
    assert perfect["values"] == pytest.approx(dict(zip(ARKIT_52, frame.weights.tolist(), strict=True)))


def test_an_avatar_of_talkinghead() -> None:
    frame = random_frames(1)[0]
    script = """const { TalkingHeadFace } = await import("./adapters/talkinghead.js");
      const { SHAPES } = await import("./tables.js");
      const names = [...SHAPES.names.filter((name) => !/^eyeLook(Up|Down)/.test(name)), "eyesLookUp", "eyesLookDown"];
      const mtAvatar = Object.fromEntries(names.map((name) => [name, { realtime: null, needsUpdate: false }]));
      const face = new TalkingHeadFace({ mtAvatar });
      face.apply(given);
      const moved = structuredClone(mtAvatar);
      face.release();
      return { moved, released: Object.values(mtAvatar).every((each) => each.realtime === null) };"""
    got = node(script, plain(frame))
    weight = dict(zip(ARKIT_52, with_still_head(frame).weights.tolist(), strict=True))
    assert got["moved"]["jawOpen"] == {"realtime": pytest.approx(weight["jawOpen"]), "needsUpdate": True}
    for way in ("Up", "Down"):
        both = (weight[f"eyeLook{way}Left"] + weight[f"eyeLook{way}Right"]) / 2
        assert got["moved"][f"eyesLook{way}"]["realtime"] == pytest.approx(both, abs=1e-6)
    for name in ("eyeLookInLeft", "eyeLookOutLeft", "eyeLookInRight", "eyeLookOutRight"):
        assert got["moved"][name]["realtime"] == pytest.approx(weight[name], abs=1e-6)
    assert got["released"]


def test_a_model_of_three_js() -> None:
    frame = random_frames(1)[0]
    script = """const three = await import("../../sedtalker/studio/static/vendor/three/three.module.js");
      const { ThreeFace } = await import("./adapters/three.js");
      const scene = new three.Group();
      const mesh = new three.Mesh(new three.BufferGeometry());
      mesh.morphTargetDictionary = { other: 0, jawOpen: 1, mouthClose: 2, fix: 3 };
      mesh.morphTargetInfluences = [0, 0, 0, 0];
      mesh.userData.correctives = [{ name: "fix", sources: ["jawOpen", "mouthClose"], gain: 0.5, beyond: false }];
      const head = new three.Object3D();
      head.name = "Head";
      head.rotation.set(0.1, 0.2, 0.3);
      const before = head.quaternion.toArray();
      scene.add(mesh, head);
      const face = new ThreeFace(scene);
      face.apply(given);
      face.apply(given);
      let refused = "";
      try { new ThreeFace(new three.Group()); } catch (error) { refused = error.message; }
      return { weights: mesh.morphTargetInfluences, before, after: head.quaternion.toArray(), refused };"""
    got = node(script, plain(frame))
    jaw, close = (float(frame.weights[ARKIT_52.index(name)]) for name in ("jawOpen", "mouthClose"))
    assert got["weights"] == pytest.approx([0.0, jaw, close, 0.5 * jaw * close])
    after = Rotation.from_quat(got["before"]) * Rotation.from_rotvec(frame.head)
    assert got["after"] == pytest.approx(after.as_quat(), abs=1e-6)
    assert got["refused"] == "This model has no morph targets with the names of ARKit's shapes."


@pytest.mark.parametrize("rate", [8_000, 44_100, 44_101, 48_000])
def test_resampling_in_blocks_is_that_of_the_whole(rate: int) -> None:
    time = np.arange(rate // 2) / rate
    samples = np.sin(2 * np.pi * 440 * time)
    script = """const { Resampler } = await import("./resampling.js");
      const run = (size) => {
        const resampler = new Resampler(given.rate, 16000);
        const found = [];
        for (let at = 0; at < given.samples.length; at += size) {
          found.push(...resampler.push(Float32Array.from(given.samples.slice(at, at + size))));
        }
        found.push(...resampler.flush());
        return found;
      };
      return { blocks: run(128), whole: run(1e9) };"""
    got = node(script, {"rate": rate, "samples": samples.tolist()})
    assert got["blocks"] == got["whole"]
    assert len(got["whole"]) == pytest.approx(8000, abs=1)
    inside = slice(100, 7900)
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(got["whole"])) / 16_000)
    assert np.abs(np.array(got["whole"]) - wanted)[inside].max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 44_101, 48_000])
def test_resampled_sound_is_nearly_that_of_python(rate: int) -> None:
    samples = np.random.default_rng(4).normal(scale=0.1, size=rate // 2).astype(np.float32)
    script = """const { resampled } = await import("./wav.js");
      return [...await resampled(Float32Array.from(given.samples), given.rate, 16000)];"""
    got = np.array(node(script, {"rate": rate, "samples": samples.tolist()}))
    wanted = from_samples(samples, rate).samples
    assert len(got) == len(wanted)
    assert np.sqrt(np.mean((got - wanted) ** 2)) < 0.005 * np.sqrt(np.mean(wanted**2))


def test_odd_rates_keep_few_weights_and_a_page_lives_while_long_sound_is_resampled() -> None:
    script = """const { Resampler } = await import("./resampling.js");
      const { resampled } = await import("./wav.js");
      const odd = new Resampler(44101, 16000);
      odd.push(new Float32Array(44101));
      let turns = 0;
      const clock = setInterval(() => turns++);
      await resampled(new Float32Array(30 * 8000), 8000, 16000);
      clearInterval(clock);
      return { kept: odd.weights.size ?? odd.weights.length, turns };"""
    got = node(script, {})
    assert 256 < got["kept"] < 1024
    assert got["turns"] > 3


def test_resampling_lets_nothing_pass_above_the_band() -> None:
    samples = np.sin(2 * np.pi * 9_500 * np.arange(24_000) / 48_000)
    script = """const { Resampler } = await import("./resampling.js");
      return [...new Resampler(48000, 16000).push(Float32Array.from(given))];"""
    assert np.abs(np.array(node(script, samples.tolist()))[200:]).max() < 1e-4


def test_a_worker_that_has_failed_refuses_what_comes_later() -> None:
    script = """const { WorkerFace } = await import("./client.js");
      globalThis.document = { baseURI: "http://localhost/" };
      globalThis.Worker = class {
        postMessage({ id, act }) {
          if (act === "load") queueMicrotask(() => this.onmessage({ data: { id, value: {} } }));
          else if (!this.failed) queueMicrotask(() => this.onerror({ message: "no memory" }));
          this.failed = act !== "load";
        }
        terminate() { this.ended = true; }
      };
      const face = await WorkerFace.load("models/");
      const silence = () => new Promise((soon) => setTimeout(soon, 500, "no answer"));
      const said = () => Promise.race([face.animate(new Float32Array(1)).catch((error) => error.message), silence()]);
      const found = [face.over, await said(), await said(), face.over, face.calls.worker.ended];
      face.close();
      return [...found, await said()];"""
    assert node(script) == ["", "no memory", "no memory", "no memory", True, "The face was closed."]


def test_the_folder_of_the_models_needs_no_slash_at_its_end() -> None:
    script = """const { WorkerFace } = await import("./client.js");
      globalThis.document = { baseURI: "http://localhost/page/" };
      const asked = [];
      globalThis.Worker = class {
        postMessage({ id, where }) {
          asked.push(where.base);
          queueMicrotask(() => this.onmessage({ data: { id, value: {} } }));
        }
      };
      for (const base of ["models", "models/", new URL("http://other/models")]) await WorkerFace.load(base);
      return asked;"""
    assert node(script) == [*["http://localhost/page/models/"] * 2, "http://other/models/"]


def test_a_stream_in_the_worker_that_has_ended_says_so() -> None:
    script = """globalThis.self = {};
      const answers = new Map();
      globalThis.postMessage = ({ id, ...answer }) => answers.get(id)(answer);
      await import("./worker.js");
      const ask = (id, act) => new Promise((soon) => {
        answers.set(id, soon);
        self.onmessage({ data: { id, act, stream: 7, samples: [] } });
      });
      return [await ask(1, "push"), await ask(2, "flush")];"""
    assert node(script) == [{"error": "The stream has ended: begin a new one."}, {"value": []}]


def test_a_loop_over_the_microphone_that_is_left_closes_it_and_the_stream() -> None:
    script = """const { WorkerFace } = await import("./client.js");
      const { Microphone } = await import("./microphone.js");
      globalThis.document = { baseURI: "http://localhost/" };
      const asked = [];
      globalThis.Worker = class {
        postMessage({ id, act }) {
          asked.push(act);
          queueMicrotask(() => this.onmessage({ data: { id, value: act === "push" ? [{ time: 0 }] : {} } }));
        }
      };
      let stopped = 0;
      const track = { stop: () => stopped++ };
      Object.defineProperty(globalThis, "navigator", {
        value: { mediaDevices: { getUserMedia: async () => ({ getTracks: () => [track] }) } },
      });
      globalThis.AudioContext = class {
        audioWorklet = { addModule: async () => {} };
        createMediaStreamSource = () => ({ connect: () => {} });
        resume = async () => {};
        close = async () => {};
      };
      globalThis.AudioWorkletNode = class {
        port = { set onmessage(take) { take({ data: new Float32Array(640) }); } };
      };
      const face = await WorkerFace.load("models/");
      for await (const frame of face.listen(await Microphone.open())) break;
      await new Promise((soon) => setTimeout(soon));
      for await (const samples of await Microphone.open()) break;
      return [asked, stopped];"""
    assert node(script) == [["load", "open", "push", "close"], 2]


def test_what_is_no_sound_is_refused_in_the_page_as_without_a_worker() -> None:
    script = """const { WorkerFace } = await import("./client.js");
      const sent = [];
      globalThis.document = { baseURI: "http://localhost/" };
      globalThis.Worker = class {
        postMessage(message, transfer) {
          sent.push(structuredClone(message, { transfer }).samples?.constructor.name);
          queueMicrotask(() => this.onmessage({ data: { id: message.id, value: {} } }));
        }
      };
      const face = await WorkerFace.load("models/");
      const stream = face.stream();
      const said = (answer) => answer.catch((error) => error.message);
      const refused = [];
      const answers = [face.animate(), face.animate(new Int16Array(9)), stream.push("a")];
      for (const answer of answers) refused.push(await said(answer));
      await face.animate([0, 0.5]);
      await stream.push(new Float64Array(2));
      return [refused, sent];"""
    refused, sent = node(script)
    assert [line[:31] for line in refused] == ["Give the sound as a Float32Arra"] * 3
    assert sent == [None, None, "Float32Array", "Float32Array"]


def test_speaking_that_fails_closes_its_stream() -> None:
    script = """const { Speaking } = await import("../page/speaking.js");
      let closed = 0;
      const stream = { push: async () => { throw new Error("no memory"); }, close: async () => { closed++; } };
      const speaking = new Speaking({ stream: () => stream }, 60);
      speaking.microphone = (async function* () { yield new Float32Array(320); })();
      return [await speaking.run().catch((error) => error.message), closed];"""
    assert node(with_speaking(script)) == ["no memory", 1]


def with_speaking(script: str) -> str:
    """A script that imports the page's own ``speaking.js``, whose modules are in another folder here."""
    module = (SOURCES.parent / "page" / "speaking.js").read_text(encoding="utf-8")
    assert '"./src/microphone.js"' in module
    return script.replace('await import("../page/speaking.js")', f"await import({as_module(module)})")


def test_frames_of_a_stream_are_shown_evenly_and_catch_up() -> None:
    script = """const { FrameQueue } = await import("./frames.js");
      const queue = new FrameQueue();
      const shown = [];
      let made = 0;
      for (let tick = 0; tick < 360; tick++) {
        const now = tick / 60;
        // Batches of four frames; nothing comes between 2 s and 3.2 s.
        while ((made + 4) / 30 <= now && !(now > 2 && now < 3.2)) {
          queue.push([0, 1, 2, 3].map((k) => ({ time: (made + k) / 30 })));
          made += 4;
        }
        const frame = queue.take(now);
        if (frame) shown.push([now, frame.time]);
      }
      return shown;"""
    shown = np.array(node(script))
    late = shown[:, 0] - shown[:, 1]
    assert np.all(np.diff(shown[:, 1]) > 0)
    before = (shown[:, 0] > 1) & (shown[:, 0] < 2)
    assert late[before].max() < 0.3
    assert np.diff(shown[before, 1]).max() == pytest.approx(1 / 30, abs=1e-9)
    assert late[shown[:, 0] > 5].max() < 0.3


def test_a_page_that_was_hidden_for_an_hour_keeps_no_frames_and_goes_on_with_the_newest() -> None:
    script = """const { FrameQueue } = await import("./frames.js");
      const queue = new FrameQueue();
      queue.push([{ time: 0 }]);
      queue.take(0);
      for (let k = 1; k <= 3600 * 30; k++) queue.push([{ time: k / 30 }]);
      return [queue.frames.length, queue.take(3600.1).time];"""
    kept, shown = node(script)
    assert kept <= 40
    assert shown == pytest.approx(3599.9, abs=0.04)


def as_module(text: str) -> str:
    """A module of the page as a JavaScript string of its URL, with imports as Node finds them."""
    whole = text.replace("./src/", SOURCES.as_uri() + "/")
    return json.dumps("data:text/javascript," + urllib.parse.quote(whole))


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_wav_files_are_read_as_python_reads_them(kind: str, form: str, tmp_path: Path) -> None:
    from sedtalker.audio import load_audio

    path = tmp_path / "sound.wav"
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, (4000, 2))
    soundfile.write(path, samples, 16_000, format=form, subtype=kind)
    script = """const { readFile } = await import("node:fs/promises");
      const { readWav } = await import("./wav.js");
      const data = await readFile(given);
      const { samples, rate } = readWav(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
      return { samples: [...samples], rate };"""
    got = node(script, str(path))
    assert got["rate"] == 16_000
    assert np.array(got["samples"]) == pytest.approx(load_audio(path).samples, abs=1e-7)


@pytest.mark.parametrize("fault", ["opposite phases", "far beyond full scale", "no numbers", "no sound"])
def test_faulty_sound_is_mended_as_python_mends_it(fault: str, tmp_path: Path) -> None:
    from sedtalker.audio import load_audio

    sound = np.random.default_rng(2).uniform(-0.5, 0.5, (4000, 2)).astype(np.float32)
    if fault == "opposite phases":
        sound[:, 1] = -sound[:, 0]
    elif fault == "far beyond full scale":
        sound *= 800.0
    else:
        sound[100:200] = np.nan if fault == "no numbers" else 1e30
    path = tmp_path / "sound.wav"
    soundfile.write(path, sound, 16_000, subtype="FLOAT")
    script = """const { readFile } = await import("node:fs/promises");
      const { readWav } = await import("./wav.js");
      const data = await readFile(given);
      return [...readWav(data.buffer.slice(data.byteOffset, data.byteOffset + data.length)).samples];"""
    audio = load_audio(path)
    assert np.abs(audio.samples).max() > 0.1
    np.testing.assert_allclose(node(script, str(path)), audio.samples, atol=1e-6)


@pytest.mark.parametrize(("form", "rates"), [("FLAC", (8_000, 44_100, 96_000)), ("OGG", (16_000, 44_100))])
def test_the_rate_of_a_compressed_file_is_read(form: str, rates: tuple[int, ...], tmp_path: Path) -> None:
    assert [_rate_read(tmp_path, form, rate) for rate in rates] == list(rates)


def test_the_rate_of_an_mp3_is_read_behind_its_tags(tmp_path: Path) -> None:
    rates = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
    assert [_rate_read(tmp_path, "MP3", rate) for rate in rates] == rates
    assert _rate_read(tmp_path, "MP3", 22_050, b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes([255, 251]) * 128) == 22_050


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 100, b"OggS" + b"\xff" * 60, b"fLaC" + bytes(100), b"ID3" + b"\xff" * 90]
)
def test_a_broken_head_is_taken_for_the_usual_rate(data: bytes, tmp_path: Path) -> None:
    assert _rate_read(tmp_path, "", 0, data) == 48_000


def _rate_read(folder: Path, form: str, rate: int, before: bytes = b"") -> int:
    """The rate that JavaScript reads out of a file of a form, with something before it."""
    path = folder / "sound"
    if form:
        soundfile.write(path, np.zeros(rate // 4), rate, format=form)
    path.write_bytes(before + (path.read_bytes() if form else b""))
    script = """const { readFile } = await import("node:fs/promises");
      const { soundRate } = await import("./sound_rate.js");
      const data = await readFile(given);
      return soundRate(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));"""
    return int(node(script, str(path)))


def test_what_is_no_wav_file_is_left_to_the_browser() -> None:
    script = """const { readWav, toWav } = await import("./wav.js");
      const whole = new Uint8Array(await toWav(new Float32Array(100).fill(0.5), 16000).arrayBuffer());
      const other = whole.slice();
      other[20] = 17; // ADPCM
      const again = readWav(whole.buffer);
      return [...[whole.slice(0, 10), whole.slice(0, 44), other, new Uint8Array(0)].map((data) => readWav(data.buffer)),
        again.samples.length, again.samples[50]];"""
    assert node(script) == [None, None, None, None, 100, pytest.approx(0.5, abs=1e-4)]
