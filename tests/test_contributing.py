"""What CONTRIBUTING.md shows works: a format, a corpus, a light and a protocol of another distribution, and a face."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.errors import InputError
from sedtalker.export.formats import export, export_formats
from sedtalker.plugins import parts_of_others
from tests.support.distributions import AddDistribution
from tests.support.moving import moving_cube

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def example(section: str) -> str:
    """The code in a section of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"## {section}\n")[1]
    found = re.search(r"^```(?:python|yaml|toml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_an_export_format(add_distribution: AddDistribution, tmp_path: Path) -> None:
    code = example("An export format").replace("jawOpen", moving_cube(5).face.shapes[0])
    add_distribution("your_package", code, "sedtalker.export_formats", "jaw", "your_package:JAW")
    assert "jaw" in export_formats()
    animation = moving_cube(5)
    written = export(animation, tmp_path / "clip.jaw.csv")
    assert written["largest"] == pytest.approx(animation.coefficients[:, 0].max())
    assert len((tmp_path / "clip.jaw.csv").read_text().splitlines()) == 5


def test_a_track_format(add_distribution: AddDistribution, tmp_path: Path) -> None:
    add_distribution("your_package", example("A track format"), "sedtalker.track_formats", "lab", "your_package:LAB")
    write_track(tmp_path / "a.lab", constant_track("happy:0.8", 2.0))
    assert (tmp_path / "a.lab").read_text() == "0.000 2.000 happy 0.80\n"
    (span,) = read_track(tmp_path / "a.lab").segments()
    assert (span.label, span.end) == ("happy", 2.0)


def test_a_corpus(add_distribution: AddDistribution, tmp_path: Path) -> None:
    from sedtalker.training.corpora.speech import corpora, index_corpora, strictest_use

    code = example("A speech corpus")
    add_distribution("your_package", code, "sedtalker.corpora", "example", "your_package:EXAMPLE")
    folder = tmp_path / "data" / "audio" / "example"
    folder.mkdir(parents=True)
    for name in ("anna_h_01.wav", "ben_s_01.wav", "carl_n_01.wav", "dora_n_02.wav"):
        soundfile.write(folder / name, np.zeros(1600, np.float32), 16000)
    clips, unknown, _ = index_corpora(tmp_path / "data")["example"]
    assert [clip.emotion for clip in clips] == ["happy", "sad", "neutral", "neutral"]
    assert {clip.split for clip in clips} == {"train", "valid", "test"}
    assert unknown == []
    assert strictest_use(["example"]) == "free"
    assert "example" in corpora()


def test_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedtalker.training import run

    shutil.copytree(run.config_folder(), tmp_path / "configs")
    (tmp_path / "configs" / "encoder" / "mine.yaml").write_text(example("An encoder"), encoding="utf-8")
    monkeypatch.setattr(run, "config_folder", lambda: tmp_path / "configs")
    config = run.compose(["experiment=vertex_decoder", "encoder=mine", "trainer.run_dir=run"])
    assert config["task"]["encoder"]["name"] == yaml.safe_load(example("An encoder"))["name"]


def test_a_face() -> None:
    from sedtalker.face.builtin import characters, load_face
    from sedtalker.face.builtin.load import build_face

    ((name, row),) = tomllib.loads(example("A face")).items()
    face = build_face(characters.read_character(name, row))
    assert face.name == "otto"
    assert face.shapes == load_face().shapes
    assert np.isfinite(face.basis).all()


def test_a_light_and_a_protocol_of_another_distribution(add_distribution: AddDistribution) -> None:
    from sedtalker.live.senders import open_senders, parse_targets
    from sedtalker.render.light import load_lighting

    light = "from sedtalker.render.light import load_lighting\nDUSK = load_lighting('studio')\n"
    add_distribution("your_light", light, "sedtalker.lights", "dusk", "your_light:DUSK")
    assert load_lighting("dusk") == load_lighting("studio")
    with pytest.raises(InputError, match=r"no light 'noon': use one of .*dusk"):
        load_lighting("noon")
    sender = """
from sedtalker.live.senders import LiveProtocol

class Printer:
    def __init__(self, target, fps):
        self.said = f"{target.host}:{target.port_or(7)} {fps:g} {target.options['colour']}"

    def send(self, frame): ...

    def close(self): ...

PROTOCOL = LiveProtocol("your_sender:Printer", ("colour",))
"""
    add_distribution("your_sender", sender, "sedtalker.live", "mine", "your_sender:PROTOCOL")
    (opened,) = open_senders(parse_targets(["mine://10.0.0.2?colour=red"]), 60.0, print)
    assert opened.said == "10.0.0.2:7 60 red"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="mine has no option size: use one of colour"):
        parse_targets(["mine://?size=3"])


def test_what_cannot_be_loaded_is_one_line(add_distribution: AddDistribution) -> None:
    add_distribution("broken", "raise ValueError('no luck')", "sedtalker.lights", "dim", "broken:DIM")
    with pytest.raises(InputError, match="'dim' of broken cannot be loaded from broken:DIM: no luck"):
        parts_of_others("sedtalker.lights")


@pytest.mark.parametrize("path", sorted((PAGE.parent / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_compile(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
