"""The results of a batch are those of ``sedtalker animate``, byte for byte, and kept while nothing has changed."""

from __future__ import annotations

import importlib
import shutil
import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.audio import load_audio
from sedtalker.batch import work
from sedtalker.batch.inputs import Item
from sedtalker.batch.settings import BatchSettings, parse_settings
from sedtalker.batch.work import Worker, kept, task_of
from sedtalker.cli.main import app
from sedtalker.emotion.track import EmotionTrack
from sedtalker.phonetics import pronunciation
from sedtalker.reading import file_sha256
from tests.support.clips import cut_sample
from tests.support.scenes import two_figures
from tests.support.tunes import tune

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker("cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_sample(tmp_path_factory.mktemp("in") / "clip.wav", 3.0, 4.0)


def run(*arguments: object) -> None:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


OPTIONS = {
    "the emotion that is expressed": (
        {"to": "usd,keys,mdd", "targets": "arkit", "size": "64x96", "fps": 10, "camera": "left"},
        ["--to", "usd,keys,mdd", "--targets", "arkit", "--size", "64x96", "--fps", 10, "--camera", "left"],
    ),
    "words": (
        {"emotion": "sad", "transcript": "bin blue at f two now", "language": "en", "video": False},
        ["--emotion", "sad", "--transcript", "bin blue at f two now", "--language", "en", "--no-video"],
    ),
    "a given emotion": (
        {
            "emotion": "happy:0.8",
            "intensity": 1.2,
            "gain": "smile=0.7",
            "style": "clear",
            "video": False,
            "head": False,
        },
        [
            "--emotion",
            "happy:0.8",
            "--intensity",
            1.2,
            "--gain",
            "smile=0.7",
            "--style",
            "clear",
            "--no-video",
            "--no-head",
        ],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_the_same_bytes_as_animate(name: str, clip: Path, tmp_path: Path, worker: Worker) -> None:
    values, options = OPTIONS[name]
    item = Item(clip, "anna/clip", parse_settings(values))
    record = worker(task_of(item, tmp_path / "out", None, False))
    assert record["state"] == "done", record
    run("animate", clip, "-o", tmp_path / "alone" / "anna" / "clip", *options, "-q")
    alone = files(tmp_path / "alone" / "anna" / "clip")
    assert set(alone) == set(record["outputs"]) == set(item.results)
    assert files(tmp_path / "out" / "anna" / "clip") == alone
    assert record["outputs"] == {n: file_sha256(tmp_path / "out/anna/clip" / n) for n in alone}
    assert record["duration"] == 1.0


@pytest.mark.slow
def test_libraries_of_extras_are_loaded_while_no_other_thread_runs(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, bool]] = []
    export = work.export

    def recorded(animation: object, path: Path, name: str, *arguments: object, **options: object) -> dict[str, object]:
        written.append((name, threading.current_thread() is threading.main_thread()))
        return export(animation, path, name, *arguments, **options)

    monkeypatch.setattr(work, "export", recorded)
    run("animate", clip, "--emotion", "happy:0.5", "--no-video", "--to", "arkit,mdd,usda", "-o", tmp_path / "out")
    assert written[0] == ("usda", True)
    assert {"arkit", "mdd"} <= dict(written[1:]).keys()
    assert not any(alone for _, alone in written[1:])


@pytest.mark.slow
def test_a_mesh_is_fitted_once(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register = importlib.import_module("sedtalker.face.registration.register")  # the package has a function of its name
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fits: list[str] = []
    fit = register.register
    monkeypatch.setattr(register, "register", lambda *a, **k: fits.append("fit") or fit(*a, **k))
    settings = BatchSettings(mesh=SAMPLES / "head.obj", video=False)
    for k in range(2):
        worker = Worker("cpu")  # as another process would
        for name in ("a", "b"):
            record = worker(task_of(Item(clip, f"{k}/{name}", settings), tmp_path / "out", None, False))
            assert record["state"] == "done", record
    assert len(fits) == 1
    run("animate", clip, "-o", tmp_path / "alone" / "0" / "a", "--mesh", SAMPLES / "head.obj", "--no-video", "-q")
    assert files(tmp_path / "out" / "0" / "a") == files(tmp_path / "alone" / "0" / "a")


def test_what_is_done_is_kept_and_what_changed_is_done_again(clip: Path, tmp_path: Path, worker: Worker) -> None:
    sound, out = tmp_path / "one.wav", tmp_path / "out"
    shutil.copy(clip, sound)
    plain = BatchSettings(video=False, only=("emotion",))
    item = Item(sound, "one", plain)
    begun: list[str] = []

    def again(item: Item, before: object, overwrite: bool = False) -> dict[str, object]:
        return worker(task_of(item, out, before, overwrite), lambda: begun.append("begun"))  # type: ignore[arg-type]

    first = again(item, None)
    assert (first["state"], begun) == ("done", ["begun"])
    assert again(item, first)["state"] == "kept"
    assert begun == ["begun"]
    other = again(Item(sound, "one", BatchSettings(video=False, only=("emotion",), intensity=1.3)), first)
    assert other["state"] == "done"
    assert other["options_sha256"] != first["options_sha256"]
    (out / "one/one.emotion.json").unlink()
    assert again(item, other)["state"] == "done"
    sound.write_bytes(clip.read_bytes() + b"\0\0")
    second = again(item, first)
    assert second["state"] == "done"
    assert second["input_sha256"] != first["input_sha256"]

    track = out / "one/one.emotion.json"
    track.write_text('[{"start": 0, "end": 1, "label": "sad"}]')  # edited by hand
    count = len(begun)
    edited = again(item, second)
    assert (edited["state"], len(begun)) == ("failed", count)
    assert "changed since the batch wrote it; --force replaces it" in edited["error"]
    assert edited["before"] == second
    assert EmotionTrack.load(track).segments()[0].label == "sad"
    assert again(item, second, overwrite=True)["state"] == "done"


def test_what_killed_runs_left_is_cleared(clip: Path, tmp_path: Path, worker: Worker) -> None:
    left = tmp_path / "out" / "clip" / ".sedtalker-abc"
    left.mkdir(parents=True)
    (left / "clip.npz").write_bytes(b"half")
    record = worker(
        task_of(Item(clip, "clip", BatchSettings(video=False, only=("emotion",))), tmp_path / "out", None, True)
    )
    assert record["state"] == "done"
    assert [path.name for path in (tmp_path / "out" / "clip").iterdir()] == ["clip.emotion.json"]


def test_a_recording_that_fails_is_said_and_leaves_nothing(tmp_path: Path, worker: Worker) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    item = Item(tmp_path / "bad.wav", "x/bad", BatchSettings(video=False))
    record = worker(task_of(item, tmp_path / "out", None, False))
    assert record["state"] == "failed"
    assert "not a readable audio file" in record["error"]
    assert not (tmp_path / "out" / "x" / "bad").exists()
    gone = worker(task_of(Item(tmp_path / "gone.wav", "gone", BatchSettings()), tmp_path / "out", None, False))
    assert gone["error"] == f"{tmp_path / 'gone.wav'}: cannot be read (No such file or directory)"


def test_words_that_nothing_pronounces_are_refused_before_any_work(
    clip: Path, tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*arguments: object) -> None:
        raise AssertionError("networks were opened")

    monkeypatch.setattr(worker, "_animator", worked)
    monkeypatch.setattr(pronunciation, "has_espeak", lambda: False)
    item = Item(clip, "clip", BatchSettings(transcript="say blorptangs"))
    record = worker(task_of(item, tmp_path / "out", None, False))
    assert record["error"].startswith("'blorptangs' is not in the English dictionary: pip install"), record
    assert not (tmp_path / "out" / "clip").exists()


def test_a_bug_is_a_failure_of_one_recording(
    clip: Path, tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise MemoryError("too\nmuch")

    monkeypatch.setattr(worker, "_animator", broken)
    record = worker(task_of(Item(clip, "clip", BatchSettings()), tmp_path / "out", None, False))
    assert (record["state"], record["error"]) == ("failed", "MemoryError: too much")
    assert "Traceback" in record["traceback"]


def test_options_are_checked_and_networks_opened(worker: Worker) -> None:
    assert worker.prepare([{"light": "dark"}], None)["error"].startswith("there is no light 'dark'")
    assert worker.prepare([{}], {})["notes"] == []


def test_names_that_no_file_can_have_are_missing_files(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot even be asked for ends neither the process nor the batch with another cause."""
    said = [worker.prepare([{"mesh": name}], None)["error"] for name in (300 * "x" + ".obj", "x\0.obj")]
    assert all("no such file" in text for text in said)
    monkeypatch.setattr(BatchSettings, "check", lambda self: 1 / 0)
    assert worker.prepare([{}], None) == {"error": "ZeroDivisionError: division by zero"}


def test_few_things_stay_open() -> None:
    held: OrderedDict[Hashable, int] = OrderedDict()
    made: list[int] = []

    def make(value: int) -> int:
        made.append(value)
        return value

    for value in (1, 2, 1, 3, 1, 2):
        assert kept(held, value, lambda value=value: make(value), 2) == value  # type: ignore[misc]
    assert made == [1, 2, 3, 2]
    assert len(held) == 2


def test_a_face_is_opened_again_for_other_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[np.ndarray]()
    monkeypatch.setattr(work, "open_face", lambda options, vertices, hook, points: opened.append(points.copy()))
    worker, points = Worker("cpu"), np.zeros((68, 3))
    for x in (0.0, 0.0, 1.0):  # one array, whose id stays
        points[0, 0] = x
        worker._face(BatchSettings(mesh=Path("a.obj")), False, landmarks=points)
    assert [points[0, 0] for points in opened] == [0.0, 1.0]


@pytest.mark.slow
def test_a_conversation_has_the_files_of_animate_and_is_kept(worker: Worker, clip: Path, tmp_path: Path) -> None:
    turns = tmp_path / "who.rttm"
    turns.write_text("SPEAKER c 1 0.05 0.5 <NA> <NA> ann <NA> <NA>\nSPEAKER c 1 0.6 0.35 <NA> <NA> bob <NA> <NA>\n")
    given = {"speakers": str(turns), "face": "mei", "others": "amara", "listening": 0.5, "video": False, "fps": 10}
    item = Item(clip, "clip", parse_settings(given))
    first = worker(task_of(item, tmp_path / "batch", None, False))
    assert first["state"] == "done", first
    words = ["--speakers", turns, "--face", "mei", "--face", "amara", "--listening", 0.5, "--no-video", "--fps", 10]
    run("animate", clip, *words, "-o", tmp_path / "alone" / "clip")
    assert files(tmp_path / "batch" / "clip") == files(tmp_path / "alone" / "clip")
    assert sorted(first["outputs"]) == sorted(files(tmp_path / "alone" / "clip"))
    assert worker(task_of(item, tmp_path / "batch", first, False))["state"] == "kept"
    turns.write_text(turns.read_text().replace("0.35", "0.3"))
    assert worker(task_of(item, tmp_path / "batch", first, False))["state"] == "done"


def test_the_scene_of_a_conversation_has_the_shapes_that_map_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And it says of whom the files are that it writes, and how many of them are written."""
    settings, scene = BatchSettings(video=False, only=("glb", "usda", "npz"), rig_names="oculus"), two_figures()
    steps = list[tuple[str, int, int]]()
    caplog.set_level("INFO")
    work.write_scene_results(
        scene, tune(), Path("a.wav"), settings, tmp_path, tmp_path, lambda *step: steps.append(step)
    )
    for name in ("a.glb", "a.red.glb"):
        assert b"viseme_PP" in (tmp_path / name).read_bytes()
    assert b"viseme_PP" in (tmp_path / "a.usda").read_bytes()
    assert "--targets all in place of --map loses nothing" in caplog.text
    scenes, *each = ["writing the scene", *(f"writing the files of {name}" for name in scene.names)]
    assert steps == [(scenes, 0, 1), (scenes, 1, 2), (scenes, 1, 1)] + [
        (step, done, total) for step in each for done, total in ((0, 1), (1, 3), (2, 3), (1, 1))
    ]


@pytest.mark.slow
def test_a_channel_of_music_has_no_files(worker: Worker, tmp_path: Path) -> None:
    voice = load_audio(Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav").samples[: 16_000 * 8]
    soundfile.write(tmp_path / "a.wav", np.stack([np.concatenate([tune(), tune()]), voice], 1), 16_000)
    settings = parse_settings({"speakers": "channels", "video": False, "fps": 10})
    _, scene, suffixes = worker.converse(tmp_path / "a.wav", settings, tmp_path / "a", False)
    assert scene.names == ("speaker2",)
    assert sorted(f"a{suffix}" for suffix in suffixes) == sorted(files(tmp_path / "a"))
