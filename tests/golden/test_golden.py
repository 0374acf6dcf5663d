from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.manifest import differences, made, read_manifest, versions


@pytest.mark.slow
def test_outputs_are_those_of_the_manifest(tmp_path: Path) -> None:
    kept = read_manifest()
    other = {
        name: kept["versions"].get(name) for name, value in versions().items() if kept["versions"].get(name) != value
    }
    if other:
        pytest.skip(f"the manifest was made with {other}")
    lines = differences(kept, made(tmp_path))
    assert not lines, "\n".join(lines)


def test_every_difference_is_named() -> None:
    kept = {"given": {"a": "1", "b": "2"}, "diarizer": {"c": "3"}}
    found = {"given": {"a": "1", "d": "4"}, "diarizer": {"c": "5"}}
    assert differences(kept, found) == ["given: b is gone", "given: d is new", "diarizer: c differs"]
    assert differences(kept, {"given": {"a": "1"}, "diarizer": {}}, only="a") == []
