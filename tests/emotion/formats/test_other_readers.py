"""Tracks as ELAN's annotations, subtitles and RTTM, read by other people's packages: pympi-ling and pyannote."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.conversation import conversation_to_rttm
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.emotion.formats.labels import segments_from_rttm, segments_from_subtitles, segments_of_tiers
from sedtalker.emotion.track import Segment
from sedtalker.errors import InputError
from sedtalker.reading import eaf, eaf_tiers
from sedtalker.speakers.turns import turns_from_rttm, turns_to_rttm
from tests.support.talk import talk

SPANS = [Segment(0.0, 2.0, "sad", 0.6, 1.0), Segment(2.0, 5.0, "fear", 0.7, 1.0)]


@pytest.mark.parametrize("suffix", [".eaf", ".srt", ".vtt"])
def test_a_track_comes_back(suffix: str, tmp_path: Path) -> None:
    track = densify(SPANS, 5.0)
    write_track(tmp_path / f"a{suffix}", track)
    back = read_track(tmp_path / f"a{suffix}", 5.0).segments()
    assert [s.label for s in back] == [s.label for s in track.segments()]
    for a, b in zip(back, track.segments(), strict=True):
        assert [a.start, a.end, a.intensity] == pytest.approx([b.start, b.end, b.intensity], abs=0.03)


def test_pympi_reads_tracks_and_conversations(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    track = densify(SPANS, 5.0)
    write_track(tmp_path / "a.eaf", track)
    found = elan.Eaf(str(tmp_path / "a.eaf")).get_annotation_data_for_tier("emotion")
    assert sorted(found) == [
        (round(1000 * s.start), round(1000 * s.end), f"{s.label}:{s.intensity:.3f}") for s in track.segments()
    ]
    made = talk().renamed({"ann": "Ann & Co"})
    made.save(tmp_path / "talk.eaf")
    read = elan.Eaf(str(tmp_path / "talk.eaf"))
    assert list(read.get_tier_names()) == list(made.names)
    assert read.get_parameters_for_tier("Ann & Co")["PARTICIPANT"] == "Ann & Co"
    for who in made.names:
        assert len(read.get_annotation_data_for_tier(who)) == sum(name == who for name, _ in made.segments())


def test_what_pympi_writes_is_read(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    made = elan.Eaf(author="")
    for tier in ("words", "emotion"):
        made.add_tier(tier)
    made.add_annotation("words", 0, 900, "hello & goodbye")
    made.add_annotation("emotion", 250, 1250, "happy:0.9")
    made.add_annotation("emotion", 1250, 2000, "sad")
    made.to_file(str(tmp_path / "a.eaf"))
    assert segments_of_tiers(eaf_tiers, (tmp_path / "a.eaf").read_text(encoding="utf-8"), "a.eaf") == [
        Segment(0.25, 1.25, "happy", 0.9, 1.0),
        Segment(1.25, 2.0, "sad", 0.7, 1.0),
    ]


def test_an_eaf_in_utf_16_is_read(tmp_path: Path) -> None:
    text = eaf({"emotion": [(0.0, 1.0, "happy:0.9")]}).replace("UTF-8", "UTF-16")
    (tmp_path / "a.eaf").write_text(text, encoding="utf-16")
    assert read_track(tmp_path / "a.eaf").segments()[0].label == "happy"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an EAF of ELAN, or damaged"),
        ("<a/>", "not an EAF of ELAN, or damaged"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><ANNOTATION_DOCUMENT/>", "not an EAF of ELAN, or damaged"),
        ("<ANNOTATION_DOCUMENT><TIER/></ANNOTATION_DOCUMENT>", "not an EAF of ELAN, or damaged"),
        ("<ANNOTATION_DOCUMENT/>", "no interval tier with emotions in it"),
    ],
)
def test_what_is_no_eaf_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.eaf: ({said})"):
        segments_of_tiers(eaf_tiers, text, "a.eaf")


def test_a_cue_begins_with_an_emotion() -> None:
    text = "1\n00:00:00,500 --> 00:00:01,000\nhappy:0.9 I am glad\n\n2\n00:00:01,000 --> 00:00:02,000\nhello\n\n"
    assert segments_from_subtitles(text) == [Segment(0.5, 1.0, "happy", 0.9, 1.0)]
    with pytest.raises(InputError, match=r"a\.srt: no cue begins with an emotion"):
        segments_from_subtitles(text.replace("happy", "glad"), "a.srt")
    with pytest.raises(InputError, match=r"a\.srt: cue at 0\.5 s: a time or the intensity is no number"):
        segments_from_subtitles(text.replace("0.9", "x"), "a.srt")


def test_pyannote_reads_our_rttm_and_we_read_its(tmp_path: Path) -> None:
    core = pytest.importorskip("pyannote.core", reason="pyannote.core is not installed")
    database = pytest.importorskip("pyannote.database.util", reason="pyannote.database is not installed")
    turns = talk().turns
    (tmp_path / "a.rttm").write_text(turns_to_rttm(turns, "a talk"), encoding="utf-8")
    (read,) = database.load_rttm(tmp_path / "a.rttm").values()
    found = [(span.start, span.end, who) for span, _, who in read.itertracks(yield_label=True)]
    assert sorted(found) == sorted(map(tuple, turns.turns))
    stream = StringIO()
    read.write_rttm(stream)
    assert turns_from_rttm(stream.getvalue(), turns.duration).turns == turns.turns

    (tmp_path / "b.rttm").write_text(conversation_to_rttm(talk(), "talk"), encoding="utf-8")
    spoken = database.load_rttm(tmp_path / "b.rttm")["talk"]
    assert set(spoken.labels()) == set(talk().names)
    for who in talk().names:
        assert spoken.label_timeline(who).duration() == pytest.approx(talk().turns.seconds(who), abs=1e-2)

    write_track(tmp_path / "c.rttm", densify(SPANS, 5.0))
    emotions = database.load_rttm(tmp_path / "c.rttm")["c"]
    assert sorted(emotions.labels()) == sorted({s.label for s in read_track(tmp_path / "c.rttm").segments()})
    labelled = core.Annotation(uri="c")
    labelled[core.Segment(0.5, 1.75)] = "happy"
    assert segments_from_rttm(labelled.to_rttm()) == [Segment(0.5, 1.75, "happy", 0.7, 1.0)]
