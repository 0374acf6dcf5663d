"""EmoVOCA, VOCASET and folders of one's own, in their layouts, made here."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.errors import InputError
from sedtalker.training.corpora.meshes import convert_head_pickles, open_sequences
from sedtalker.training.corpora.meshes.check import check_sequences
from sedtalker.training.corpora.meshes.layouts import split_by_name, split_of
from sedtalker.training.corpora.meshes.pickles import read_array_pickle
from sedtalker.training.evaluation.vertex_decoder_measures import score_sequences
from sedtalker.training.tasks.vertex_decoder import VertexDecoderTask
from tests.support.distributions import AddDistribution

runner = CliRunner()


def own_folder(root: Path, names: list[str], frames: int = 30, fps: float = 30.0, vertices: int = 12) -> Path:
    for folder in ("sequences", "wav"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        positions = rng.uniform(-0.1, 0.1, (frames, vertices, 3)).astype(np.float32)
        positions[:, 0, 1], positions[:, 1, 1] = -0.12, 0.12
        np.save(root / "sequences" / f"{name}.npy", positions)
        soundfile.write(root / "wav" / f"{name}.wav", np.zeros(round(frames / fps * 16_000)), 16_000)
    return root


def test_emovoca_is_read_as_published(miniature_emovoca: Path) -> None:
    corpus = open_sequences(miniature_emovoca)
    assert corpus.layout is not None
    assert corpus.layout.name == "emovoca"
    assert corpus.fps == 60
    assert len(corpus.labels) == 11
    assert [len(corpus.split(s)) for s in ("train", "valid", "test")] == [12, 4, 4]
    first = corpus.split("train")[0]
    assert first.open().shape[1:] == (5023, 3)
    assert (first.emotion, first.intensity) == ("Sad1", 1.0)
    assert first.take == "FaceTalk_170725_00137_TA_sentence01"
    assert corpus.template(first.subject).shape == (5023, 3)
    lips = corpus.mask("lips")
    assert lips is not None
    assert 100 < lips.sum() < 1000
    assert not {s.subject for s in corpus.split("train")} & {s.subject for s in corpus.split("test")}


def test_the_example_has_a_name_and_a_licence_of_its_own(miniature_emovoca: Path, tmp_path: Path) -> None:
    corpus = open_sequences(miniature_emovoca)
    assert corpus.name == "example"
    assert "EmoVOCA" not in corpus.licence
    (tmp_path / "sequences").mkdir()
    name = "FaceTalk_170725_00137_TA_sentence01_Sad1_3.npy"
    os.link(miniature_emovoca / "sequences" / name, tmp_path / "sequences" / name)
    published = open_sequences(tmp_path)
    assert published.name == "emovoca"
    assert "CC BY-NC" in published.licence


def test_a_sound_of_the_same_take_stands_in(miniature_emovoca: Path, tmp_path: Path) -> None:
    for folder in ("sequences", "wav"):
        (tmp_path / folder).mkdir()
    name = "FaceTalk_170725_00137_TA_sentence01"
    for emotion in ("Sad1", "Smile2"):
        os.link(miniature_emovoca / f"sequences/{name}_{emotion}_3.npy", tmp_path / f"sequences/{name}_{emotion}_3.npy")
    os.link(miniature_emovoca / f"wav/{name}_Smile2_3.wav", tmp_path / f"wav/{name}_Smile2_3.wav")
    assert [s.audio.name for s in open_sequences(tmp_path).split("train") if s.audio] == [f"{name}_Smile2_3.wav"] * 2


def test_held_out_subjects_are_scored_on_sentences_that_training_lacks() -> None:
    assert split_of("FaceTalk_170809_00138_TA", 20) == "unused"
    assert split_of("FaceTalk_170809_00138_TA", 21) == "test"
    assert split_of("FaceTalk_170811_03275_TA", 40) == "valid"
    assert split_of("FaceTalk_170725_00137_TA", 30) == "train"


def test_vocaset_with_flat_vertices(tmp_path: Path) -> None:
    root = own_folder(tmp_path, ["FaceTalk_170725_00137_TA_sentence01", "odd"], frames=60, fps=60.0, vertices=5023)
    path = root / "sequences" / "FaceTalk_170725_00137_TA_sentence01.npy"
    np.save(path, np.load(path).reshape(60, -1))
    (root / "sequences").rename(root / "vertices_npy")
    corpus = open_sequences(root)
    assert corpus.name == "vocaset"
    assert corpus.sequences[0].open().shape == (60, 5023, 3)
    assert corpus.unknown == ("odd.npy",)
    assert check_sequences(corpus).problems == ("odd.npy: the name does not follow the layout",)


def test_what_holds_no_sequences_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such folder"):
        open_sequences(tmp_path / "nothing")
    with pytest.raises(InputError, match="no folder 'sequences'"):
        open_sequences(tmp_path)
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "001.WAV").touch()
    with pytest.raises(InputError, match="sedtalker data index"):
        open_sequences(tmp_path)


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", ["a1", "a2", "b1"])
    (root / "sequences.csv").write_text(
        "name,subject,emotion,intensity,split\na1,ann,happy,0.5,train\na2,ann,,,valid\nb1,bo,neutral,,test\nc9,,,,\n"
    )
    corpus = open_sequences(root)
    assert (corpus.name, corpus.fps, corpus.labels) == ("mine", 30.0, ("happy",))
    assert [(s.subject, s.emotion, s.intensity, s.split) for s in corpus.sequences] == [
        ("ann", "happy", 0.5, "train"),
        ("ann", None, 0.0, "valid"),
        ("bo", None, 0.0, "test"),
    ]
    assert corpus.unknown == ("c9 (in sequences.csv, no such file)",)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("sequences.csv", "name,split\na,training", "a: split 'training': did you mean train"),
        ("sequences.csv", "name,intensity\na,nan", "a: intensity nan: give a number from 0 to 1"),
        ("sequences.csv", "name,intensity\na,3", "a: intensity 3: give a number from 0 to 1"),
        ("sequences.csv", "name,intensity\na,much", "a: intensity much: give a number from 0 to 1"),
        ("corpus.json", '{"fps": "fast"}', "fps fast: give a number from 1 to 1000"),
        ("corpus.json", '{"fps": [30]}', "fps"),
        ("corpus.json", '{"fps": -30}', "fps"),
        ("templates.npz", "PK\3\4 cut short", "templates.npz: not arrays of numbers"),
    ],
)
def test_what_a_description_says_wrong_is_refused(tmp_path: Path, file: str, text: str, said: str) -> None:
    root = own_folder(tmp_path, ["a", "b"])
    (root / file).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(said)):
        open_sequences(root)


def test_a_layout_is_added_by_an_entry_point(tmp_path: Path, add_distribution: AddDistribution) -> None:
    code = (
        "import re\n"
        "from sedtalker.training.corpora.meshes import MeshSequence, SequenceCorpus, SequenceLayout\n"
        "def read(root, folder, head):\n"
        "    found = (MeshSequence(p.stem, 'x', p, None, None, 0.0, 'train', p.stem) for p in folder.glob('*.npy'))\n"
        "    return SequenceCorpus('heads', root, 25.0, tuple(found), (), head, 'CC0 1.0', (), HEADS)\n"
        "HEADS = SequenceLayout('heads', 'Heads', 'CC0 1.0', 'free', 'https://example.org', 'sequences/head7.npy',\n"
        "    'cy', 13, re.compile('head[0-9]'), read)\n"
    )
    add_distribution("heads", code, "sedtalker.mesh_corpora", "heads", "heads:HEADS")
    corpus = open_sequences(own_folder(tmp_path / "data", ["head1", "head2"]))
    assert (corpus.name, corpus.fps, len(corpus.sequences)) == ("heads", 25.0, 2)
    assert "12 vertices a frame; the published corpus has 13" in check_sequences(corpus).problems
    assert "heads" in runner.invoke(app, ["data", "list"]).stdout


def test_names_keep_their_split_when_files_are_added() -> None:
    splits = [split_by_name(f"take{i}") for i in range(3000)]
    assert 0.07 < splits.count("test") / 3000 < 0.13
    assert 0.07 < splits.count("valid") / 3000 < 0.13


def test_check_finds_nothing_wrong_with_the_miniature(miniature_emovoca: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(miniature_emovoca), "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["problems"] == []
    assert (found["sequences"], found["vertices"], found["fps"]) == (20, 5023, 60.0)
    assert found["emotions"] == {"Sad1": 10, "Smile2": 10}
    assert (
        found["licence"]
        == "synthesised by `sedtalker data example` from the recording it was given, whose licence applies"
    )


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", ["good", "short", "mute", "nan", "big"])
    soundfile.write(root / "wav" / "short.wav", np.zeros(32_000), 16_000)
    (root / "wav" / "mute.wav").unlink()
    vertices = np.load(root / "sequences" / "good.npy")
    np.save(root / "sequences" / "small.npy", vertices[:, 1:])
    for name, frames, change in (("nan", 17, np.nan), ("big", slice(None), 1000.0)):
        positions = np.load(root / "sequences" / f"{name}.npy")
        positions[frames] *= change
        np.save(root / "sequences" / f"{name}.npy", positions)
    np.save(root / "sequences" / "flat.npy", np.zeros(7))
    (root / "masks.json").write_text('{"lips": [1, 99]}')
    result = runner.invoke(app, ["data", "check", str(root)])
    assert result.exit_code == 1
    told = result.stderr
    assert "short: 1.00 s of motion but 2.00 s of sound" in told
    assert "mute: no sound" in told
    assert "nan: there are numbers that are not finite" in told
    assert "small: 11 vertices, most have 12" in told
    assert "big: the head is" in told
    assert "flat.npy: its shape is (7,)" in told
    assert "mask lips: names vertices beyond 12" in told
    assert "good" not in told


def test_a_training_names_the_sequence_that_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = own_folder(tmp_path / "mine", ["one", "two"])
    millimetres = np.load(root / "sequences" / "one.npy") * 1000
    np.save(root / "sequences" / "one.npy", millimetres)
    (root / "sequences.csv").write_text("name,split\none,train\ntwo,train\n")
    positions = np.load(root / "sequences" / "two.npy")
    positions[17] = np.nan
    np.save(root / "sequences" / "two.npy", positions)
    for said in ("two: there are numbers that are not finite", "some sequences have 11 vertices, others 12"):
        task = VertexDecoderTask({"coefficients": 2}, root, tmp_path / "cache")
        with pytest.raises(InputError, match=said):
            task.prepare()
        np.save(root / "sequences" / "two.npy", np.nan_to_num(positions)[:, 1:])
    [warning] = caplog.messages
    assert warning.startswith(f"one: the head is {np.ptp(millimetres[0, :, 1]):.3g} high")


@pytest.mark.parametrize(
    ("masks", "template", "said"),
    [
        ([1, 99], 12, "mask lips: names vertices beyond 12"),
        ([], 12, "mask lips: names vertices beyond 12, or none"),
        ([1], 7, "template subject: 7 vertices, the sequences have 12"),
    ],
)
def test_a_training_names_a_head_file_that_does_not_fit(
    masks: list[int], template: int, said: str, tmp_path: Path
) -> None:
    root = own_folder(tmp_path / "mine", ["one", "two"])
    (root / "sequences.csv").write_text("name,split\none,train\ntwo,valid\n")
    (root / "masks.json").write_text(json.dumps({"lips": masks}))
    np.savez(root / "templates.npz", subject=np.zeros((template, 3), np.float32))
    with pytest.raises(InputError, match=said):
        VertexDecoderTask({"coefficients": 2}, root, tmp_path / "cache").prepare()
    assert any(said in problem for problem in check_sequences(open_sequences(root)).problems)


def test_a_score_names_the_sequence_that_is_wrong(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", ["one"])
    positions = np.load(root / "sequences" / "one.npy")
    positions[17] = np.nan
    np.save(root / "sequences" / "one.npy", positions)
    corpus = open_sequences(root)
    with pytest.raises(InputError, match="one: there are numbers that are not finite"):
        score_sequences(lambda sequence, audio, frames: positions, corpus, corpus.sequences)


def test_check_of_a_folder_without_sequences(tmp_path: Path) -> None:
    result = runner.invoke(app, ["data", "check", str(tmp_path)])
    assert result.exit_code == 2
    assert "no folder 'sequences'" in result.stderr


def test_flame_sample_gives_triangles_and_nobodys_face(miniature_emovoca: Path, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", ["a"], vertices=5023)
    (root / "FLAME_sample.ply").write_bytes((miniature_emovoca / "template.ply").read_bytes())
    corpus = open_sequences(root)
    assert corpus.head.triangles is not None
    first = np.load(root / "sequences" / "a.npy")[0]
    assert corpus.template("subject") == pytest.approx(first)


def test_published_pickles_are_converted(tmp_path: Path) -> None:
    templates = {"FaceTalk_a": np.ones((4, 3)), "FaceTalk_b": np.zeros((4, 3))}
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps(templates, protocol=2))
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps({"lips": np.arange(3)}, protocol=2))
    assert [p.name for p in convert_head_pickles(tmp_path)] == ["templates.npz", "masks.json"]
    with np.load(tmp_path / "templates.npz") as stored:
        assert stored["FaceTalk_a"].tolist() == np.ones((4, 3)).tolist()
    assert json.loads((tmp_path / "masks.json").read_text()) == {"lips": [0, 1, 2]}
    with pytest.raises(InputError, match="--force"):
        convert_head_pickles(tmp_path)


class Runs:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_a_pickle_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps({"a": Runs()}))
    with pytest.raises(InputError, match=r"asks for (posix|nt|os)\.system"):
        read_array_pickle(tmp_path / "templates.pkl")
    assert not (tmp_path / "ran").exists()


def test_check_names_labels_that_are_damaged(miniature_emovoca: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(miniature_emovoca, root)
    name = sorted((root / "label").glob("*.npy"))[0]
    name.write_bytes(b"no array")
    np.save(root / "intensity" / name.name, np.zeros(0))
    problems = check_sequences(open_sequences(root)).problems
    assert problems == tuple(f"{name.stem}: {folder}/ holds no number" for folder in ("label", "intensity"))
