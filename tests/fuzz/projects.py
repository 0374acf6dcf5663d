# ruff: noqa: E501
"""Readers of batches, projects and what the studio's page sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.errors import InputError
from tests.fuzz import hostile, seeds
from tests.fuzz.target import JSON, TEXT, Target, and_any, option_text, plain_object, texts, written

# --- Batches.


def _manifest(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from sedtalker.batch.inputs import find_items
        from sedtalker.batch.settings import BatchSettings

        written("a.wav", b"RIFF")
        written("b.wav", b"RIFF")
        for item in find_items([written(name, data)], Path("out"), BatchSettings(), labelled=True):
            assert Path("out", item.name).resolve().is_relative_to(Path("out").resolve()), "results elsewhere"

    return read


def _log(data: bytes) -> None:
    from sedtalker.batch.log import read_logs

    folder = Path("logs")
    folder.mkdir(exist_ok=True)
    (folder / "batch.jsonl").write_bytes(data)
    read_logs(folder)


def _log_seed() -> list[bytes]:
    row = {
        "name": "a",
        "audio": "/x/a.wav",
        "time": "2026-01-01T00:00:00",
        "status": "done",
        "seconds": 1.5,
        "results": [],
    }
    return [(json.dumps(row) + "\n").encode() * 2]


# --- Projects and the studio.


def _project(data: bytes) -> None:
    from sedtalker.studio.project import project_text, read_project

    written("a.wav", hostile.wav())
    written("a.obj", seeds.mesh_file("a.obj"))
    project = read_project(written("p.sedproject", data))
    for one in project.everybody:
        one.rendered.segments()
    project_text(project, str)


def _edits(data: bytes) -> None:
    from sedtalker.studio.document import as_plain, from_plain
    from sedtalker.studio.edits import History, parse_edit

    base = _base()
    history = History(base.document())
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("not JSON") from None
    refused: InputError | None = None
    for values in given if isinstance(given, list) else [given]:
        if not isinstance(values, dict):
            continue
        try:
            edit = parse_edit(values)
            history.change(lambda document, edit=edit: edit.apply(base, document), "drag")
        except InputError as error:
            refused = error
    track = base.render(history.present)
    assert np.isfinite(track.posterior).all()
    assert np.isfinite(track.intensity).all()
    from_plain(as_plain(history.present), base.document().duration)
    if refused is not None:
        raise refused


@cache
def _base() -> Any:
    from sedtalker.studio.document import Base
    from tests.studio.conftest import made_track

    return Base(made_track(), 4.0)


def _edit_seeds() -> list[bytes]:
    edits: list[dict[str, Any]] = [
        {"op": "split", "t": 1.5}, {"op": "merge", "index": 1}, {"op": "move_edge", "index": 0, "t": 1.2},
        {"op": "move_segment", "index": 1, "delta": -0.2}, {"op": "relabel", "index": 2, "label": "fear"},
        {"op": "set_intensity", "points": [[0.1, 0.5], [0.9, 1.0], [1.5, 0.0]]}, {"op": "reset", "index": 0}, {"op": "reset"},
        {"op": "settings", "intensity": 1.5, "style": "clear", "gain": {"jawOpen": 1.2}, "seed": 3, "fps": 60},
    ]  # fmt: skip
    return [json.dumps(edits).encode(), *(json.dumps(edit).encode() for edit in edits)]


def _export_request(data: bytes) -> None:
    from sedtalker.studio.exports import parse_request

    parse_request(plain_object(data))


def _upload_name(data: bytes) -> None:
    from sedtalker.storage import plain_name

    name = plain_name(option_text(data), "upload")
    assert name not in ("", ".", ".."), name
    assert "/" not in name
    assert "\\" not in name
    assert len(name.encode("utf-8", "surrogateescape")) <= 255, "a name that is too long for a file"
    Path(name).write_bytes(b"")
    Path(name).unlink()


TARGETS = (
    Target("batch manifest .csv", texts("audio,output,fps,emotion,speaker\na.wav,x/y,25,happy:0.5,ann\nb.wav,,,,\n"), _manifest("m.csv"), TEXT, and_any(hostile.tables)),
    Target("batch manifest .jsonl", texts('{"audio": "a.wav", "fps": 25, "output": "x"}\n{"audio": "b.wav", "gain": ["brows=1"]}\n'), _manifest("m.jsonl"), TEXT, and_any(hostile.json_text)),
    Target("batch log", _log_seed, _log, TEXT, and_any(hostile.json_text), 0.5),
    Target("project", lambda: [seeds.project(), seeds.project(speakers=True)], _project, JSON, and_any(hostile.json_text), 1.5),
    Target("edits of the studio", _edit_seeds, _edits, JSON, and_any(hostile.json_text), 1.5),
    Target("exports of the studio", texts('{"formats": ["glb", "track.csv"], "targets": "all", "size": 512}'), _export_request, JSON, and_any(hostile.json_text), 0.5),
    Target("names of uploads", texts("speech.wav", "../../x.wav", "C:\\a\\b.wav"), _upload_name, TEXT, tuple, 0.3),
)  # fmt: skip
"""These readers."""
