"""Valence and arousal: the ratings, how intensity moves them, and measured ones in their place."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.taxonomy import COORDINATE_TABLES, COORDINATES, project, read_coordinates, valence_arousal
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError


def test_a_full_expression_lies_where_it_was_rated():
    valence, arousal = valence_arousal(np.eye(7), np.ones(7))
    assert np.allclose(np.column_stack([valence, arousal]), [COORDINATES[name] for name in CATEGORIES])
    assert valence[1] > 0 > valence[2]
    assert arousal[3] > 0 > arousal[2], "anger is aroused, sadness is not"


def test_a_hand_computed_blend():
    valence, arousal = valence_arousal(np.array([[0, 0.5, 0.5, 0, 0, 0, 0]]), np.array([0.25]))
    assert valence[0] == pytest.approx(0.5 * (0.81 - 0.63) / 2)
    assert arousal[0] == pytest.approx(0.5 * (0.51 - 0.27) / 2)


@settings(max_examples=50)
@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1))
def test_stronger_is_farther_from_the_origin_in_the_same_direction(seed, weak, strong):
    posterior = np.random.default_rng(seed).dirichlet([0.5] * 7, 1)
    weak, strong = sorted((weak, strong))
    points = [np.concatenate(valence_arousal(posterior, np.array([i]))) for i in (weak, strong)]
    assert np.linalg.norm(points[0]) <= np.linalg.norm(points[1]) + 1e-6
    assert np.abs(points).max() <= 1.0
    assert abs(np.linalg.det(points)) < 1e-6


def test_measured_coordinates_take_the_place_of_ratings(tmp_path):
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({"anger": [-0.9, 0.1], "calm": [0.2, -0.3]}))
    points = read_coordinates(path)
    half = np.full(7, 0.5, np.float32)
    track = EmotionTrack(np.arange(7.0), np.eye(7, dtype=np.float32), half * 2, half, half, duration=7.0)
    valence, arousal = project(track, points).valence, project(track, points).arousal
    assert (valence[3], arousal[3]) == (pytest.approx(-0.9), pytest.approx(0.1))
    assert (valence[0], arousal[0]) == (pytest.approx(0.2), pytest.approx(-0.3))
    assert points["happy"] == COORDINATES["happy"]


def test_tables_by_name_have_every_category():
    for name, table in COORDINATE_TABLES.items():
        assert set(table) == set(CATEGORIES)
        assert read_coordinates(name) is table
        assert table["neutral"] == (0.0, 0.0)
    assert read_coordinates("dietrich2026")["angry"] == (-0.75, 0.75)
    with pytest.raises(InputError, match="russell1977, dietrich2026"):
        read_coordinates("dietrich")


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"happy": 1}', '{"happy": [1]}', '{"happy": [2, 0]}', '{"bored": [0, 0]}', '{"happy": [NaN, 0]}',
     '{"anger": [0, 0], "angry": [0, 0]}'],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_coordinates(path)
    with pytest.raises(InputError):
        read_coordinates(tmp_path / "absent.json")


@pytest.mark.parametrize("coordinates", [{}, {name: COORDINATES[name] for name in CATEGORIES if name != "fear"}])
def test_coordinates_without_a_category_are_refused(coordinates):
    with pytest.raises(InputError, match=r"coordinates without .*fear"):
        valence_arousal(np.eye(7), np.ones(7), coordinates=coordinates)
