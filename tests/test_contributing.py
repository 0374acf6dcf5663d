"""What CONTRIBUTING.md shows works: an exporter, a track format, a corpus, an encoder and a face are one file each."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.files import read_track, track_formats, write_track
from sedtalker.export.formats import export, export_formats
from tests.support.moving import moving_cube

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def example(section: str) -> str:
    """The code in a section of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"## {section}\n")[1]
    found = re.search(r"^```(?:python|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str, str], None]]:
    """Put a module into a package as if its file lay there: ``add(package, name, code)``."""
    added = []

    def put(package: str, name: str, code: str) -> None:
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
        added.append(f"{package}.{name}")
        importlib.invalidate_caches()
        forget()

    def forget() -> None:
        export_formats.cache_clear()
        track_formats.cache_clear()

    yield put
    for name in added:
        sys.modules.pop(name, None)
    monkeypatch.undo()
    forget()


def test_an_export_format(add: Callable[[str, str, str], None], tmp_path: Path) -> None:
    add("sedtalker.export", "jaw", example("An export format"))
    assert "jaw" in export_formats()
    animation = moving_cube(5)
    jaw = animation.face.shapes[0]
    code = tmp_path / "sedtalker.export" / "jaw.py"
    code.write_text(code.read_text().replace("jawOpen", jaw), encoding="utf-8")
    written = export(animation, tmp_path / "clip.jaw.csv")
    assert written["largest"] == pytest.approx(animation.coefficients[:, 0].max())
    assert len((tmp_path / "clip.jaw.csv").read_text().splitlines()) == 5


def test_a_track_format(add: Callable[[str, str, str], None], tmp_path: Path) -> None:
    add("sedtalker.emotion.formats", "srt", example("A track format"))
    write_track(tmp_path / "a.srt", constant_track("happy:0.8", 2.0))
    assert "00:00:00,000 --> 00:00:02,000\nhappy 0.80" in (tmp_path / "a.srt").read_text()
    (span,) = read_track(tmp_path / "a.srt").segments()
    assert (span.label, span.end) == ("happy", 2.0)


def test_a_corpus(add: Callable[[str, str, str], None], tmp_path: Path) -> None:
    from sedtalker.training.corpora.speech import corpora, index_corpora, strictest_use

    add("sedtalker.training.corpora.speech", "example", example("A speech corpus"))
    folder = tmp_path / "data" / "audio" / "example"
    folder.mkdir(parents=True)
    for name in ("anna_h_01.wav", "ben_s_01.wav", "carl_n_01.wav", "dora_n_02.wav"):
        soundfile.write(folder / name, np.zeros(1600, np.float32), 16000)
    clips, unknown = index_corpora(tmp_path / "data")["example"]
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
    config = run.compose(["experiment=diarizer", "encoder=mine", "trainer.run_dir=run"])
    assert config["task"]["encoder"]["name"] == yaml.safe_load(example("An encoder"))["name"]


def test_a_face() -> None:
    from sedtalker.face.builtin import characters, load_face
    from sedtalker.face.builtin.load import build_face

    character = eval(example("A face"), vars(characters))
    face = build_face(character)
    assert face.name == "otto"
    assert face.shapes == load_face().shapes
    assert np.isfinite(face.basis).all()
