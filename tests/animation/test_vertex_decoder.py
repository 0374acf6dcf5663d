"""Offsets of vertices through a basis, and words of corpora, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.vertex_decoder import (
    VertexDecoder,
    VertexDecoderConfig,
    emotion_words,
    one_hot,
    principal_components,
)
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from tests.support.cube import cube_mesh

BLOCKS = DecoderConfig(hidden=12, width=16, condition=8, heads=2, radius=2, layout="MA")


def decoder(labels: tuple[str, ...] = ("neutral", "happy", "angry"), coefficients: int = 3) -> VertexDecoder:
    torch.manual_seed(0)
    config = VertexDecoderConfig(blocks=BLOCKS, coefficients=coefficients, vertices=8, labels=labels)
    net = VertexDecoder(config).eval().requires_grad_(False)
    for parameter in net.parameters():  # adaptive norms start at zero and would hide errors
        torch.nn.init.normal_(parameter, std=0.3) if parameter.abs().max() == 0 else None
    return net


def features(frames: int = 20) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    hidden, mel, prosody = (rng.standard_normal((frames, n)).astype(np.float32) for n in (12, 80, 4))
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, np.ones(frames, bool))


def test_a_face_with_the_coefficients_is_the_forward_pass_in_metres() -> None:
    net, sound, track = decoder(), features(), constant_track("happy:0.6", 0.4)
    coefficients = net.predict(sound, track)
    assert coefficients.shape == (20, 4)
    assert (coefficients[:, 0] == 1).all()
    face = net.face(cube_mesh(), "cube")
    assert face.shapes == net.shapes == ("mean", "component_1", "component_2", "component_3")
    speech = torch.cat([torch.from_numpy(sound.hidden), _prosody(sound)], 1)[None]
    posterior = torch.tensor([0.0, 1.0, 0.0]).expand(1, 20, 3)
    offsets = net(speech, posterior, torch.full((1, 20), 0.6))[0].numpy()
    np.testing.assert_allclose(face.deform(coefficients) - face.mesh.vertices, offsets, atol=1e-6)
    assert np.abs(offsets).max() > 1e-4


def _prosody(sound: SpeechFeatures) -> torch.Tensor:
    return (torch.from_numpy(sound.prosody) - torch.tensor([-6.0, 0.0, 0.6, -3.0])) / torch.tensor([3.0, 0.5, 0.3, 3.0])


def test_emotion_changes_the_motion_and_no_strength_is_neutral() -> None:
    net, sound = decoder(), features()
    neutral = net.predict(sound, constant_track("neutral", 0.4))
    np.testing.assert_allclose(net.predict(sound, constant_track("happy:0", 0.4)), neutral, atol=1e-6)
    strong = [net.predict(sound, constant_track(f"{label}:1", 0.4)) for label in ("happy", "angry")]
    assert np.abs(strong[0] - neutral).max() > 1e-3
    assert np.abs(strong[0] - strong[1]).max() > 1e-3


def test_the_condition_is_the_emotion_and_its_mix() -> None:
    net = decoder()
    seen: list[torch.Tensor] = []
    net.norm.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    posterior = torch.tensor([0.25, 0.75, 0.0]).expand(1, 4, 3)
    net.read_out(torch.zeros(1, 4, 16), posterior, torch.full((1, 4), 0.5))
    emotion = 0.5 * (0.25 * net.emotions[0] + 0.75 * net.emotions[1])
    expected = emotion + torch.nn.functional.silu(net.mix(emotion))
    assert torch.allclose(seen[0][0, 0], expected, atol=1e-6)


def test_meshes_of_other_topologies_and_other_blocks_are_refused() -> None:
    with pytest.raises(InputError, match="the mesh has 8 vertices and the decoder moves heads of 9"):
        net = VertexDecoder(VertexDecoderConfig(blocks=BLOCKS, coefficients=2, vertices=9))
        net.face(cube_mesh(), "cube")
    assert decoder().styles == ()


def test_it_starts_from_the_mean_and_the_components() -> None:
    net = decoder()
    rng = np.random.default_rng(1)
    mean, components = rng.normal(size=(8, 3)), rng.normal(size=(2, 8, 3))
    before = net.coefficients.weight.clone()
    net.start_from(mean, components)
    face = net.face(cube_mesh(), "cube")
    np.testing.assert_allclose(face.basis[0], mean, rtol=1e-5)
    np.testing.assert_allclose(face.basis[1:3], components, rtol=1e-5)
    assert not face.basis[3].any()
    assert torch.allclose(net.coefficients.weight, 0.1 * before)
    assert not net.coefficients.bias.any()


def test_principal_components_of_two_directions() -> None:
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((40, 2)) * (3.0, 1.0)
    directions = np.zeros((2, 5, 3))
    directions[0, 1, 0] = directions[1, 3, 2] = 1.0
    offsets = 0.5 + np.tensordot(weights, directions, axes=1)
    mean, components, share = principal_components(offsets, 2)
    np.testing.assert_allclose(mean, offsets.mean(0), atol=1e-5)
    assert share == pytest.approx(1.0)
    centred = (offsets - mean).reshape(40, -1)
    flat = components.reshape(2, -1).astype(np.float64)
    codes = centred @ np.linalg.pinv(flat)
    np.testing.assert_allclose(codes.T @ codes / 40, np.eye(2), atol=1e-4)
    np.testing.assert_allclose(codes @ flat, centred, atol=1e-4)
    alone = principal_components(offsets, 1)
    np.testing.assert_allclose(np.abs(alone[1]), np.abs(components[:1]), atol=1e-5)
    assert alone[2] == pytest.approx(np.linalg.svd(centred, compute_uv=False)[0] ** 2 / (centred**2).sum(), rel=1e-4)
    assert len(principal_components(offsets[:3], 9)[1]) == 2, "fewer where there are fewer frames"


def test_a_track_in_the_words_of_a_corpus() -> None:
    posterior = np.zeros((3, 7), np.float32)
    posterior[0, CATEGORIES.index("happy")] = 1.0
    posterior[1, [CATEGORIES.index("happy"), CATEGORIES.index("fear")]] = 0.5
    posterior[2, 0] = 1.0
    labels = ("neutral", "Smile2", "Pleased", "Ill", "Irritated1")
    words, strength = emotion_words(labels, posterior, np.full(3, 0.8, np.float32))
    np.testing.assert_allclose(words, [[0, 0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0, 0], [1, 0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(strength, [0.8, 0.4, 0.0], atol=1e-6)


def test_one_word_throughout() -> None:
    np.testing.assert_array_equal(one_hot(("calm", "joy"), "joy", 2), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(one_hot(("calm", "joy"), None, 1), [[1, 0]])


def test_by_default_it_moves_the_head_of_flame_by_48_components() -> None:
    made = VertexDecoder(VertexDecoderConfig())
    assert made.basis.weight.shape == (3 * 5023, 48)
    assert made.shapes == ("mean", *(f"component_{k}" for k in range(1, 49)))
    assert VertexDecoderConfig(coefficients=1, vertices=1).labels == ("neutral",)
    for wrong in ({"coefficients": 0}, {"vertices": 0}):
        with pytest.raises(ValidationError):
            VertexDecoderConfig(**wrong)


def test_components_of_frames_that_never_move_are_nothing() -> None:
    mean, components, share = principal_components(np.ones((4, 2, 3)), 9)
    assert components.shape == (3, 2, 3)
    assert not components.any()
    assert share == 0.0
    np.testing.assert_array_equal(mean, np.ones((2, 3)))


def test_a_weak_emotion_has_the_words_of_a_strong_one() -> None:
    posterior = np.tile(np.eye(7)[CATEGORIES.index("happy")], (3, 1))
    words, strength = emotion_words(("neutral", "happy"), posterior, np.array([0.0, 1e-6, 1.0]))
    assert words.tolist() == [[1.0, 0.0], [0.0, pytest.approx(1.0)], [0.0, 1.0]]
    np.testing.assert_allclose(strength, [0.0, 1e-6, 1.0])
