"""The picture of a track is a PNG, the same every time."""

import numpy as np
import pytest

from sedtalker.audio import Audio
from sedtalker.emotion.formats import densify
from sedtalker.emotion.plot import COLOURS, plot_track, write_figure
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, Segment
from sedtalker.errors import InputError


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
