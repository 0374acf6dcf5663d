"""The picture of a track is a PNG, the same every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from sedtalker.audio import Audio
from sedtalker.emotion.formats import densify
from sedtalker.emotion.plot import COLOURS, plot_track, write_figure
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, Prediction, Segment
from sedtalker.errors import InputError
from tests.support.talk import talk


def test_plot_is_written_whole_and_the_same_twice(tmp_path):
    audio = Audio(0.3 * np.sin(np.arange(40_000) / 30).astype(np.float32))
    track = densify([Segment(0.0, 1.2, "happy", 0.8, 0.9), Segment(1.2, 2.5, "sad", 0.5, 0.7)], audio.duration)
    for name in ("a.png", "b.png"):
        plot_track(audio, track, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["p.xyz", "p", "p.svg"])
def test_another_ending_is_refused_in_one_line(tmp_path, name):
    with pytest.raises(InputError, match=r"plots are written as \.png"):
        write_figure(None, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_every_category_has_its_colour():
    assert set(COLOURS) == {*CATEGORIES, UNCERTAIN}
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.fixture
def drawn(monkeypatch):
    """The figure of a track, before it is written."""
    caught = []
    monkeypatch.setattr("sedtalker.emotion.plot.write_figure", lambda figure, path: caught.append(figure))

    def draw(track, audio=None):
        plot_track(audio, track, Path("a.png"))
        return caught[-1].axes

    return draw


TRACK = densify([Segment(0.0, 3.9, "happy", 0.8, 0.9), Segment(3.9, 20.0, "sad", 0.5, 0.7)], 20.0)


def test_segments_lie_over_the_sound_in_their_colours(drawn):
    samples = np.zeros(20 * 16_000, np.float32)
    samples[8000], samples[16_000] = 0.5, -0.25
    axis = drawn(TRACK, Audio(samples))[0]
    spans = [(p.get_x(), p.get_x() + p.get_width(), p.get_facecolor()) for p in axis.patches]
    found = TRACK.segments()
    assert [s[:2] for s in spans] == [pytest.approx((s.start, s.end)) for s in found]
    assert [s[2] for s in spans] == [to_rgba(COLOURS[s.label], 0.45) for s in found]
    words = [(t.get_text(), t.get_position()[0]) for t in axis.texts]
    assert words[0] == (f"happy\n{found[0].intensity:.2f}", pytest.approx(0.5 * found[0].end))
    assert words[1][1] == pytest.approx(0.5 * (found[1].start + 20.0))
    (wave,) = axis.collections
    low, high = wave.get_datalim(axis.transData).intervaly
    assert (low, high) == (pytest.approx(-0.5), pytest.approx(1.0)), "as loud as the picture is high"
    edges = wave.get_paths()[0].vertices
    assert edges[edges[:, 1] > 0.9, 0].min() == pytest.approx(0.5, abs=0.01)
    assert axis.get_ylim() == (-1.05, 1.65)


def test_short_segments_have_no_room_for_a_word(drawn):
    track = densify([Segment(0.0, 19.4, "happy", 0.8, 0.9), Segment(19.4, 20.0, "sad", 0.5, 0.7)], 20.0)
    assert [t.get_text().split("\n")[0] for t in drawn(track)[0].texts] == ["happy"]
    wide = densify([Segment(0.0, 19.0, "happy", 0.8, 0.9), Segment(19.0, 20.0, "sad", 0.5, 0.7)], 20.0)
    assert len(drawn(wide)[0].texts) == 2


def test_an_uncertain_segment_is_hatched(drawn):
    axis = drawn(TRACK.confident(0.8))[0]
    assert [p.get_hatch() for p in axis.patches] == [None, None, "///"]
    assert axis.texts[1].get_text().startswith(UNCERTAIN)


def test_posteriors_are_stacked_and_curves_drawn_as_they_are(drawn):
    track = replace(TRACK, speech=TRACK.times < 5.0)
    _, ribbons, strength, plane = drawn(track)
    assert [c.get_facecolor()[0].tolist() for c in ribbons.collections] == [
        list(to_rgba(COLOURS[n])) for n in CATEGORIES
    ]
    assert ribbons.get_legend() is not None
    for axis, low in ((ribbons, 0.0), (strength, 0.0), (plane, -1.0)):
        assert axis.get_ylim() == (low, 1.0)
    np.testing.assert_array_equal(strength.lines[0].get_xydata(), np.column_stack([track.times, track.intensity]))
    np.testing.assert_array_equal(plane.lines[1].get_ydata(), track.valence)
    np.testing.assert_array_equal(plane.lines[2].get_ydata(), track.arousal)
    assert [t.get_text() for t in strength.texts] == ["speech"]
    spoken = strength.collections[1].get_datalim(strength.transData)
    assert (spoken.x0, spoken.x1, spoken.y1) == (pytest.approx(0.01), pytest.approx(5.0, abs=0.03), 0.035)
    assert not drawn(TRACK)[2].texts, "nobody knows where somebody speaks"


def test_the_posterior_is_the_predicted_one_where_there_is_one(drawn):
    rng = np.random.default_rng(0)
    posterior = rng.dirichlet(np.ones(len(CATEGORIES)), len(TRACK)).astype(np.float32)
    predicted = replace(TRACK, predicted=Prediction(posterior, TRACK.intensity))
    for track, source in ((predicted, "predicted"), (replace(TRACK, predicted=None), "given")):
        ribbons = drawn(track)[1]
        tops = [band.get_paths()[0].vertices[1 : len(track) + 1, 1] for band in ribbons.collections]
        np.testing.assert_allclose(tops[1] - tops[0], track.recognised[:, 0], atol=1e-6)
        assert ribbons.get_legend().get_title().get_text() == source


@pytest.mark.parametrize(("seconds", "inches"), [(2.0, 10.0), (20.0, 24.0), (90.0, 40.0)])
def test_long_recordings_have_wide_pictures(drawn, seconds, inches):
    track = densify([Segment(0.0, 1.0, "happy", 0.8, 0.9)], seconds)
    axes = drawn(track)
    assert axes[0].figure.get_size_inches().tolist() == [inches, 7.2]
    assert axes[3].get_xlim() == (0.0, seconds)
    assert not axes[0].spines["top"].get_visible()


def test_an_hour_has_minutes_below_it_and_a_curve_that_is_no_blot(drawn):
    last, short = drawn(densify([Segment(0.0, 1.0, "happy", 0.8, 0.9)], 3600.0)), drawn(TRACK)
    assert (last[3].get_xlabel(), short[3].get_xlabel()) == ("time (min)", "time (s)")
    last[0].figure.canvas.draw()
    assert [tick.get_text() for tick in last[3].get_xticklabels()][1:4] == ["0", "2", "4"]
    assert last[2].lines[0].get_linewidth() < short[2].lines[0].get_linewidth()


@pytest.mark.parametrize(("seconds", "width"), [(2.0, 1100), (20.0, 2640), (100.0, 4400)])
def test_a_second_is_132_pixels_wide_in_a_picture_of_1100_to_4400(drawn, seconds, width):
    axes = drawn(densify([Segment(0.0, seconds, "happy", 0.8, 0.9)], seconds))
    figure = axes[0].figure
    assert [round(inches * figure.dpi) for inches in figure.get_size_inches()] == [width, 792]
    assert all(axis.get_xlim() == (0.0, seconds) for axis in axes), "one time for all"


def test_a_moment_has_some_width_and_silence_is_a_line(drawn):
    moment = densify([Segment(0.0, 0.02, "happy", 0.8, 0.9)], 0.02)
    axes = drawn(moment, Audio(np.zeros(320, np.float32)))
    assert axes[3].get_xlim() == (0.0, 0.1)
    edges = axes[0].collections[0].get_paths()[0].vertices
    assert not edges[:, 1].any(), "numbers, and zero"


def test_the_last_sample_is_drawn_at_the_end(drawn):
    samples = np.zeros(20 * 16_000, np.float32)
    samples[-1] = 0.5
    edges = drawn(TRACK, Audio(samples))[0].collections[0].get_paths()[0].vertices
    assert edges[edges[:, 1] > 0.9, 0].max() == pytest.approx(20.0, abs=0.01)


def test_words_and_legends_cover_no_curve(drawn):
    axes = drawn(replace(TRACK, speech=TRACK.times < 5.0), Audio(np.ones(320_000, np.float32)))
    figure = axes[0].figure
    figure.canvas.draw()
    for word in axes[0].texts:
        low, high = axes[0].transData.inverted().transform(word.get_window_extent())[:, 1]
        assert 1.0 < low < high < 1.65, "above the sound, and inside"
    heights = np.array([axis.get_window_extent().height for axis in axes])
    np.testing.assert_allclose(heights / heights[3], [1.5, 1.5, 1.0, 1.0], rtol=0.05)
    right = axes[1].get_window_extent().x1
    beside = [axes[1].get_legend(), axes[3].get_legend(), axes[2].texts[0]]
    for shown, axis in zip(beside, (axes[1], axes[3], axes[2]), strict=True):
        extent, frame = shown.get_window_extent(), axis.get_window_extent()
        assert right <= extent.x0 < right + 40
        assert frame.y0 - 20 < extent.y0 < extent.y1 < frame.y1 + 20
    for axis in (axes[1], axes[3]):
        frame, extent = axis.get_window_extent(), axis.get_legend().get_window_extent()
        assert extent.y0 + extent.y1 == pytest.approx(frame.y0 + frame.y1, abs=2.0), "in the middle"
    assert not any(axis.spines[side].get_visible() for axis in axes for side in ("top", "right"))
    assert not axes[0].get_yticks().size
    (marks,) = axes[2].collections[1:]
    low, high = marks.get_datalim(axes[2].transData).intervaly
    assert (low, high < 0.1) == (0.0, True), "where somebody speaks, at the foot of the picture"
    assert marks.get_datalim(axes[2].transData).intervalx.tolist() == pytest.approx([0.01, 4.99], abs=0.02)
    assert axes[3].lines[0].get_ydata() == [0.0, 0.0]


def test_the_highest_of_the_finer_kinds_are_drawn(drawn):
    curves = {f"k{k}": np.full(len(TRACK), 0.1 * k, np.float32) for k in range(9)}
    axes = drawn(replace(TRACK, extras=curves))
    assert len(axes) == len(drawn(TRACK)) + 1
    assert [line.get_label() for line in axes[-1].get_lines()] == [f"k{k}" for k in (8, 7, 6, 5, 4, 3)]


def test_a_name_with_signs_of_formulas_is_drawn_as_it_is(tmp_path):
    curves = {r"$\frac$": np.full(len(TRACK), 0.5, np.float32)}
    plot_track(None, replace(TRACK, extras=curves), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_conversation_has_three_panels_for_each_speaker(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("sedtalker.emotion.plot.write_figure", lambda figure, path: figures.append(figure))
    talk().plot(tmp_path / "talk.png")
    (figure,) = figures
    assert len(figure.axes) == 1 + 3 * 2
    assert [axis.get_title(loc="left") for axis in figure.axes[1::3]] == ["ann", "bob"]
    bars = [line.get_xdata().tolist() for line in figure.axes[1].lines]
    assert bars == [[0.5, 3.0], [5.5, 7.5]]
    assert {text.get_text().split("\n")[0] for text in figure.axes[4].texts} >= {"sad"}
    assert [text.get_text() for text in figure.legends[0].texts] == list(reversed(CATEGORIES))


def test_the_picture_of_a_conversation_is_the_same_twice(tmp_path):
    for name in ("a.png", "b.png"):
        talk().plot(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
