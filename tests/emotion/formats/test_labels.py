"""Segments through the formats of audio editors and spreadsheets."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats import labels as f
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.emotion.formats.labels import segments_from_rttm, segments_to_rttm
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, Segment
from sedtalker.errors import InputError
from sedtalker.reading import textgrid_tiers

of_textgrid = partial(f.segments_of_tiers, textgrid_tiers, name="TextGrid")


def of_table(text: str, name: str = "table") -> list[Segment]:
    return sorted((segment for segment, _ in f.rows_from_csv(text, name)), key=lambda s: s.start)


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


@settings(max_examples=40)
@given(SPANS)
def test_every_format_keeps_segments(parts):
    segments = made(parts)
    for back in (
        of_table(f.segments_to_csv(segments)),
        f.segments_from_audacity(f.segments_to_audacity(segments)),
        of_textgrid(f.segments_to_textgrid(segments, segments[-1].end + 1.0)),
    ):
        assert [s.label for s in back] == [s.label for s in segments]
        for a, b in zip(segments, back, strict=True):
            assert [a.start, a.end, a.intensity] == pytest.approx([b.start, b.end, b.intensity], abs=6e-4)


NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True)


@settings(max_examples=40)
@given(SPANS, NAMES, st.integers(0, 10_000))
def test_a_table_keeps_the_means_of_further_curves(parts, names, seed):
    segments = made(parts)
    rng = np.random.default_rng(seed)
    names = [name.replace("\r", "").replace("\n", "").replace("\0", "") + str(k) for k, name in enumerate(names)]
    means = {name: rng.random(len(segments)).tolist() for name in names}
    track = f.track_from_csv(f.segments_to_csv(segments, means), segments[-1].end + 1.0)
    assert list(track.extras) == names
    outside = np.ones(len(track), bool)
    for k, segment in enumerate(segments):
        inside = (track.times > segment.start + 1e-3) & (track.times < segment.end - 1e-3)
        outside &= (track.times < segment.start - 1e-3) | (track.times > segment.end + 1e-3)
        for name in names:
            assert np.allclose(track.extras[name][inside], means[name][k], atol=6e-5)
    assert not any(track.extras[name][outside].any() for name in names)
    head, *rows = f.segments_to_csv(segments, means).rstrip("\n").split("\n")
    other = f.track_from_csv("\n".join([head, *reversed(rows)]), segments[-1].end + 1.0)
    assert all(np.array_equal(other.extras[name], track.extras[name]) for name in names), "rows in any order"


def test_a_table_written_from_a_track_reads_back_as_itself():
    track = densify([Segment(0.0, 2.0, "sad", 0.6, 1.0), Segment(2.0, 5.0, "fear", 0.7, 1.0)], 5.0)
    relief = np.where(track.times < 2.0, 0.25, 0.75).astype(np.float32)
    text = f.track_to_csv(replace(track, extras={"relief": relief, "a, b": 1.0 - relief}))
    assert text.splitlines()[0] == 'start,end,label,intensity,confidence,extras.relief,"extras.a, b"'
    back = f.track_from_csv(text, 5.0)
    assert back.extras["relief"][[10, 200]] == pytest.approx([0.25, 0.75], abs=0.02)
    assert f.track_to_csv(back).splitlines()[1:] != []
    assert f.track_to_csv(track).splitlines()[0] == "start,end,label,intensity,confidence"
    assert f.track_from_csv(f.track_to_csv(track)).extras == {}


@pytest.mark.parametrize("cell", ["much", "1.5", "-0.1", "nan"])
def test_a_further_curve_of_a_table_is_a_number_from_0_to_1(cell):
    with pytest.raises(InputError, match=r"t.csv: line 3: extras.relief must be a number from 0 to 1"):
        f.track_from_csv(f"start,end,label,extras.relief\n0,1,sad,\n1,2,sad,{cell}\n", None, "t.csv")


def test_the_short_textgrid_form_is_read():
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.5\n<exists>\n1\n'
    text = head + '"IntervalTier"\n"emotion"\n0\n2.5\n2\n0\n1.5\n"sad:0.4"\n1.5\n2.5\n""\n'
    assert of_textgrid(text) == [Segment(0.0, 1.5, "sad", 0.4, 1.0)]


def test_words_beside_an_emotion_tier_are_no_error():
    segments = [Segment(0.0, 1.0, "fear", 0.5, 1.0)]
    text = f.segments_to_textgrid(segments, 1.0).replace("size = 1\nitem", "size = 2\nitem")
    words = text[text.index("    item [1]") :].replace('"emotion"', '"words"').replace("fear:0.500", "hello 2 you")
    assert of_textgrid(text + words) == segments


def short_form(long: str) -> str:
    """Praat's short text form: the long one without its names, a value a line."""
    lines = [re.sub(r"^(\s*[a-z]+:? ?[a-z]* = |tiers\? )", "", line).strip() for line in long.splitlines()]
    return "\n".join(line for line in lines if not re.match(r"(item|intervals) \[", line)) + "\n"


@settings(max_examples=30)
@given(SPANS)
def test_the_short_form_says_the_same_as_the_long_one(parts):
    segments = made(parts)
    long = f.segments_to_textgrid(segments, segments[-1].end)
    short = short_form(long)
    assert "xmin" not in short
    assert of_textgrid(short) == of_textgrid(long)


@settings(max_examples=30)
@given(SPANS, st.randoms(use_true_random=False), st.sampled_from(["\n", "\r\n"]))
def test_lines_in_any_order_and_of_any_system(parts, random, ending):
    segments = made(parts)
    for write, read, header in (
        (f.segments_to_csv, of_table, 1),
        (f.segments_to_audacity, f.segments_from_audacity, 0),
        (partial(segments_to_rttm, uri="a"), segments_from_rttm, 0),
    ):
        lines = write(segments).splitlines()
        shuffled = lines[:header] + random.sample(lines[header:], len(lines) - header)
        back = read(ending.join(shuffled) + ending)
        assert [s.label for s in back] == [s.label for s in segments]
        assert [s.start for s in back] == pytest.approx([s.start for s in segments], abs=1e-3)


def test_decimal_commas_of_other_languages():
    expected = [Segment(0.5, 1.25, "happy", 0.8, 1.0)]
    assert of_table("start;end;label;intensity\n0,5;1,25;happy;0,8\n") == expected
    assert f.segments_from_audacity("0,500000\t1,250000\thappy:0,8\n") == expected


def test_praat_writes_utf_16_when_a_tier_is_not_in_ascii(tmp_path):
    text = f.segments_to_textgrid([Segment(0.0, 1.0, "fear", 0.5, 1.0)], 1.0)
    words = text[text.index("    item [1]") :].replace('"emotion"', '"mots"').replace("fear:0.500", 'été ""2""')
    (tmp_path / "a.TextGrid").write_text(text.replace("size = 1\nitem", "size = 2\nitem") + words, encoding="utf-16")
    assert read_track(tmp_path / "a.TextGrid", 1.0).posterior[25].argmax() == CATEGORIES.index("fear")


@pytest.mark.parametrize("label", [UNCERTAIN, *CATEGORIES])
def test_every_label_of_a_segment_is_kept(label):
    segment = [Segment(0.0, 1.0, label, 0.25, 0.5)]
    assert of_table(f.segments_to_csv(segment)) == segment
    assert segments_from_rttm(segments_to_rttm(segment, "x")) == segment
    assert of_textgrid(f.segments_to_textgrid(segment, 1.0))[0].label == label


def test_labels_without_intensity_and_semicolons():
    assert f.segments_from_audacity("0.0\t1.0\thappy\n\\\t100\t200\n")[0].intensity == f.DEFAULT_INTENSITY
    assert of_table("start;end;label\n0;1;angry\n")[0].label == "angry"


@pytest.mark.parametrize(
    ("suffix", "alike", "apart"),
    [*((suffix, 0.97, 0.03) for suffix in ("json", "rttm", "csv", "txt", "TextGrid")), ("keys.json", 0.95, 0.02)],
)
def test_files_of_every_format(tmp_path, suffix, alike, apart):
    track = densify([Segment(0.0, 1.5, "angry", 0.6, 1.0), Segment(1.5, 3.0, "sad", 0.3, 1.0)], 3.0)
    path = tmp_path / f"t.{suffix}"
    write_track(path, track)
    back = read_track(path, 3.0)
    assert len(back) == len(track)
    assert (back.posterior.argmax(1) == track.posterior.argmax(1)).mean() > alike
    assert np.abs(back.intensity - track.intensity).mean() < apart


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (of_table, ""),
        (of_table, "a,b\n1,2\n"),
        (of_table, "start,end,label\n0,x,happy\n"),
        (of_table, "start,end,label\n0,1\n"),
        (of_table, "start,end,label\nnan,1,happy\n"),
        (of_table, "start,end,label,intensity\n0,inf,happy,0.5\n"),
        (f.segments_from_audacity, "hello"),
        (f.segments_from_audacity, "0\t1\tbored\n"),
        (of_textgrid, "hello"),
        (of_textgrid, 'File type = "ooTextFile"\nObject class = "TextGrid"\n'),
        (of_textgrid, 'Object class = "TextGrid"\n"IntervalTier"\n"emotion"\n0\n1\n9\n0\n1\n"sad"\n'),
    ],
)
def test_damaged_text_is_refused(reader, text):
    with pytest.raises(InputError):
        reader(text)


@pytest.mark.parametrize(("row", "name"), [(f.TEXTGRID, "a.TextGrid"), (f.EAF, "a.eaf")])
def test_readers_of_tiers_say_what_they_read(row, name):
    with pytest.raises(InputError, match=f"^{name}: not a"):
        row.read("hello", None, name)


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    for name in ("a.csv", "b.json", "c.xml"):
        with pytest.raises(InputError):
            read_track(tmp_path / name)


def test_an_emotion_tier_behind_others_is_found():
    segments = [Segment(0.0, 1.0, "fear", 0.5, 1.0)]
    text = f.segments_to_textgrid(segments, 1.0)
    head, tier = text[: text.index("    item [1]")], text[text.index("    item [1]") :]
    words = tier.replace('"emotion"', '"words"').replace("fear:0.500", "hello")
    assert of_textgrid(head.replace("size = 1", "size = 2") + words + tier) == segments
    alone = head + words
    with pytest.raises(InputError, match="unknown emotion 'hello'"):
        of_textgrid(alone)


def test_of_tiers_without_that_name_the_first_counts():
    first, second = ([Segment(0.0, 1.0, label, 0.5, 1.0)] for label in ("fear", "sad"))
    text = f.segments_to_textgrid(first, 1.0).replace('"emotion"', '"a"')
    more = f.segments_to_textgrid(second, 1.0).replace('"emotion"', '"b"')
    assert of_textgrid(text + more[more.index("    item [1]") :]) == first


def test_gaps_of_a_textgrid_are_empty_intervals():
    segments = [Segment(0.5, 1.0, "fear", 0.5, 1.0), Segment(1.0, 1.5, "sad", 0.25, 1.0)]
    text = f.segments_to_textgrid(segments, 2.0)
    assert [float(x) for x in re.findall(r"^ {12}xmin = (.*)$", text, re.MULTILINE)] == [0.0, 0.5, 1.0, 1.5]
    assert re.findall(r'text = "(.*)"', text) == ["", "fear:0.500", "sad:0.250", ""]
    assert "intervals: size = 4" in text
    assert re.findall(r"xmax = (\d.*)", text)[:2] == ["2.000000", "2.000000"]
    full = f.segments_to_textgrid([Segment(0.0, 1.0, "fear", 0.5, 1.0)], 1.0)
    assert full.count("text =") == 1
    late = f.segments_to_textgrid(segments, 1.2)
    assert "xmax = 1.500000" in late, "never shorter than its segments"


def test_rttm_columns_by_hand():
    text = segments_to_rttm([Segment(0.5, 1.75, "sad", 0.61, 0.9)], " a  file ")
    assert text == "SPEAKER a_file 1 0.500 1.250 <NA> intensity=0.610 sad 0.900 <NA>\n"
    assert segments_to_rttm([Segment(0.0, 1.0, "sad", 0.5, 1.0)], " ").startswith("SPEAKER audio 1 ")
    eight = "SPEAKER a 1 0 1 <NA> <NA> sad\n"
    assert segments_from_rttm(eight) == [Segment(0.0, 1.0, "sad", 0.7, 1.0)]
    with pytest.raises(InputError, match="line 2 has 7 fields"):
        segments_from_rttm(eight + "SPEAKER a 1 0 1 <NA> sad\n")
    with pytest.raises(InputError, match="line 1: unknown emotion 'bored'"):
        segments_from_rttm(eight.replace("sad", "bored"))
    assert segments_from_rttm(";; nothing\n\n") == []


def test_rttm_times_still_touch_when_they_are_rounded():
    halves = [Segment(0.0, 1.0006, "sad", 0.5, 1.0), Segment(1.0006, 1.2344, "fear", 0.5, 1.0)]
    spans = [line.split()[3:5] for line in segments_to_rttm(halves, "a").splitlines()]
    assert spans == [["0.000", "1.001"], ["1.001", "0.233"]]
    assert segments_from_rttm("SPEAKER a 1 0 1 <NA> 0.25 sad 0.5\n") == [Segment(0.0, 1.0, "sad", 0.25, 0.5)]
    assert segments_from_rttm("SPEAKER a 1 0 1 <NA> <NA> sad <NA>\n") == [Segment(0.0, 1.0, "sad", 0.7, 1.0)]


def test_a_table_may_be_as_long_as_a_file_may_be():
    row = "0,1,happy\n"
    assert len(of_table("start,end,label\n" + row * f.MOST_SEGMENTS)) == f.MOST_SEGMENTS
    with pytest.raises(InputError, match="more than 20000 segments"):
        of_table("start,end,label\n" + row * (f.MOST_SEGMENTS + 1))


def test_a_tier_of_many_intervals_is_read():
    parts = [Segment(0.5 * k, 0.5 * k + 0.25, "sad", 0.5, 1.0) for k in range(40)]
    assert of_textgrid(f.segments_to_textgrid(parts, 20.0)) == parts
    with pytest.raises(InputError, match="not a Praat TextGrid"):
        of_textgrid('Object class = "PitchTier"\n')


def test_lines_of_a_table_are_counted_from_its_header():
    with pytest.raises(InputError, match="line 3: unknown emotion 'bored'"):
        of_table("start,end,label\n0,1,sad\n1,2,bored\n", "a.csv")
    with pytest.raises(InputError, match="line 4: unknown emotion 'bored'"):
        of_table("start,end,label\n0,1,sad\n\n1,2,bored\n", "a.csv")
    with pytest.raises(InputError, match="no column 'end' in its first line"):
        of_table("start;label\n0;sad\n")
    kept = of_table("start,end,label,intensity,confidence\n0,1,sad,0.25,0.5\n1,2,sad,,\n")
    assert [(s.intensity, s.confidence) for s in kept] == [(0.25, 0.5), (0.7, 1.0)]


def test_lines_of_audacity_without_a_label_are_skipped():
    text = "0\t1\tsad:0.5\n\n1\t2\t\n\\\t3\t4\n2\t3\tfear\n"
    assert [s.label for s in f.segments_from_audacity(text)] == ["sad", "fear"]
    with pytest.raises(InputError, match=r"line 2 is not 'start<TAB>end<TAB>label'"):
        f.segments_from_audacity("0\t1\tsad\n0\t1\n")
    assert f.segments_to_audacity([Segment(0.5, 1.25, "sad", 0.5, 1.0)]) == "0.500000\t1.250000\tsad:0.500\n"
