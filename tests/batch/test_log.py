"""The log survives kills, and a folder has one batch at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.batch.log import WHOLE, Log, Shard, locked, parse_shard, read_logs
from sedtalker.errors import InputError


@given(cut=st.integers(0, 200), names=st.lists(st.text(), min_size=1, max_size=3))
def test_a_torn_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("log")
    path = folder / "batch.jsonl"
    log = Log(path)
    for name in names:
        log.write({"state": "done", "name": name})
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    log = Log(path)
    log.write({"state": "started", "name": "after"})
    log.close()
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["name"] for line in lines[:-1]] == names[: len(lines) - 1]
    found, broken = read_logs(folder)
    assert (found["after"]["state"], broken) == ("started", 0)


def test_the_last_record_counts_in_all_logs(tmp_path: Path) -> None:
    for shard, state in ((WHOLE, "started"), (Shard(1, 2), "failed"), (Shard(2, 2), "done")):
        log = Log(tmp_path / shard.log_name)
        log.write({"state": state, "name": "a"})
        log.close()
    with (tmp_path / "batch.jsonl").open("ab") as stream:
        stream.write(b'not JSON\n{"run": {}}\n{"name": "b", "sta')
    found, broken = read_logs(tmp_path)
    assert (found["a"]["state"], set(found), broken) == ("done", {"a"}, 2)


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "batch.jsonl")
    log.write({"state": "done", "name": "a\udcff"})
    log.close()
    assert set(read_logs(tmp_path)[0]) == {"a\udcff"}


def test_one_batch_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path, WHOLE), pytest.raises(InputError, match="another batch is running there"):
        locked(tmp_path, WHOLE).__enter__()
    with locked(tmp_path, Shard(1, 2)), locked(tmp_path, Shard(2, 2)):
        for other in (WHOLE, Shard(1, 3)):
            with pytest.raises(InputError, match="a batch of other shards is running there"):
                locked(tmp_path, other).__enter__()
    with locked(tmp_path, WHOLE):
        pass


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_bad_shards(text: str) -> None:
    with pytest.raises(InputError, match="--shard"):
        parse_shard(text)


def test_a_shard() -> None:
    assert parse_shard("2/5") == Shard(2, 5)
