"""The cache of training data: arrays built once, resumed, shared; decoded waveforms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.errors import InputError
from sedtalker.training.corpora import cache
from sedtalker.training.corpora.cache import Item, WaveformStore, open_arrays


def test_clips_come_back_and_are_not_decoded_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [0.5 * rng.uniform(-1, 1, n) for n in (3000, 1700, 12000)]
    files = [tmp_path / f"{i}.wav" for i in range(3)]
    for path, clip in zip(files, clips, strict=True):
        soundfile.write(path, clip, 16_000)
    store = WaveformStore.open(files, tmp_path / "cache")
    assert len(store) == 3
    assert isinstance(store.samples, np.memmap)
    for number, clip in enumerate(clips):
        np.testing.assert_allclose(store[number], clip, atol=1e-4)
    sizes = [(p, p.stat().st_mtime_ns) for p in sorted((tmp_path / "cache").iterdir())]
    assert len(sizes) == 2
    WaveformStore.open(files, tmp_path / "cache")
    assert sizes == [(p, p.stat().st_mtime_ns) for p in sorted((tmp_path / "cache").iterdir())]


def _paths(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.npy" for name in ("values", "starts")}


def _items(first: int, count: int = 200) -> Iterator[Item]:
    for number in range(first, count):
        values = np.full((number % 3, 2), number, np.float16)
        yield {"values": values, "starts": np.array([len(values)])}


def _check(made: dict[str, np.ndarray]) -> None:
    every = list(_items(0))
    assert np.array_equal(made["values"], np.concatenate([item["values"] for item in every]))
    assert made["starts"].tolist() == [0, *np.cumsum([len(item["values"]) for item in every])]


def test_arrays_are_built_once_with_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    _check(open_arrays(_paths(tmp_path / "cache"), _items, "work", 200, lambda *step: seen.append(step)))
    assert seen[0] == ("work", 0, 200)
    assert seen[-1] == ("work", 200, 200)

    def again(first: int) -> Iterator[Item]:
        raise AssertionError("built twice")

    _check(open_arrays(_paths(tmp_path / "cache"), again, "work"))
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".npy"] * 2


def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    starts = []

    def stops(first: int) -> Iterator[Item]:
        starts.append(first)
        for number, item in enumerate(_items(first), first):
            if number == 150 and len(starts) == 1:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        open_arrays(_paths(tmp_path), stops, "work")
    assert not list(tmp_path.glob("*.npy"))
    _check(open_arrays(_paths(tmp_path), stops, "work"))
    assert starts == [0, 128]
    assert len(list(tmp_path.iterdir())) == len(_paths(tmp_path))


def test_a_build_that_was_ended_while_it_was_joined_makes_nothing_again(tmp_path: Path) -> None:
    def stops(lengths: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cache, "starts_of", stops)
        open_arrays(_paths(tmp_path), _items, "work", 200)
    asked: list[int] = []
    seen: list[tuple[str, int, int]] = []

    def rest(first: int) -> Iterator[Item]:
        asked.append(first)
        return _items(first)

    _check(open_arrays(_paths(tmp_path), rest, "work", 200, lambda *step: seen.append(step)))
    assert (asked, seen) == ([200], [("work", 200, 200)] * 2)


def test_a_build_opens_no_more_files_the_longer_it_is(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    lowest, most = os.open(os.devnull, os.O_RDONLY), resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "PART", 2)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 20, most[1]))
        try:
            _check(open_arrays(_paths(tmp_path), _items, "work", 200))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_a_second_builder_waits_for_the_first(tmp_path: Path) -> None:
    def again(first: int) -> Iterator[Item]:
        raise AssertionError("built twice")

    with ThreadPoolExecutor(1) as pool:

        def first_builder(first: int) -> Iterator[Item]:
            for number, item in enumerate(_items(first)):
                if number == 100:
                    waiting.append(pool.submit(open_arrays, _paths(tmp_path), again, "second"))
                yield item

        waiting: list[Future[dict[str, np.ndarray]]] = []
        _check(open_arrays(_paths(tmp_path), first_builder, "first"))
        _check(waiting[0].result())
    assert len(list(tmp_path.iterdir())) == len(_paths(tmp_path))


def test_without_locks_a_second_builder_takes_what_the_first_has_built(tmp_path: Path) -> None:
    def overtaken(first: int) -> Iterator[Item]:
        for number, item in enumerate(_items(first)):
            if number == 100:
                _check(open_arrays(_paths(tmp_path), _items, "inner"))
            yield item

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "file_lock", lambda path: nullcontext())
        _check(open_arrays(_paths(tmp_path), overtaken, "outer"))
    assert len(list(tmp_path.iterdir())) == len(_paths(tmp_path))


def test_a_build_without_items_is_empty(tmp_path: Path) -> None:
    made = open_arrays(_paths(tmp_path), lambda first: iter(()), "nothing")
    assert [made[name].tolist() for name in ("values", "starts")] == [[], [0]]


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)"):
        open_arrays(_paths(tmp_path / "file"), _items, "numbers")
