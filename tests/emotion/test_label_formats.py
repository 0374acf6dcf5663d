"""Segments through the formats of audio editors and spreadsheets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion import label_formats as f
from sedtalker.emotion.densify import densify
from sedtalker.emotion.files import read_track, write_track
from sedtalker.emotion.track import CATEGORIES, Segment
from sedtalker.errors import InputError

SPANS = st.lists(
    st.tuples(st.integers(0, 900), st.integers(1, 5000), st.sampled_from(CATEGORIES), st.integers(0, 1000)),
    min_size=1,
    max_size=8,
)


def made(parts) -> list[Segment]:
    segments, time = [], 0.0
    for gap, length, label, intensity in parts:
        start = time + gap / 1000
        time = start + length / 1000
        segments.append(Segment(start, time, label, intensity / 1000, 1.0))
    return segments


@settings(max_examples=40, deadline=None)
@given(SPANS)
def test_every_format_keeps_segments(parts):
    segments = made(parts)
    for back in (
        f.segments_from_csv(f.segments_to_csv(segments)),
        f.segments_from_audacity(f.segments_to_audacity(segments)),
        f.segments_from_textgrid(f.segments_to_textgrid(segments, segments[-1].end + 1.0)),
    ):
        assert [s.label for s in back] == [s.label for s in segments]
        for a, b in zip(segments, back, strict=True):
            assert [a.start, a.end, a.intensity] == pytest.approx([b.start, b.end, b.intensity], abs=6e-4)


def test_the_short_textgrid_form_is_read():
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.5\n<exists>\n1\n'
    text = head + '"IntervalTier"\n"emotion"\n0\n2.5\n2\n0\n1.5\n"sad:0.4"\n1.5\n2.5\n""\n'
    assert f.segments_from_textgrid(text) == [Segment(0.0, 1.5, "sad", 0.4, 1.0)]


def test_words_beside_an_emotion_tier_are_no_error():
    segments = [Segment(0.0, 1.0, "fear", 0.5, 1.0)]
    text = f.segments_to_textgrid(segments, 1.0).replace("size = 1\nitem", "size = 2\nitem")
    words = text[text.index("    item [1]") :].replace('"emotion"', '"words"').replace("fear:0.500", "hello 2 you")
    assert f.segments_from_textgrid(text + words) == segments


def test_labels_without_intensity_and_semicolons():
    assert f.segments_from_audacity("0.0\t1.0\thappy\n\\\t100\t200\n")[0].intensity == f.DEFAULT_INTENSITY
    assert f.segments_from_csv("start;end;label\n0;1;angry\n")[0].label == "angry"


@pytest.mark.parametrize("suffix", ["json", "rttm", "csv", "txt", "TextGrid"])
def test_files_of_every_format(tmp_path, suffix):
    track = densify([Segment(0.0, 1.5, "angry", 0.6, 1.0), Segment(1.5, 3.0, "sad", 0.3, 1.0)], 3.0)
    path = tmp_path / f"t.{suffix}"
    write_track(path, track)
    back = read_track(path, 3.0)
    assert len(back) == len(track)
    assert (back.posterior.argmax(1) == track.posterior.argmax(1)).mean() > 0.97
    assert np.abs(back.intensity - track.intensity).mean() < 0.03


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (f.segments_from_csv, ""),
        (f.segments_from_csv, "a,b\n1,2\n"),
        (f.segments_from_csv, "start,end,label\n0,x,happy\n"),
        (f.segments_from_csv, "start,end,label\n0,1\n"),
        (f.segments_from_audacity, "hello"),
        (f.segments_from_audacity, "0\t1\tbored\n"),
        (f.segments_from_textgrid, "hello"),
        (f.segments_from_textgrid, 'File type = "ooTextFile"\nObject class = "TextGrid"\n'),
        (f.segments_from_textgrid, 'Object class = "TextGrid"\n"IntervalTier"\n"emotion"\n0\n1\n9\n0\n1\n"sad"\n'),
    ],
)
def test_damaged_text_is_refused(reader, text):
    with pytest.raises(InputError):
        reader(text)


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("a.csv", "b.json", "c.xml"):
        with pytest.raises(InputError):
            read_track(tmp_path / name)
