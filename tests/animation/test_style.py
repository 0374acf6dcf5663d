from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.animation.conditioning import Style
from sedtalker.animation.style import STYLES, fit_style, parse_style, read_style, write_style
from sedtalker.audio import from_samples, load_audio
from sedtalker.cli.main import app
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder

SAMPLE = Path(__file__).parents[2] / "data/samples/four_moods.wav"


@pytest.fixture(scope="module")
def heard():
    samples = load_audio(SAMPLE).samples[: 4 * 16000]
    return open_encoder()(from_samples(samples, 16000))


def _neutral():
    posterior = np.zeros((2, len(CATEGORIES)), np.float32)
    posterior[:, 0] = 1
    zero = np.zeros(2, np.float32)
    return EmotionTrack(np.array([0.0, 9.0]), posterior, zero, zero, zero, CATEGORIES, 9.0)


def test_styles_by_name_and_value():
    assert parse_style("natural") == Style()
    assert all(parse_style(name) == style for name, style in STYLES.items())
    assert parse_style("articulation=0.5, dynamics=-1") == Style(articulation=0.5, dynamics=-1.0)


def test_each_style_departs_the_way_it_is_called():
    styles = {name: astuple(parse_style(name)) for name in STYLES}
    signs = {name: tuple(int(np.sign(value)) for value in style) for name, style in styles.items()}
    assert signs == {  # articulation, rounding, dynamics, crispness
        "natural": (0, 0, 0, 0),
        "clear": (1, 0, 0, 1),
        "mumbled": (-1, 0, 0, -1),
        "broad": (1, 1, 0, 1),
        "lively": (1, 0, 1, 1),
        "even": (-1, 0, -1, 0),
    }
    assert all(abs(value) <= 1.0 for style in styles.values() for value in style), "as a file of one may say"


@pytest.mark.parametrize("text", ["loud", "articulation=x", "articulation=2", "volume=1", "dynamics=nan", "no.json"])
def test_what_is_no_style_is_refused(text):
    with pytest.raises(InputError):
        parse_style(text)


def test_a_style_file_comes_back(tmp_path):
    style = Style(0.1, -0.2, 0.3, -0.4)
    write_style(tmp_path / "a.style.json", style)
    assert read_style(tmp_path / "a.style.json") == style
    (tmp_path / "b.json").write_text(json.dumps({"format": "sedtalker-style", "style": {"articulation": 7}}))
    with pytest.raises(InputError, match="-1 to 1"):
        read_style(tmp_path / "b.json")


def test_styles_do_what_they_are_called(heard):
    decoder, face, speech = open_model("decoder"), load_face(), heard.speech

    def lips(**values):
        return lip_aperture(face, decoder.predict(heard, _neutral(), Style(**values)))

    assert lips(articulation=1.0)[speech].max() > 1.2 * lips(articulation=-1.0)[speech].max()
    jumps = [np.abs(np.diff(lips(crispness=c))).mean() for c in (-1.0, 0.0, 1.0)]
    assert jumps[0] < jumps[1] < jumps[2]
    pucker = [decoder.predict(heard, _neutral(), Style(rounding=r))[:, [19, 20]].max() for r in (-1.0, 1.0)]
    assert pucker[1] > pucker[0]


@pytest.mark.slow
def test_the_style_of_a_clip_is_found(heard):
    decoder, face = open_model("decoder"), load_face()
    true = Style(articulation=0.8, crispness=-0.7)
    found, left = fit_style(decoder, heard, decoder.predict(heard, _neutral(), true), face)
    assert left < 0.35
    assert found.articulation > 0.4
    assert found.crispness < -0.3


@pytest.mark.slow
def test_the_command_writes_a_style_that_animate_takes(tmp_path, heard):
    import soundfile

    from sedtalker.animation.animation import Animation
    from sedtalker.export.arkit import write_arkit_csv

    face = load_face()
    made = open_model("decoder").predict(heard, _neutral(), Style(articulation=-0.8))
    coefficients = np.pad(made, ((0, 0), (0, len(face.shapes) - 52)))
    write_arkit_csv(
        tmp_path / "take.csv", Animation(coefficients, 50.0, face, np.zeros((len(made), 3), np.float32), None, {})
    )
    soundfile.write(tmp_path / "take.wav", load_audio(SAMPLE).samples[: 4 * 16000], 16000)
    ran = CliRunner().invoke(app, ["style", str(tmp_path / "take.csv"), str(tmp_path / "take.wav"), "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["style"]["articulation"] < -0.3
    assert parse_style(str(tmp_path / "take.style.json")).articulation < -0.3
    again = CliRunner().invoke(app, ["style", str(tmp_path / "take.csv"), str(tmp_path / "take.wav")])
    assert again.exit_code == 2
