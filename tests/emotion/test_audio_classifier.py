"""Windows of a classifier, its labels in our words, and models that are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from sedtalker.audio import from_samples
from sedtalker.emotion import diarizer
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.inference import FrameEmotions, emotion_track
from sedtalker.emotion.published_models import AudioClassifier, classify, load_classifier
from sedtalker.emotion.published_models import label_category as of
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK
from tests.support.tiny_backbones import save_tiny, save_tiny_classifier, tiny_extractor

RAVDESS = ["angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("neu", "neutral"), ("hap", "happy"), ("ang", "angry"), ("exc", "happy"), ("SAD", "sad"), ("calm", "neutral"),
        ("fearful", "fear"), ("female_angry", "angry"), ("Surprised", "surprise"), ("😌 Calm", "neutral"),
        ("LABEL_0", None), ("other", None), ("happy_or_sad", None), ("<unk>", None),
    ],
)  # fmt: skip
def test_labels_in_our_words(label: str, category: str | None) -> None:
    assert of(label) == category


class Loudness(torch.nn.Module):
    """Answers angry to loud windows, sad to quiet ones, never the third label."""

    main_input_name = "input_values"
    device = torch.device("cpu")

    def forward(self, inputs: torch.Tensor) -> SimpleNamespace:
        level = inputs.square().mean(1).sqrt()
        return SimpleNamespace(logits=torch.stack([20 * (level - 0.2), 20 * (0.2 - level), 0 * level - 50], 1))


def by_loudness() -> AudioClassifier:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False)
    return AudioClassifier(Loudness(), extractor, ("angry", "sad", None))


def test_windows_find_where_the_label_changes() -> None:
    rng = np.random.default_rng(0)
    samples = np.concatenate([0.05 * rng.normal(size=64_000), 0.4 * rng.normal(size=64_000)]).astype(np.float32)
    times = FRAME_CLOCK.times(400)
    posterior = classify(by_loudness(), from_samples(samples, 16_000), times)
    assert posterior.shape == (400, 7)
    np.testing.assert_allclose(posterior.sum(1), 1.0, atol=1e-5)
    decided = posterior.argmax(1)
    sad, angry = CATEGORIES.index("sad"), CATEGORIES.index("angry")
    assert (decided[:150] == sad).all()
    assert (decided[250:] == angry).all()
    change = times[np.flatnonzero(np.diff(decided))]
    assert len(change) == 1
    assert abs(change[0] - 4.0) < 0.75, "a window half loud is loud"


def test_a_frame_is_the_mean_of_the_windows_around_it_near_ones_counting_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of two seconds, half a second apart, and the last one at the end of the recording."""
    samples = np.linspace(0.1, 0.3, 52_800).astype(np.float32)
    times = FRAME_CLOCK.times(165)
    found = classify(by_loudness(), from_samples(samples, 16_000), times)
    total, weight = np.zeros(165), np.zeros(165)
    for start in (0.0, 0.5, 1.0, 1.3):
        part = samples[round(16_000 * start) : round(16_000 * (start + 2))]
        angry = 1 / (1 + np.exp(-40 * (np.sqrt(np.mean(part**2)) - 0.2)))
        apart = np.abs(times - (start + 1.0))
        share = np.where(apart < 1.0, 0.501 + 0.5 * np.cos(np.pi * apart), 0.0)
        total, weight = total + share * angry, weight + share
    np.testing.assert_allclose(found[:, CATEGORIES.index("angry")], total / weight, atol=1e-5)
    np.testing.assert_allclose(found[:, CATEGORIES.index("sad")], 1 - total / weight, atol=2e-5)


@pytest.mark.parametrize(
    ("seconds", "shapes"),
    [(0.3, [(1, 8000)]), (0.6, [(1, 9600)]), (2.0, [(1, 32_000)]), (10.0, [(16, 32_000), (1, 32_000)])],
)
def test_what_is_given_to_the_model_at_once(seconds: float, shapes: list[tuple[int, int]]) -> None:
    given, classifier = list[tuple[int, ...]](), by_loudness()
    classifier.model.register_forward_pre_hook(lambda model, inputs: given.append(tuple(inputs[0].shape)))
    samples = np.full(round(16_000 * seconds), 0.1, np.float32)
    classify(classifier, from_samples(samples, 16_000), FRAME_CLOCK.times(FRAME_CLOCK.frames(seconds)))
    assert given == shapes


@pytest.mark.parametrize("seconds", [0.1, 1.3, 2.0, 2.1])
def test_any_length(tmp_path: Path, seconds: float) -> None:
    classifier = load_classifier(str(save_tiny_classifier(tmp_path, RAVDESS)))
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)
    count = FRAME_CLOCK.frames(seconds)
    posterior = classify(classifier, from_samples(samples, 16_000), FRAME_CLOCK.times(count))
    assert posterior.shape == (count, 7)
    np.testing.assert_allclose(posterior.sum(1), 1.0, atol=1e-5)


def test_a_real_model_answers_as_its_pipeline_does(tmp_path: Path) -> None:
    """One window of the real class against transformers' own pipeline: calm and neutral are one category here."""
    folder = save_tiny_classifier(tmp_path, RAVDESS)
    samples = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    posterior = classify(load_classifier(str(folder)), from_samples(samples, 16_000), FRAME_CLOCK.times(100))
    pipe = transformers.pipeline("audio-classification", model=str(folder))
    theirs = {row["label"]: row["score"] for row in pipe(samples, top_k=None)}
    assert np.ptp(posterior, 0).max() < 1e-6
    assert posterior[50, 0] == pytest.approx(theirs["calm"] + theirs["neutral"], abs=1e-3)
    assert posterior[50, CATEGORIES.index("fear")] == pytest.approx(theirs["fearful"], abs=1e-3)


def test_intensity_speech_and_what_is_a_voice_stay_the_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = from_samples((0.4 * np.random.default_rng(0).normal(size=48_000)).astype(np.float32), 16_000)
    plain, hub = Diarizer.from_pretrained(), Diarizer.from_pretrained()
    hub.classifier = by_loudness()
    features = hub.encoder(noise)
    own, frames = plain.frames(noise, features), hub.frames(noise, features)
    np.testing.assert_array_equal(frames.posterior, classify(hub.classifier, noise, FRAME_CLOCK.times(150)))
    np.testing.assert_array_equal(frames.intensity, own.intensity)
    np.testing.assert_array_equal(frames.speech, own.speech)
    monkeypatch.setattr(diarizer, "find_bursts", lambda features, sha256: (Burst(0.5, 1.5, "laugh", 0.9),))
    assert hub.bursts(features, frames) == plain.bursts(features, own) == ()


def test_its_categories_make_the_track() -> None:
    samples = (0.4 * np.random.default_rng(0).normal(size=48_000)).astype(np.float32)
    posterior = classify(by_loudness(), from_samples(samples, 16_000), FRAME_CLOCK.times(150))
    track = emotion_track(FrameEmotions(posterior, np.full(150, 0.7, np.float32), np.ones(150, bool)), FRAME_CLOCK, 3.0)
    assert [segment.label for segment in track.segments()] == ["angry"]
    assert track.intensity == pytest.approx(0.7, abs=1e-3)


def test_a_model_of_the_hub_has_a_name() -> None:
    with pytest.raises(InputError, match="hf: lacks a name"):
        load_classifier("")


def test_models_that_are_refused(tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        with pytest.raises(InputError) as caught:
            load_classifier(str(folder))
        return str(caught.value)

    assert "arousal, dominance, valence" in refusal(
        save_tiny_classifier(tmp_path / "dimensions", ["arousal", "dominance", "valence"])
    )
    assert "not emotions: cat, dog" in refusal(save_tiny_classifier(tmp_path / "pets", ["cat", "dog"]))
    assert "answer at random" in refusal(save_tiny("Wav2Vec2", tmp_path / "headless"))
    slow = save_tiny_classifier(tmp_path / "slow", RAVDESS)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(slow)
    assert "made for 8000 Hz" in refusal(slow)
    tiny_extractor("WavLM").save_pretrained(tmp_path / "empty")
    assert "cannot be loaded" in refusal(tmp_path / "empty")
