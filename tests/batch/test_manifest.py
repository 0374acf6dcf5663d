"""Manifests: CSV and JSON lines with options of each recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from sedtalker.batch.inputs import find_items, read_manifest
from sedtalker.batch.run import Rules, run_batch
from sedtalker.batch.settings import BatchSettings
from sedtalker.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "anna").mkdir()
    for name in ("anna/a.wav", "anna/b.wav"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sad.json").write_text('[{"start": 0, "end": 1, "label": "sad"}]')
    return tmp_path


def test_csv(folder: Path) -> None:
    table = folder / "clips.csv"
    table.write_text(
        "\ufeffaudio,emotion,intensity,blinks,gain,speaker\n"
        "anna/a.wav,sad.json,,no,brows=1.3;smile=0.7,Anna\n"
        '"anna/b.wav",happy:0.5,1.5,,,\n'
    )
    first, second = read_manifest(table, BatchSettings(intensity=0.7, seed=3), labelled=True)
    assert first.audio == folder / "anna/a.wav"
    assert (first.settings.emotion, first.settings.intensity) == (str(folder / "sad.json"), 0.7)
    assert first.settings.gain == {"brows": 1.3, "smile": 0.7}
    assert (first.settings.blinks, first.settings.seed) == (False, 3)
    assert (first.label, first.speaker) == (None, "Anna")
    assert (second.settings.emotion, second.settings.intensity, second.settings.blinks) == ("happy:0.5", 1.5, True)
    assert second.speaker is None


def test_a_table_of_a_spreadsheet_with_semicolons_and_files(folder: Path) -> None:
    (folder / "clips.csv").write_text('\ufefffile;emotion;gain\r\nanna/a.wav;happy:0.5;"brows=1.3;smile=0.7"\r\n')
    (item,) = read_manifest(folder / "clips.csv", BatchSettings())
    assert (item.name, item.settings.emotion) == ("anna/a", "happy:0.5")
    assert item.settings.gain == {"brows": 1.3, "smile": 0.7}


def test_json_lines(folder: Path) -> None:
    table = folder / "clips.jsonl"
    table.write_text(
        '{"audio": "anna/a.wav", "to": ["usd", "keys"], "video": false, "mesh-head": null}\n\n'
        '{"audio": "anna/a.wav", "output": "sad/a", "emotion": "sad", "label": "sad", "speaker": 31}\n'
    )
    first, second = read_manifest(table, BatchSettings(), labelled=True)
    assert (first.settings.to, first.settings.video) == (("usd", "keys"), False)
    assert (second.name, second.label, second.speaker) == ("sad/a", "sad", "31")
    assert [item.name for item in find_items([table], folder / "out", BatchSettings(), labelled=True)] == [
        *("anna/a", "sad/a"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.csv", "audio,intensty,mood\na.wav,1,x\n", "c.csv:2: --intensty: there is no such option: "),
        ("c.csv", "audio,mood\na.wav,\n", "c.csv:2: --mood: there is no such option"),
        ("c.csv", "audio,fps\n,30\n", "c.csv:2: the column 'audio' names no recording"),
        ("c.csv", "intensity\n1\n", "c.csv:2: the column 'audio' is missing: it names the recording"),
        ("c.csv", "audio,audio\na,b\n", "c.csv:1: a column appears twice"),
        ("c.csv", "audio,fps\nanna/a.wav\n", "c.csv:2: 1 cells, and 2 columns"),
        ("c.csv", "audio\nanna/c.wav\n", "c.csv:2: .*anna/c.wav: no such file"),
        ("c.csv", "audio,fps\nanna/a.wav,500\n", "c.csv:2: --fps: "),
        ("c.csv", "audio,output\nanna/a.wav,../x\n", "must be a folder below"),
        ("c.csv", "audio,output\nanna/a.wav,a\0b\n", "must be a folder below"),
        ("c.csv", 'audio\n"anna', "not CSV"),
        ("c.jsonl", "[1]\n", "c.jsonl:1: not a JSON object"),
        ("c.jsonl", '{"audio": "anna/a.wav"}\n{"audio"\n', "c.jsonl:2: not valid JSON"),
        ("c.jsonl", '{"audio": 3}\n', "c.jsonl:1: the column 'audio' names no recording"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        list(read_manifest(folder / name, BatchSettings()))
    assert "\n" not in str(caught.value)


def test_one_recording_with_two_options_needs_two_places(folder: Path) -> None:
    table = folder / "clips.csv"
    table.write_text("audio,emotion\nanna/a.wav,sad\nanna/a.wav,happy\n")
    with pytest.raises(InputError, match="a column 'output'"):
        run_batch(find_items([table], folder / "out", BatchSettings()), folder / "out", Rules())
