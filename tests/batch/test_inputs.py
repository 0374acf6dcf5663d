"""Recordings from files, folders, globs and manifests; where their results go; shards."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.batch.inputs import Item, find_items, in_shard
from sedtalker.batch.run import Rules, run_batch
from sedtalker.batch.settings import BatchSettings
from sedtalker.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names(root: Path, *inputs: str, pattern: tuple[str, ...] = ()) -> list[str]:
    found = find_items([root / given for given in inputs], root / "out", BatchSettings(), pattern)
    return [item.name for item in found]


def test_a_folder_keeps_its_structure(tmp_path: Path) -> None:
    touch(tmp_path, "in/b.wav", "in/anna/a.FLAC", "in/anna/x/c.mp3", "in/notes.txt", "in/anna/.hidden.wav")
    touch(tmp_path, "in/.git/d.wav", "in/._b.wav")
    assert names(tmp_path, "in") == ["anna/a", "anna/x/c", "b"]
    items = find_items([tmp_path / "in"], tmp_path / "out", BatchSettings(video=False, only=("npz",)))
    assert items[0].audio == tmp_path / "in/anna/a.FLAC"
    assert items[0].results == ["a.emotion.json", "a.npz"]


def test_patterns_are_of_names_or_of_paths(tmp_path: Path) -> None:
    touch(tmp_path, "in/b.wav", "in/anna/a.wav", "in/anna/c.mp3")
    assert names(tmp_path, "in", pattern=("*.wav",)) == ["anna/a", "b"]
    assert names(tmp_path, "in", pattern=("anna/*",)) == ["anna/a", "anna/c"]
    with pytest.raises(InputError, match=r"no recording in it \(looked for \*\.ogg\)"):
        names(tmp_path, "in", pattern=("*.ogg",))


def test_files_and_globs(tmp_path: Path) -> None:
    touch(tmp_path, "in/b.wav", "in/anna/a.wav", "in/c[1].wav")
    assert names(tmp_path, "in/b.wav", "in/b.wav") == ["b"]
    assert names(tmp_path, "in/c[1].wav") == ["c[1]"]
    assert names(tmp_path, "in/*.wav") == ["b", "c[1]"]
    assert names(tmp_path, "in/**/*.wav") == ["anna/a", "b", "c[1]"]
    assert names(tmp_path, "*/anna/*") == ["in/anna/a"]


def test_results_are_no_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "out/a/a.mp4")
    found = find_items([tmp_path], tmp_path / "out", BatchSettings())
    assert [item.name for item in found] == ["a"]
    touch(tmp_path, "out/batch.jsonl", "shards/batch-1-of-2.jsonl", "shards/x/c.mp4", "kept/notes.jsonl", "kept/k.wav")
    for place in (tmp_path, tmp_path / "**" / "*.*"):
        later = find_items([place], tmp_path / "later", BatchSettings(), ("*.wav", "*.mp4"))
        assert [item.name for item in later if item.audio.suffix != ".jsonl"] == ["a", "kept/k"]
    asked_for = find_items([tmp_path / "out"], tmp_path / "later", BatchSettings())
    assert [item.name for item in asked_for] == ["a/a"]
    for results in (tmp_path, tmp_path.parent):
        with pytest.raises(InputError, match="the results would lie among the recordings"):
            find_items([tmp_path], results, BatchSettings())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("nowhere/*.wav", "no file matches"),
        ("empty", "empty: no recording in it"),
        ("empty.csv", "empty.csv: there is no row in it"),
    ],
)
def test_nothing_to_do_is_said(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_text("audio\n")
    with pytest.raises(InputError, match=said.replace("*", r"\*")):
        names(tmp_path, given)
    with pytest.raises(InputError, match="give recordings"):
        names(tmp_path)


def test_two_recordings_for_one_place_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "in/a.mp3", "other/a.wav")
    for inputs in (["in"], ["in/a.wav", "other"]):
        items = find_items([tmp_path / given for given in inputs], tmp_path / "out", BatchSettings())
        with pytest.raises(InputError, match=r"would both be written to .*out/a: choose with --pattern") as caught:
            run_batch(items, tmp_path / "out", Rules())
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert names(tmp_path, "in") == ["a", "a"], "what writes nothing of each recording takes both"
    assert names(tmp_path, "in", pattern=("*.wav",)) == ["a"]


def test_a_result_is_no_folder_of_another(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "in/a/a.npz.wav")
    items = find_items([tmp_path / "in"], tmp_path / "out", BatchSettings())
    with pytest.raises(InputError, match=r"out/a/a\.npz: .* would both use it"):
        run_batch(items, tmp_path / "out", Rules())


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 7))
def test_every_recording_is_in_one_shard(given: list[str], count: int) -> None:
    for name in given:
        item = Item(Path("a.wav"), name, BatchSettings())
        assert [in_shard(item, index, count) for index in range(1, count + 1)].count(True) == 1


def test_a_name_that_is_no_utf8_is_in_a_shard() -> None:
    item = Item(Path("a.wav"), "m\udcfcller", BatchSettings())  # as Python holds a byte of Latin-1
    assert [in_shard(item, index, 3) for index in (1, 2, 3)].count(True) == 1


def test_words_beside_a_recording_are_its_own_where_it_has_no_others(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "in/a.txt", "in/a.TextGrid", "in/b.wav", "in/b.txt", "in/c.wav", "in/a.b.txt")
    plain = find_items([tmp_path / "in"], tmp_path / "out", BatchSettings())
    assert all(item.settings.said() is None for item in plain)
    found = find_items([tmp_path / "in"], tmp_path / "out", BatchSettings(words_beside=True))
    assert [item.settings.said() for item in found] == [tmp_path / "in/a.TextGrid", str(tmp_path / "in/b.txt"), None]
    (tmp_path / "in/clips.csv").write_text("audio,transcript\na.wav,What I say.\nb.wav,\n")
    rows = find_items([tmp_path / "in/clips.csv"], tmp_path / "out", BatchSettings(words_beside=True))
    assert [item.settings.said() for item in rows] == ["What I say.", str(tmp_path / "in/b.txt")]


def test_words_beside_a_recording_come_before_those_that_are_recognised(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav", "in/a.TextGrid", "in/b.wav", "in/b.txt", "in/c.wav", "auto")
    settings = BatchSettings(words_beside=True, transcript="auto")
    found = find_items([tmp_path / "in"], tmp_path / "out", settings)
    assert [item.settings.said() for item in found] == [tmp_path / "in/a.TextGrid", str(tmp_path / "in/b.txt"), "auto"]
    assert settings.placed(tmp_path).transcript == "auto"
