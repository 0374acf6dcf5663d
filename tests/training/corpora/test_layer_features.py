"""The widest augmentation, a tiny teacher, and the cache of features with its layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sedtalker.errors import InputError
from sedtalker.speech.whisper import WhisperEncoder
from sedtalker.training.corpora.layer_features import (
    TEACHER_FILE,
    Teacher,
    load_teacher,
    open_layer_features,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import check_free, clips_of, corpora, strictest_use, weights_licence
from sedtalker.training.corpora.transfer_recipe import (
    EDITED,
    EDITS,
    NOISY,
    REVERBERANT,
    TransferAugmenter,
    edited,
    telephone,
)
from tests.support.tiny_backbones import tiny_whisper


def tiny_blocks(path: Path) -> Path:
    """A file of three random blocks as ``data/teacher`` has them."""
    np.savez(path, **{k.replace(".", "_"): v.astype(np.float16) for k, v in tiny_whisper().weights.items()})
    return path


@pytest.fixture
def teacher(tmp_path: Path) -> Teacher:
    encoder = WhisperEncoder.open(tiny_blocks(tmp_path / "blocks.npz"), heads=2)
    return Teacher(encoder, torch.zeros(32), torch.eye(32)[:, :6])


def voice(seconds: float = 1.0) -> np.ndarray:
    t = np.arange(int(16000 * seconds)) / 16000
    return (0.2 * np.sin(2 * np.pi * 150 * t) * (t > 0.3)).astype(np.float32)


def material() -> TransferAugmenter:
    rng = np.random.default_rng(7)
    noises = [rng.standard_normal(n).astype(np.float32) for n in (9000, 30000)]
    rooms = [(rng.standard_normal(n) * np.exp(-np.arange(n) / 800)).astype(np.float32) for n in (6000, 20000)]
    return TransferAugmenter(noises, rooms, babble=(noises[1], noises[0]))


AFTER = [0.5094958815215094, 0.7756515184014826, 0.174623938885341]
"""The next number of each generator."""
TOTAL = 25115.928334236145
"""Sum of the absolute samples."""


def test_copies_draw_as_the_shipped_weights_were_trained() -> None:
    after, total = [], 0.0
    for copy in (1, 2, 3):
        rng = np.random.default_rng((copy, 0))
        made = [material().copy(voice(), copy, rng) for _ in range(6)]
        assert all(m.dtype == np.float32 for m in made)
        assert copy != 2 or {len(m) for m in made} == {16000}
        after.append(rng.random())
        total += sum(float(np.abs(m).sum()) for m in made)
    assert after == AFTER, "the order of the draws has changed"
    assert total == pytest.approx(TOTAL, rel=0.01)  # codecs differ between versions
    assert np.array_equal(material().copy(voice(), 0, np.random.default_rng(0)), voice())


@pytest.mark.parametrize(("copy", "snr"), [(NOISY, (-2.0, 14.0)), (REVERBERANT, None)])
def test_noisy_and_reverberant_copies_keep_the_clip_inside(copy: int, snr: tuple[float, float] | None) -> None:
    made = [material().copy(voice(), copy, np.random.default_rng((copy, i))) for i in range(8)]
    assert all(m.dtype == np.float32 and np.isfinite(m).all() for m in made)
    again = material().copy(voice(), copy, np.random.default_rng((copy, 0)))
    assert np.array_equal(again, made[0])
    assert all(not np.array_equal(m[: len(voice())], voice()[: len(m)]) for m in made)
    if snr is not None:
        assert {len(m) for m in made} == {len(voice())}


@pytest.mark.slow
def test_each_edit_changes_the_sound_and_keeps_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    given = voice() + 0.02 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    for name, (_, edit) in EDITS.items():
        monkeypatch.setattr("sedtalker.training.corpora.transfer_recipe.EDITS", {name: (1.0, edit)})
        made = [edited(given, np.random.default_rng(i)) for i in range(3)]
        assert all(m.dtype == np.float32 and len(m) == len(given) and np.isfinite(m).all() for m in made)
        assert all(np.abs(m).max() == pytest.approx(0.5, rel=1e-3) for m in made)
        assert max(np.abs(m / m.std() - given / given.std()).max() for m in made) > 0.1, name
        assert np.array_equal(material().copy(given, EDITED, np.random.default_rng(0)), made[0])


def test_without_material_there_is_noise_all_the_same() -> None:
    bare, rng = TransferAugmenter(), np.random.default_rng(0)
    made = [bare.degrade(voice(), rng) for _ in range(10)]
    assert all(np.isfinite(m).all() and len(m) == 16000 for m in made)


def test_a_telephone_keeps_its_band() -> None:
    t = np.arange(16000) / 16000
    sound = sum(np.sin(2 * np.pi * f * t) for f in (60, 1000, 6000)).astype(np.float32)
    power = np.abs(np.fft.rfft(telephone(sound)))
    assert power[1000] > 20 * max(power[60], power[6000])


def test_layers_are_kept_beside_the_features(teacher: Teacher, tmp_path: Path) -> None:
    clips = []
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", voice(0.6 + 0.1 * i), 16000)
        clips.append(Clip("made", tmp_path / f"{i}.wav", "en", "a", "f", "happy", "", "", 0.6, "train"))
    plain = open_layer_features(clips, 0, material(), tmp_path / "cache")
    both = open_layer_features(clips, 0, material(), tmp_path / "cache", teacher)
    assert plain.teacher is None
    assert both.teacher is not None
    assert both.teacher.shape == (both.starts[-1], 6)
    assert np.array_equal(both.starts, [0, 30, 65, 105])
    assert both.mel.shape == (210, 80)
    wanted = teacher(voice(0.7))
    assert np.allclose(both.teacher[30:65], wanted.numpy(), atol=0.05)
    other = open_layer_features(clips, 3, material(), tmp_path / "cache", teacher)
    assert other.starts[-1] != both.starts[-1], "another voice has another speed"
    doubled = replace(teacher, projection=2 * teacher.projection)
    again = open_layer_features(clips, 0, material(), tmp_path / "cache", doubled)
    assert again.teacher is not None
    assert np.allclose(again.teacher, 2 * both.teacher.astype(np.float32), atol=0.05)


def test_a_file_that_lacks_a_block_is_refused(tmp_path: Path) -> None:
    weights = dict(np.load(tiny_blocks(tmp_path / "blocks.npz")))
    del weights["layers_1_fc1_weight"]
    np.savez(tmp_path / "cut.npz", **weights)
    with pytest.raises(InputError, match=r"no layers\.1\.fc1\.weight"):
        WhisperEncoder.open(tmp_path / "cut.npz")


def test_clips_go_by_any_name_of_their_corpus(tmp_path: Path) -> None:
    clips = [Clip("crema_d", tmp_path / "a.wav", "en", "a", "f", "sad", "", "", 1.0, "train")]
    assert clips_of(clips, "cremad", "train")[0].corpus == "cremad"
    with pytest.raises(InputError, match="no clips of cremad, valid"):
        clips_of(clips, "cremad", "valid")


def test_only_free_corpora_make_free_weights() -> None:
    free = ("cremad", "emogator", "librispeech", "speechocean762", "esc10", "noise_rir")
    check_free(free)
    assert weights_licence(free) == "ODbL-1.0"
    assert weights_licence(("librispeech",)) == "CC-BY-4.0"
    with pytest.raises(InputError, match=r"CC BY-NC-SA 4\.0") as error:
        check_free((*free, "ravdess"))
    assert "\n" not in str(error.value)
    assert "task.licence_check=false" in str(error.value)
    with pytest.raises(InputError, match="unknown"):
        check_free(("my_own",))
    with pytest.raises(InputError, match=r"licence; did you mean crema_d\?"):
        check_free(("crema",))
    assert weights_licence((*free, "ravdess")) == "LicenseRef-non-commercial"
    assert strictest_use(corpora()) == "evaluation"


def test_noises_are_indexed_as_they_are_published(tmp_path: Path) -> None:
    for kind in (
        "esc10/002 - Rain/1-17367-A",
        "esc10/007 - Helicopter/1-1-A",
        "noise_rir/noise/noise1",
        "noise_rir/rir1",
    ):
        path = tmp_path / f"{kind}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, voice(0.2), 16000)
    clips = [c for name in ("esc10", "noise_rir") for c in corpora()[name].clips(tmp_path / name)[0]]
    assert sorted(c.emotion for c in clips) == [
        "other:noise",
        "other:noise-helicopter",
        "other:noise-rain",
        "other:rir",
    ]
    augmenter = read_transfer_augmenter(clips, (2,), tmp_path / "cache")
    assert len(augmenter.noises) == 1 + 3, "helicopters are for tests, the few other noises count three times"
    assert len(augmenter.responses) == 1
    assert augmenter.babble == ()


@pytest.mark.data
def test_the_teacher_of_the_training_data(data_dir: Path) -> None:
    if not (data_dir / TEACHER_FILE).is_file():
        pytest.skip("no teacher in the training data")
    teacher = load_teacher(data_dir)
    assert teacher.channels == 192
    hidden = teacher(voice())
    assert hidden.shape == (50, 192)
    assert torch.isfinite(hidden).all()
