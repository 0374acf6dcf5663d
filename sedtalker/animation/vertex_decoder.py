"""Speech features and emotion to the vertices of one topology, through a basis that starts from the data's PCA."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import DecoderConfig, decoder_speech, eased_emotion
from sedtalker.animation.decoder_network import make_block
from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.taxonomy import EMOVOCA, known_category
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.nn import initialised
from sedtalker.nn.blocks import AdaptiveNorm
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.features import PROSODY_CHANNELS, SpeechFeatures

MILLIMETRES = 1000.0
"""The basis is kept in millimetres: half precision would lose metres."""
MEAN_SHAPE = "mean"
"""Name of the coefficient of the mean offset, which is always 1."""


class VertexDecoderConfig(BaseModel, extra="forbid"):
    """Hyper-parameters of ``VertexDecoder``."""

    blocks: DecoderConfig = DecoderConfig()
    """The network before the basis; its ``shapes`` and ``styles`` are not used."""
    coefficients: int = Field(48, ge=1)
    """Size of the basis."""
    vertices: int = Field(5023, ge=1)
    """Number of vertices of the one topology that the decoder moves."""
    labels: tuple[str, ...] = ("neutral",)
    """The corpus's words for emotions, in the order of the posterior."""
    backbone: BackboneConfig | None = None
    """Speech backbone; null: the built-in encoder."""


class VertexDecoder(nn.Module):
    """Features (B, T, D + 4), posterior (B, T, C) and intensity (B, T) to vertex offsets (B, T, V, 3), metres."""

    def __init__(self, config: VertexDecoderConfig):
        super().__init__()
        self.config = config
        blocks = config.blocks
        self.speech = nn.Linear(blocks.hidden + len(PROSODY_CHANNELS), blocks.width)
        shape = len(config.labels), blocks.condition
        self.emotions = initialised(lambda: torch.randn(shape) * blocks.condition**-0.5, *shape)
        self.mix = nn.Linear(blocks.condition, blocks.condition)
        self.blocks = nn.ModuleList(make_block(blocks, i) for i in range(len(blocks.layout)))
        self.norm = AdaptiveNorm(blocks.width, blocks.condition)
        self.coefficients = nn.Linear(blocks.width, config.coefficients)
        self.basis = nn.Linear(config.coefficients, 3 * config.vertices)

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor) -> Tensor:
        offsets = self.basis(self.read_out(speech, posterior, intensity)) / MILLIMETRES
        return offsets.unflatten(-1, (-1, 3))

    def read_out(self, speech: Tensor, posterior: Tensor, intensity: Tensor) -> Tensor:
        """Coefficients (B, T, K) of the basis."""
        emotion = (posterior @ self.emotions) * intensity[..., None]
        condition = emotion + F.silu(self.mix(emotion))
        x = self.speech(speech)
        for block in self.blocks:
            x = block(x, condition)
        y, _ = self.norm(x, condition)
        return self.coefficients(y)

    moves_vertices = True
    """See ``ShapeDecoder``."""
    styles = ()
    """None: corpora of vertices say nothing of styles."""

    @property
    def shapes(self) -> tuple[str, ...]:
        """Names of what ``predict`` gives: the mean offset and the components of the basis."""
        return (MEAN_SHAPE, *(f"component_{i + 1}" for i in range(self.config.coefficients)))

    @torch.no_grad()
    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Floats:
        """As ``ShapeDecoder.predict``: coefficients (T, 1 + K), the first of them 1 (the mean offset).

        The track's seven categories become the corpus's own words by ``emotion_words``.
        """
        posterior, intensity = emotion_words(self.config.labels, *eased_emotion(features, track))
        given = (decoder_speech(self.config.blocks.hidden, features), posterior, intensity)
        rows = self.read_out(*(torch.from_numpy(part)[None].to(self.emotions.device) for part in given))
        made = rows[0].float().cpu().numpy()
        return np.concatenate([np.ones((len(made), 1), np.float32), made], axis=1)

    def face(self, mesh: Mesh, name: str) -> Face:
        """A head of the topology it was trained on, as a face with this decoder's basis.

        Raises:
            InputError: the mesh has another number of vertices.
        """
        if len(mesh.vertices) != self.config.vertices:
            raise InputError(
                f"{name}: the mesh has {len(mesh.vertices)} vertices and the decoder moves heads of "
                f"{self.config.vertices}: give --mesh a head of the topology it was trained on"
            )
        weight, bias = self.basis.weight.detach().cpu().numpy(), self.basis.bias.detach().cpu().numpy()
        basis = np.concatenate([bias[None], weight.T]) / MILLIMETRES
        return Face(name, mesh, self.shapes, basis.reshape(len(basis), -1, 3).astype(np.float32))

    @torch.no_grad()
    def start_from(self, mean: Reals, components: Reals) -> None:
        """Set the basis to a mean offset (V, 3) and principal components (K, V, 3) of unit coefficients, metres."""
        flat = torch.from_numpy(np.asarray(components, np.float32)).flatten(1) * MILLIMETRES
        self.basis.weight.zero_()
        self.basis.weight[:, : len(flat)].copy_(flat.T)
        self.basis.bias.copy_(torch.from_numpy(np.asarray(mean, np.float32)).flatten() * MILLIMETRES)
        self.coefficients.weight.mul_(0.1)
        self.coefficients.bias.zero_()


def principal_components(offsets: Reals, count: int) -> tuple[Floats, Floats, float]:
    """Mean (V, 3), components (K, V, 3) scaled so that coefficients have variance 1, and the share of variance kept.

    Args:
        offsets: (N, V, 3) displacements from the resting face.
        count: K; fewer where there are not so many frames.
    """
    flat = np.asarray(offsets, np.float32).reshape(len(offsets), -1)
    mean = flat.mean(0)
    centred = flat - mean
    gram = centred.astype(np.float64) @ centred.T.astype(np.float64) / len(flat)
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][: min(count, len(flat) - 1)]
    kept = np.maximum(values[order], 0.0)
    components = (vectors[:, order].T @ centred) / np.sqrt(len(flat))
    share = float(kept.sum() / max(np.maximum(values, 0.0).sum(), 1e-20))
    shape = offsets.shape[1:]
    return mean.reshape(shape), components.reshape(-1, *shape).astype(np.float32), share


def emotion_words(labels: tuple[str, ...], posterior: Reals, intensity: Reals) -> tuple[Floats, Floats]:
    """A track's posterior (T, 7) and intensity (T,) in a corpus's own words: posterior (T, C) and intensity (T,).

    Words that stand for one category share it evenly; what no word stands for is left out. Neutral has no strength.
    """
    meaning = [EMOVOCA.get(label, known_category(label)) for label in labels]
    strength = np.zeros((len(posterior), len(labels)), np.float32)
    for i, category in enumerate(meaning):
        if category is not None and category != "neutral":
            strength[:, i] = posterior[:, CATEGORIES.index(category)] * intensity / meaning.count(category)
    total = strength.sum(1)
    words = np.where(total[:, None] > 0, strength / np.maximum(total, 1e-9)[:, None], one_hot(labels, None, 1))
    return words.astype(np.float32), total


def one_hot(labels: tuple[str, ...], emotion: str | None, frames: int) -> NDArray[Any]:
    """Posterior (T, C) of one word throughout; the first word stands for neutral, whose intensity is 0."""
    posterior = np.zeros((frames, len(labels)), np.float32)
    posterior[:, labels.index(emotion) if emotion else 0] = 1.0
    return posterior
