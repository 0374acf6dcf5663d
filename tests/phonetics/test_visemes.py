"""Visemes: sets, recognised phones, and files as other programs read them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.cli.export import VisemeSet
from sedtalker.errors import InputError
from sedtalker.phonetics.aligner import LOG_PRIORS, AlignedPhone, Alignment
from sedtalker.phonetics.visemes import (
    POSES,
    SETS,
    WRITERS,
    VisemeSheet,
    recognise,
    resting,
    visemes,
    write_visemes,
    writer_of,
)
from sedtalker.phonetics.words import read_words
from sedtalker.speech.features import BILABIAL, LABIODENTAL, PHONE_INDEX, PHONES


def alignment_of(phones: list[tuple[str, int]], words: tuple[str, ...] = (), owners: list[int | None] | None = None):
    """Phones with so many frames each."""
    edges = np.concatenate([[0], np.cumsum([count for _, count in phones])]) / 50
    owners = owners or [None] * len(phones)
    spans = zip(phones, edges, edges[1:], owners, strict=False)
    return Alignment(tuple(AlignedPhone(float(a), float(b), p, o) for (p, _), a, b, o in spans), words)


ALIGNMENTS = st.lists(st.tuples(st.sampled_from(PHONES), st.integers(1, 30)), min_size=1, max_size=20).map(alignment_of)
MAP = alignment_of(
    [("SIL", 5), ("M", 4), ("AE", 6), ("P", 3), ("SIL", 7)], ('say "map"',), [None, 0, 0, 0, None]
)  # fmt: skip


@pytest.mark.parametrize(("name", "count"), [("oculus", 15), ("vrm", 6), ("preston-blair", 10), ("rhubarb", 9)])
def test_sets_are_whole(name: str, count: int) -> None:
    assert set(SETS[name]) == set(PHONES)
    assert len(set(SETS[name].values())) == count
    for lips in (BILABIAL, LABIODENTAL):
        assert len({SETS[name][phone] for phone in lips}) == 1


def test_sets_have_the_names_of_the_programs() -> None:
    assert sorted(set(SETS["rhubarb"].values())) == list("ABCDEFGHX")
    assert set(SETS["oculus"].values()) == set(
        ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"]
    )
    assert set(SETS["vrm"].values()) - {resting("vrm")} == set("AIUEO")
    assert set(get_args(VisemeSet)) == set(SETS)


@given(ALIGNMENTS, st.sampled_from(sorted(SETS)))
def test_visemes_cover_the_phones(phones: Alignment, of: str) -> None:
    cues = visemes(phones, of)
    assert cues[0].start == 0.0
    assert cues[-1].end == phones.duration
    assert all(a.end == b.start and a.viseme != b.viseme for a, b in itertools.pairwise(cues))
    for phone in phones.phones:
        (shown,) = [c.viseme for c in cues if c.start <= phone.start and phone.end <= c.end]
        assert shown == SETS[of][phone.phone]


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 60))
def test_recognised_phones_last_at_least_60_ms(seed: int, frames: int) -> None:
    drawn = np.random.default_rng(seed).gamma(0.2, size=(frames, len(PHONES))) + 1e-9
    found = recognise(drawn / drawn.sum(1, keepdims=True)).phones
    assert found[0].start == 0.0
    assert found[-1].end == pytest.approx(frames / 50)
    assert all(a.end == b.start and a.phone != b.phone for a, b in itertools.pairwise(found))
    assert all(p.end - p.start >= 0.06 - 1e-9 for p in found[:-1])


def test_clear_phones_are_recognised_and_flickers_are_not() -> None:
    frames = ["SIL"] * 5 + ["M"] * 4 + ["AA"] * 4 + ["B"] + ["AA"] * 4 + ["P"] * 5
    posteriors = np.full((len(frames), len(PHONES)), 0.05 / 39)
    posteriors[np.arange(len(frames)), [PHONE_INDEX[p] for p in frames]] = 0.95
    found = recognise(posteriors).phones
    assert [p.phone for p in found] == ["SIL", "M", "AA", "P"]
    assert [50 * p.start for p in found] == pytest.approx([0, 5, 9, 18], abs=1.01)
    assert recognise(posteriors[:0]).phones == ()


def test_of_phones_that_are_as_likely_the_one_that_looks_so_is_shown() -> None:
    assert set(POSES) == set(PHONES)
    wide, round_ = PHONE_INDEX["AE"], PHONE_INDEX["UW"]
    priors = np.exp(LOG_PRIORS)
    posteriors = np.full((20, len(PHONES)), 1e-6)
    posteriors[:, [wide, round_]] = priors[[wide, round_]] / priors[[wide, round_]].sum()
    for phone in ("AE", "UW"):
        pose = np.tile(POSES[phone], (20, 1))
        assert [p.phone for p in recognise(posteriors, pose=pose).phones] == [phone]
    sure = np.where(np.arange(len(PHONES)) == wide, 1.0, 1e-6) * np.ones((20, 1))
    assert [p.phone for p in recognise(sure, pose=np.tile(POSES["UW"], (20, 1))).phones] == ["AE"]


def test_tsv_is_that_of_rhubarb(tmp_path: Path) -> None:
    write_visemes(tmp_path / "map.tsv", VisemeSheet(MAP, "rhubarb", duration=0.49))
    assert (tmp_path / "map.tsv").read_bytes() == b"0.00\tX\n0.10\tA\n0.18\tC\n0.30\tA\n0.36\tX\n0.49\tX\n"


def test_json_is_that_of_rhubarb(tmp_path: Path) -> None:
    write_visemes(tmp_path / "map.json", VisemeSheet(MAP, "rhubarb", "map.wav", 0.5))
    held = json.loads((tmp_path / "map.json").read_text())
    assert held["metadata"] == {"soundFile": "map.wav", "duration": 0.5}
    assert held["mouthCues"][:2] == [
        {"start": 0.0, "end": 0.1, "value": "X"}, {"start": 0.1, "end": 0.18, "value": "A"},
    ]  # fmt: skip


@settings(max_examples=25)
@given(ALIGNMENTS, st.sampled_from(sorted(SETS)), st.floats(0.02, 20.0))
def test_tsv_json_xml_and_spine_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, phones: Alignment, of, duration
) -> None:
    folder = tmp_path_factory.mktemp("visemes")
    for name in ("a.tsv", "a.json", "a.xml", "a.spine.json"):
        write_visemes(folder / name, VisemeSheet(phones, of, "a.wav", duration))
    lines = [line.split("\t") for line in (folder / "a.tsv").read_text().splitlines()]
    cues = json.loads((folder / "a.json").read_text())["mouthCues"]
    assert [(float(start), name) for start, name in lines[:-1]] == [(c["start"], c["value"]) for c in cues]
    assert lines[-1] == [f"{duration:.2f}", resting(of)]
    assert cues[-1]["end"] == round(duration, 2)
    assert all(a["end"] == b["start"] for a, b in itertools.pairwise(cues))
    root = ElementTree.parse(folder / "a.xml").getroot()
    assert [(float(c.get("start")), float(c.get("end")), c.text) for c in root.iter("mouthCue")] == [
        (c["start"], c["end"], c["value"]) for c in cues
    ]
    spine = json.loads((folder / "a.spine.json").read_text())
    keys = spine["animations"]["speech"]["slots"]["mouth"]["attachment"]
    assert [(key["time"], key["name"]) for key in keys[:-1]] == [(c["start"], c["value"]) for c in cues]
    assert {key["name"] for key in keys} <= set(spine["skins"][0]["attachments"]["mouth"])


def test_xml_is_that_of_rhubarb(tmp_path: Path) -> None:
    write_visemes(tmp_path / "map.xml", VisemeSheet(alignment_of([("SIL", 5), ("M", 4)]), "rhubarb", "a & b.wav", 0.18))
    assert (
        (tmp_path / "map.xml").read_text()
        == """<?xml version="1.0" encoding="utf-8"?>
<rhubarbResult>
  <metadata>
    <soundFile>a &amp; b.wav</soundFile>
    <duration>0.18</duration>
  </metadata>
  <mouthCues>
    <mouthCue start="0.00" end="0.10">X</mouthCue>
    <mouthCue start="0.10" end="0.18">A</mouthCue>
  </mouthCues>
</rhubarbResult>
"""
    )


def test_moho_counts_frames_from_one(tmp_path: Path) -> None:
    write_visemes(tmp_path / "map.dat", VisemeSheet(MAP, "preston-blair", duration=0.5, fps=24.0))
    said = "MohoSwitch1\n1 rest\n3 MBP\n5 AI\n8 MBP\n10 rest\n13 rest\n"
    assert (tmp_path / "map.dat").read_text() == said


def test_textgrid_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "map.TextGrid"
    write_visemes(path, VisemeSheet(MAP, duration=0.5))
    (word,) = read_words(path.read_bytes(), path.name)
    assert (word.start, word.end) == (0.1, 0.36)
    text = path.read_text()
    assert [text.count(f'name = "{tier}"') for tier in ("words", "phones", "visemes")] == [1, 1, 1]
    assert '"say ""map"""' in text
    write_visemes(path, VisemeSheet(alignment_of([("B", 5)])))
    assert "size = 2" in path.read_text()


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"visemes are written as \.tsv, \.json, \.xml, \.dat, \.spine"):
        writer_of(tmp_path / "a.csv", "oculus")
    with pytest.raises(InputError, match="'disney' is no set of visemes: use one of oculus"):
        visemes(MAP, "disney")
    assert all(suffix == suffix.lower() for suffix in WRITERS)
