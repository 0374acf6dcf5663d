"""Segments cover the clip, an unedited document is its base, and edits say what they change."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.errors import InputError
from sedtalker.studio.document import (
    SHORTEST,
    Base,
    IntensitySpan,
    Span,
    as_plain,
    changed,
    checked_settings,
    from_plain,
)
from sedtalker.studio.edits import History, parse_edit
from tests.studio.conftest import change, made_track

LAUGHS = (Burst(0.5, 1.1, "laugh", 0.9), Burst(1.9, 2.4, "sigh", 0.8))
BASE = Base(replace(made_track(), bursts=LAUGHS), 4.0)

seconds = st.floats(-0.5, 4.5, allow_nan=False)
index = st.integers(0, 6)
points = st.lists(
    st.tuples(st.floats(0.0, 4.0), st.floats(0.0, 1.0)), min_size=2, max_size=6, unique_by=lambda point: point[0]
).map(sorted)
edits = st.one_of(
    st.builds(lambda t: {"op": "split", "t": t}, seconds),
    st.builds(lambda i: {"op": "merge", "index": i}, index),
    st.builds(lambda i, t: {"op": "move_edge", "index": i, "t": t}, index, seconds),
    st.builds(lambda i, d: {"op": "move_segment", "index": i, "delta": d}, index, st.floats(-3.0, 3.0)),
    st.builds(lambda i, label: {"op": "relabel", "index": i, "label": label}, index, st.sampled_from(CATEGORIES)),
    st.builds(lambda p: {"op": "set_intensity", "points": p}, points),
    st.builds(lambda i: {"op": "remove_burst", "index": i}, st.integers(0, 2)),
    st.builds(lambda i: {"op": "reset", "index": i}, st.none() | index),
    st.builds(lambda x: {"op": "settings", "intensity": x}, st.floats(0.0, 3.0)),
)


def edited(values: list[dict]) -> History:
    """The history of some edits; those that cannot be done are left out, and change nothing."""
    history = History(BASE.document())
    for value in values:
        before = (history.present, list(history.past))
        try:
            change(history, BASE, parse_edit(value))
        except InputError:
            assert before == (history.present, history.past)
    return history


@settings(max_examples=200)
@given(st.lists(edits, max_size=12))
def test_segments_always_cover_the_clip(values):
    document = edited(values).present
    assert document.segments[0].start == 0.0
    assert document.segments[-1].end == 4.0
    assert all(a.end == b.start for a, b in pairwise(document.segments))
    assert all(s.end - s.start >= SHORTEST - 1e-9 and s.label in CATEGORIES for s in document.segments)
    assert all(a.end <= b.start for a, b in pairwise(document.intensity))
    assert all(a[0] < b[0] for span in document.intensity for a, b in pairwise(span.points))


@settings(max_examples=200)
@given(st.lists(edits, max_size=10))
def test_undo_takes_back_every_edit_and_redo_brings_it_again(values):
    history = edited(values)
    last, steps = history.present, len(history.past)
    for _ in range(steps):
        history.undo()
    assert history.present == BASE.document()
    history.undo()
    assert history.present == BASE.document()
    for _ in range(steps):
        history.redo()
    assert history.present == last


@settings(max_examples=150)
@given(st.lists(edits, max_size=8), edits)
def test_changed_names_every_frame_that_differs(values, one):
    history = edited(values)
    before = history.present
    try:
        change(history, BASE, parse_edit(one))
    except InputError:
        return
    after = history.present
    old, new = BASE.render(before), BASE.render(after)
    touched = changed(before, after, LAUGHS)
    differs = (old.posterior != new.posterior).any(axis=1) | (old.intensity != new.intensity)
    if touched is None:
        assert not differs.any()
        assert old.bursts == new.bursts
    else:
        for burst in {*old.bursts} ^ {*new.bursts}:
            assert touched[0] <= burst.start < burst.end <= touched[1]
        outside = (BASE.track.times < touched[0]) | (BASE.track.times > touched[1])
        assert not (differs & outside).any()


@settings(max_examples=100)
@given(st.lists(edits, max_size=8))
def test_a_document_survives_its_plain_form(values):
    document = edited(values).present
    assert from_plain(as_plain(document), 4.0) == document


@settings(max_examples=100)
@given(st.lists(edits, max_size=8))
def test_a_rendered_track_is_a_track(values):
    document = replace(edited(values).present, settings=BASE.document().settings)
    track = BASE.render(document)
    assert np.allclose(track.posterior.sum(axis=1), 1.0, atol=1e-3)
    assert track.intensity.min() >= 0.0
    assert track.intensity.max() <= 1.0
    labels = document.labels_at(track.times)
    relabelled = labels != BASE.labels
    assert (track.posterior[relabelled].argmax(axis=1) == labels[relabelled]).all()
    assert (track.posterior[relabelled].max(axis=1) == 1.0).all()
    assert (track.posterior[~relabelled] == BASE.track.posterior[~relabelled]).all()


def test_an_unedited_document_renders_the_base_itself():
    assert BASE.render(BASE.document()) is BASE.track
    split = edited([{"op": "split", "t": 0.4}, {"op": "split", "t": 2.2}]).present
    assert len(split.segments) == len(BASE.segments) + 2
    assert BASE.render(split) is BASE.track
    assert changed(BASE.document(), split) is None


def test_relabelling_makes_a_label_certain_and_follows_with_valence_and_arousal():
    document = edited([{"op": "relabel", "index": 1, "label": "surprise"}]).present
    track = BASE.render(document)
    inside = (track.times >= 1.0) & (track.times < 2.0)
    assert (track.posterior[inside, CATEGORIES.index("surprise")] == 1.0).all()
    valence, arousal = valence_arousal(track.posterior, track.intensity)
    assert (track.valence[inside] == valence[inside]).all()
    assert (track.arousal[inside] == arousal[inside]).all()
    assert (track.valence[~inside] == BASE.track.valence[~inside]).all()


def test_what_leaves_neutral_gets_an_intensity_and_what_becomes_neutral_loses_it():
    quiet = Base(replace(made_track(), intensity=np.full(200, 0.1, np.float32)), 4.0)
    history = History(quiet.document())
    change(history, quiet, parse_edit({"op": "relabel", "index": 0, "label": "happy"}))
    track = quiet.render(history.present)
    assert track.intensity[25] == pytest.approx(0.6)
    assert track.intensity[0] < 0.2  # eased in
    assert (track.intensity[51:] == np.float32(0.1)).all()
    change(history, quiet, parse_edit({"op": "relabel", "index": 1, "label": "neutral"}))
    assert quiet.render(history.present).intensity[60:90].max() == 0.0
    change(history, quiet, parse_edit({"op": "relabel", "index": 0, "label": "neutral"}))
    assert (quiet.render(history.present).intensity[:45] == np.float32(0.1)).all()  # its own again


def test_a_segment_that_is_drawn_longer_has_no_notch_where_it_ended():
    quiet = Base(replace(made_track(), intensity=np.full(200, 0.1, np.float32)), 4.0)
    start = quiet.document()
    neutral = replace(start, segments=(Span(0.0, 1.0, "neutral"), Span(1.0, 2.0, "neutral"), Span(2.0, 4.0, "neutral")))
    history = History(neutral)
    change(history, quiet, parse_edit({"op": "relabel", "index": 1, "label": "happy"}))
    for edge, t in ((1, 2.8), (1, 3.4), (0, 0.5)):
        change(history, quiet, parse_edit({"op": "move_edge", "index": edge, "t": t}))
    times = quiet.track.times
    shown = quiet.render(history.present).intensity
    assert shown[(times > 0.7) & (times < 3.2)].min() == pytest.approx(0.6)
    assert (shown[(times < 0.5) | (times > 3.4)] == np.float32(0.1)).all()


def test_an_emotion_that_a_person_names_is_no_longer_weak_unless_it_is_drawn_so():
    quiet = Base(replace(made_track(), intensity=np.full(200, 0.2, np.float32)), 4.0)
    history = History(quiet.document())
    change(history, quiet, parse_edit({"op": "relabel", "index": 1, "label": "surprise"}))
    assert quiet.render(history.present).intensity[75] == pytest.approx(0.6)
    history.undo()
    assert quiet.render(history.present).intensity[75] == np.float32(0.2)
    change(history, quiet, parse_edit({"op": "set_intensity", "points": [[1.2, 0.3], [1.8, 0.3]]}))
    change(history, quiet, parse_edit({"op": "relabel", "index": 1, "label": "sad"}))
    assert quiet.render(history.present).intensity[75] == pytest.approx(0.3)
    strong = Base(replace(made_track(), intensity=np.full(200, 0.5, np.float32)), 4.0)
    edited_strong = parse_edit({"op": "relabel", "index": 1, "label": "sad"}).apply(strong, strong.document())
    assert edited_strong.intensity == ()


def test_drawn_intensity_replaces_what_was_drawn_there():
    document = edited(
        [
            {"op": "set_intensity", "points": [[0.0, 0.0], [4.0, 1.0]]},
            {"op": "set_intensity", "points": [[1.0, 0.9], [2.0, 0.9]]},
        ]
    ).present
    assert [(s.start, s.end) for s in document.intensity] == [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)]
    values = BASE.intensity(document)
    assert values[75] == pytest.approx(0.9)
    assert values[25] == pytest.approx(0.51 / 4, abs=1e-6)
    assert values[175] == pytest.approx(3.51 / 4, abs=1e-6)


def test_a_removed_burst_is_gone_until_it_is_undone_or_reset():
    history = edited([{"op": "remove_burst", "index": 0}])
    assert BASE.render(history.present).bursts == LAUGHS[1:]
    assert BASE.render(history.present).posterior is BASE.track.posterior
    with pytest.raises(InputError, match="no vocal burst 0 to remove"):
        change(history, BASE, parse_edit({"op": "remove_burst", "index": 0}))
    history.undo()
    assert BASE.render(history.present).bursts == LAUGHS
    history = edited([{"op": "remove_burst", "index": 1}, {"op": "remove_burst", "index": 0}])
    assert history.present.removed_bursts == (0, 1)
    change(history, BASE, parse_edit({"op": "reset", "index": 0}))  # the first second: the laugh alone is in it
    assert history.present.removed_bursts == (1,)
    change(history, BASE, parse_edit({"op": "reset"}))
    assert history.present == BASE.document()


def test_a_document_without_a_removed_burst_is_written_as_before_there_were_any():
    assert "removed_bursts" not in as_plain(BASE.document())
    assert as_plain(edited([{"op": "remove_burst", "index": 1}]).present)["removed_bursts"] == [1]


def test_merging_keeps_the_label_of_the_longer_and_moves_keep_room():
    history = edited([{"op": "move_edge", "index": 0, "t": 9.0}])
    assert history.present.segments[0].end == pytest.approx(2.0 - SHORTEST)
    change(history, BASE, parse_edit({"op": "merge", "index": 0}))
    assert history.present.segments[0] == Span(0.0, 2.0, "neutral")
    change(history, BASE, parse_edit({"op": "move_segment", "index": 1, "delta": 0.5}))
    assert [s.start for s in history.present.segments] == [0.0, 2.5, 3.5]
    # at the end of the clip: it stays
    change(history, BASE, parse_edit({"op": "move_segment", "index": 0, "delta": 0.5}))
    assert [s.start for s in history.present.segments] == [0.0, 2.5, 3.5]
    change(history, BASE, parse_edit({"op": "reset"}))
    assert history.present.segments == BASE.segments


def test_a_gesture_is_one_step():
    history = History(BASE.document())
    for t in (1.1, 1.2, 1.3, 1.7):
        change(history, BASE, parse_edit({"op": "move_edge", "index": 0, "t": t}), gesture="drag 1")
    assert history.present.segments[0].end == 1.7
    assert len(history.past) == 1
    change(
        history, BASE, parse_edit({"op": "move_edge", "index": 0, "t": 1.0}), gesture="drag 1"
    )  # back at the beginning
    assert history.present == BASE.document()
    assert history.past == []
    change(history, BASE, parse_edit({"op": "settings", "seed": 3}), gesture="seed")
    change(history, BASE, parse_edit({"op": "settings", "seed": 4}), gesture="other")
    assert len(history.past) == 2


def test_an_edit_without_effect_keeps_what_was_undone():
    history = edited([{"op": "relabel", "index": 0, "label": "sad"}])
    history.undo()
    change(history, BASE, parse_edit({"op": "move_segment", "index": 0, "delta": 1.0}))
    history.redo()
    assert history.present.segments[0].label == "sad"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"op": "split", "t": 1.001}, "cannot be split"),
        ({"op": "split", "t": float("nan")}, "finite"),
        ({"op": "merge", "index": 3}, "no segment 4"),
        ({"op": "relabel", "index": 0, "label": "bored"}, "unknown emotion"),
        ({"op": "set_intensity", "points": [[1.0, 0.5]]}, "at least 2"),
        ({"op": "set_intensity", "points": [[1.0, 0.5], [1.0, 0.6]]}, "increasing"),
        ({"op": "set_intensity", "points": [[1.0, 0.5], [2.0, 1.6]]}, "less than or equal"),
        ({"op": "set_intensity", "points": [[1.0, 0.5], [20.0, 0.6]]}, "beyond the end"),
        ({"op": "explode"}, "op"),
        ({}, "op"),
        ({"op": "settings", "fps": 0}, "fps"),
        ({"op": "settings", "loudness": 1}, "loudness"),
        ({"op": "settings", "style": "/etc/passwd.json"}, "from a file"),
        ({"op": "settings", "light": "../../x.json"}, "from a file"),
        ({"op": "settings", "light": "moon"}, "no light 'moon'"),
        ({"op": "settings", "style": "loud"}, "no style 'loud'"),
        ({"op": "settings", "gain": {"chin": 1.2}}, "no region 'chin'"),
    ],
)
def test_edits_that_cannot_be_done_say_why(value, said):
    history = History(BASE.document())
    with pytest.raises(InputError, match=said) as caught:
        change(history, BASE, parse_edit(value))
    assert "\n" not in str(caught.value)
    assert history.present == BASE.document()


def test_settings_are_merged_and_checked():
    history = edited([{"op": "settings", "gain": {"brows": 1.5}}, {"op": "settings", "gain": {"jawOpen": 0.5}}])
    assert history.present.settings.gains.regions == {"brows": 1.5}
    change(history, BASE, parse_edit({"op": "settings", "settings": {"gain": {"brows": 1}, "style": "clear"}}))
    kept = history.present.settings
    assert (kept.gain, kept.style) == ({"jawOpen": 0.5}, "clear")
    assert kept.gains.shapes == {"jawOpen": 0.5}
    change(history, BASE, parse_edit({"op": "settings", "offset": {"lids": 0.1, "lips": 0}, "gain": {}}))
    assert (history.present.settings.gain, history.present.settings.offset) == ({}, {"lids": 0.1})
    assert checked_settings({}) == BASE.document().settings


def test_a_base_fits_the_recording():
    longer = Base(made_track(4.0), 3.1)
    assert longer.segments[-1].end == 3.1
    assert longer.segments[-1].label == "angry"
    with pytest.raises(InputError, match="categories"):
        Base(replace(made_track(), labels=CATEGORIES[::-1]), 4.0)


def test_parts_of_a_drawn_stretch():
    span = IntensitySpan(((1.0, 0.0), (2.0, 1.0), (3.0, 0.0)))
    assert span.part(1.5, 2.5) == IntensitySpan(((1.5, 0.5), (2.0, 1.0), (2.5, 0.5)))
    assert span.part(3.0, 4.0) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["segments"].pop(0),
        lambda d: d["segments"][0].update(end=0.7),
        lambda d: d["segments"][0].update(label="odd"),
        lambda d: d["segments"].clear(),
        lambda d: d.update(intensity=[{"points": [[0, 0], [2, 1]]}, {"points": [[1, 0], [3, 1]]}]),
        lambda d: d["settings"].update(fps="fast"),
        lambda d: d.update(more=1),
    ],
)
def test_a_damaged_document_is_refused(spoil):
    plain = as_plain(BASE.document())
    spoil(plain)
    with pytest.raises(InputError):
        from_plain(plain, 4.0)
