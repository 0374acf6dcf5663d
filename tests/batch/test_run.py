"""A batch from plan to summary, and its processes; a worker that needs no networks stands in for the real one."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from sedtalker.batch import log, pool
from sedtalker.batch.log import Record, Shard
from sedtalker.batch.run import animate_folder
from sedtalker.errors import InputError


@pytest.fixture(autouse=True)
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WORKER", (sys.executable, str(Path(__file__).with_name("fake_worker.py"))))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for name in ("a", "anna/b", "anna/c", "d", "e"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.wav").write_text(name)
    return folder


def records(output: Path) -> list[Record]:
    lines = [line for path in sorted(output.glob("batch*.jsonl")) for line in path.read_text().splitlines()]
    return [record for record in map(json.loads, lines) if "name" in record]


def states(output: Path, name: str) -> list[str]:
    return [record["state"] for record in records(output) if record["name"] == name]


def test_everything_is_done_once_and_logged(clips: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    summary = animate_folder(clips, tmp_path / "out", jobs=2, hook=lambda *step: steps.append(step))
    assert (summary.files, summary.done, summary.kept, summary.failures) == (5, 5, 0, [])
    assert summary.speech_seconds == 5.0
    assert steps == [("animating", n, 5) for n in range(6)]
    assert (tmp_path / "out/anna/b/result").read_text() == "anna/b"
    assert states(tmp_path / "out", "anna/b") == ["started", "done"]
    assert {record["input"] for record in records(tmp_path / "out")} >= {"../in/a.wav", "../in/anna/c.wav"}


def test_resume_does_what_is_left(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (clips / "a.wav").write_text("wrong")
    first = animate_folder(clips, out, jobs=2)
    assert [failure["error"] for failure in first.failures] == [f"{clips / 'a.wav'}: wrong"]
    with pytest.raises(InputError, match="4 of 5 recordings are done there: --resume continues"):
        animate_folder(clips, out)
    (clips / "a.wav").write_text("right")
    (clips / "f.wav").write_text("new")
    second = animate_folder(clips, out, jobs=2, resume=True)
    assert (second.done, second.kept, second.failures) == (2, 4, [])
    assert states(out, "a") == ["started", "failed", "started", "done"]
    assert states(out, "d") == ["started", "done"]
    third = animate_folder(clips, out, force=True)
    assert (third.done, third.kept) == (6, 0)


def test_files_of_others_are_not_replaced(clips: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "d" / "d.npz"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"d\.npz exists; use --force"):
        animate_folder(clips, tmp_path / "out")
    assert mine.read_text() == "mine"
    assert animate_folder(clips, tmp_path / "out", force=True).done == 5


def test_a_process_that_dies_is_replaced(clips: Path, tmp_path: Path) -> None:
    (clips / "a.wav").write_text("kill")
    (clips / "d.wav").write_text("kill once")
    summary = animate_folder(clips, tmp_path / "out", jobs=2)
    assert summary.done == 4
    assert [failure["name"] for failure in summary.failures] == ["a"]
    assert "was killed by signal 9 (out of memory?)" in summary.failures[0]["error"]
    assert states(tmp_path / "out", "d")[-1] == "done"


def test_processes_are_few(clips: Path, tmp_path: Path) -> None:
    for k in range(40):
        (clips / f"more{k}.wav").write_text(str(k))
    assert animate_folder(clips, tmp_path / "out", jobs=3).done == 45
    assert len({record["pid"] for record in records(tmp_path / "out") if "pid" in record}) <= 3


def test_shards_share_the_work(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    parts = [animate_folder(clips, out, shard=Shard(index, 3), resume=True) for index in (1, 2, 3)]
    assert sum(part.done for part in parts) == 5
    assert sum(part.files for part in parts) == 5
    assert {path.parent.name for path in out.rglob("result")} == {"a", "b", "c", "d", "e"}
    again = animate_folder(clips, out, resume=True)
    assert (again.done, again.kept) == (0, 5)


@pytest.mark.slow
def test_two_batches_at_once_are_refused(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "WAIT", 0.0)
    for path in clips.rglob("*.wav"):
        path.write_text("sleep 0.3")
    out, begun = tmp_path / "out", threading.Event()
    running = threading.Thread(
        target=animate_folder, args=(clips, out), kwargs={"jobs": 1, "hook": lambda *step: begun.set()}
    )
    running.start()
    assert begun.wait(20)
    for shard in (Shard(), Shard(1, 2)):
        with pytest.raises(InputError, match="is running there"):
            animate_folder(clips, out, resume=True, shard=shard)
    running.join()
    assert animate_folder(clips, out, resume=True).kept == 5


def test_an_interrupted_batch_leaves_no_process(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(item: object, record: Record) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        animate_folder(clips, out, jobs=2, seen=stop)
    done = {record["name"] for record in records(out) if record["state"] == "done"}
    resumed = animate_folder(clips, out, jobs=2, resume=True)
    assert resumed.kept >= 1
    assert resumed.kept + resumed.done == 5
    assert all(states(out, name).count("done") == 1 for name in done)


def test_an_interrupted_batch_leaves_nothing_of_what_it_had_begun(tmp_path: Path) -> None:
    out, clips = tmp_path / "out", tmp_path / "clips"
    clips.mkdir()
    for name, text in {"a": "good", "b": "sleep 300"}.items():
        (clips / f"{name}.wav").write_text(text)

    def stop(item: object, record: Record) -> None:
        until = time.monotonic() + 60
        while not (out / "b").exists() and time.monotonic() < until:
            time.sleep(0.01)
        made = out / "b" / ".sedtalker-abc"  # where results are made
        made.mkdir()
        (made / "lock").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        animate_folder(clips, out, jobs=2, seen=stop)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["a"]


def test_wrong_options_stop_it_before_any_work(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such face"):
        animate_folder(clips, tmp_path / "out", face="wrong")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="there is no such option"):
        animate_folder(clips, tmp_path / "out", colour="red")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file: the results need a folder"):
        animate_folder(clips, tmp_path / "file")


def test_notes_on_the_options_are_logged(clips: Path, tmp_path: Path) -> None:
    animate_folder(clips, tmp_path / "out")
    first = json.loads((tmp_path / "out/batch.jsonl").read_text().splitlines()[0])
    assert first["run"]["notes"] == ["a note"]
