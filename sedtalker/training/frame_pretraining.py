"""Pre-training of the frame network on all speech, labelled or not: masked spans are to be told from their context.

Targets are codes of a fixed random quantiser of the log-mels (BEST-RQ, Chiu et al. 2022, arXiv 2202.01855) and the
prosody itself, both of the clean input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.datasets.facegood import read_facegood
from sedtalker.datasets.feature_store import Copy, FeatureStore, open_features
from sedtalker.datasets.grid import read_grid
from sedtalker.datasets.manifest import read_manifest
from sedtalker.datasets.surroundings import read_surroundings
from sedtalker.emotion.frame_network import INPUTS, STRIDE, FrameNetwork, FrameNetworkConfig, frame_inputs
from sedtalker.speech.encoder import MEL_SCALE
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS
from sedtalker.training.loop import Batch
from sedtalker.training.speech_encoder import mask_spectrum, warp_bands

CORPORA = (
    *("ravdess", "nemo", "emotiontts_ko", "indian_emospeech", "emogator"),
    *("librispeech", "speechocean762", "ljspeech"),
)
"""Training speakers of these are heard; corpora kept for zero-shot tests or under no-derivatives licences are not."""
CODE_SIZE = 16
CARD = """# Frame network, pre-trained

Masked prediction on unlabelled speech of {corpora}, GRID and FaceGood. Not a diarizer: give its folder to
`sedtalker train experiment=frame_network task.pretrained=DIR`.
Held-out accuracy of masked codes {code_accuracy}, explained variance of masked prosody {prosody_r2}.
"""


class FramePretraining(BaseModel):
    """What ``configs/experiment/frame_pretraining.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    model: FrameNetworkConfig = FrameNetworkConfig()
    crops: int = 28
    seconds: float = 4.0
    masked: float = 0.45
    """Share of the frames that is hidden."""
    spans: tuple[int, int] = (4, 14)
    """Shortest and longest hidden span, frames at 25 Hz."""
    codebooks: int = 4
    codes: int = 256
    prosody_weight: float = 1.0
    copies: int = 2
    workers: int = 1


class PretrainingNetwork(nn.Module):
    """A frame network with heads for the codes and the prosody of hidden frames."""

    def __init__(self, config: FramePretraining):
        super().__init__()
        self.frames = FrameNetwork(config.model)
        self.shape = config.codebooks, config.codes
        self.codes = nn.Linear(config.model.width, config.codebooks * config.codes)
        self.prosody = nn.Linear(config.model.width, INPUTS - MEL_BANDS)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Code logits (B, T, G, N) and prosody (B, T, 11) at 25 Hz."""
        hidden = self.frames.hidden(inputs, mask).float()
        return self.codes(hidden).unflatten(-1, self.shape), self.prosody(hidden)


class RandomQuantiser:
    """Codes of log-mels by fixed random projections and codebooks; the same ones every time."""

    def __init__(self, codebooks: int, codes: int):
        rng = np.random.default_rng(0)
        size = STRIDE * MEL_BANDS
        self.projection = torch.from_numpy(rng.standard_normal((codebooks, size, CODE_SIZE)).astype(np.float32))
        books = rng.standard_normal((codebooks, codes, CODE_SIZE)).astype(np.float32)
        self.books = F.normalize(torch.from_numpy(books), dim=-1)

    def __call__(self, mel: Tensor) -> Tensor:
        """Codes (B, T / 2, G) of scaled log-mels (B, T, 80)."""
        pairs = mel.unflatten(1, (-1, STRIDE)).flatten(2)
        pairs = pairs - pairs.mean(-1, keepdim=True) * 0.5
        vectors = F.normalize(torch.einsum("btc,gcd->btgd", pairs, self.projection), dim=-1)
        return torch.einsum("btgd,gnd->btgn", vectors, self.books).argmax(-1)


def draw_mask(size: tuple[int, int], share: float, spans: tuple[int, int], rng: np.random.Generator) -> NDArray:
    """(B, T) bool: spans until about ``share`` of each row is hidden."""
    mask = np.zeros(size, bool)
    for row in mask:
        while row.mean() < share:
            length = int(rng.integers(spans[0], spans[1] + 1))
            start = int(rng.integers(0, max(1, size[1] - length)))
            row[start : start + length] = True
    return mask


class FramePretrainingTask:
    """See ``sedtalker.training.loop.Task``."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = FramePretraining.model_validate(config)
        self.quantiser = RandomQuantiser(self.config.codebooks, self.config.codes)
        clips = [c for c in read_manifest(data) if c.corpus in CORPORA and c.split in ("train", "valid")]
        recordings = [(f"{c.corpus}/{c.path.stem}", c.path) for c in clips]
        recordings += [(f"grid/{c.name}", c.audio) for c in read_grid(data) if c.split == "train"]
        recordings += [(f"facegood/{c.name}", c.audio) for c in read_facegood(data) if c.split == "train"]
        held = {f"{c.corpus}/{c.path.stem}" for c in clips if c.split == "valid"}
        surroundings = read_surroundings(data)
        copies, workers = self.config.copies, self.config.workers
        self.store: FeatureStore = open_features(
            "pretraining", recordings, copies, surroundings, cache, workers=workers
        )
        self.train = [c for c in self.store.copies if c.key not in held and c.duration > 0.8]
        self.valid = [c for c in self.store.copies if c.key in held and c.copy == 0 and c.duration > 0.8][::6]
        # Long recordings hold more to learn, but not one voice's worth more: the square root of the duration.
        corpus = np.array([c.key.split("/")[0] for c in self.train])
        share = np.sqrt([c.duration for c in self.train])
        for name in np.unique(corpus):
            share[corpus == name] /= share[corpus == name].sum() ** 0.5
        self.chance = share / share.sum()

    def build(self) -> nn.Module:
        """A freshly initialised network."""
        return PretrainingNetwork(self.config)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``inputs`` (B, T, 91) altered, ``clean`` (B, T, 91), ``mask`` and ``inside`` (B, T / 2)."""
        chosen = rng.choice(len(self.train), self.config.crops, p=self.chance)
        return self._crops([self.train[i] for i in chosen], rng, alter=True)

    def _crops(self, copies: list[Copy], rng: np.random.Generator, alter: bool) -> Batch:
        frames = int(self.config.seconds * FRAME_CLOCK.rate) // STRIDE * STRIDE
        mels, warped, prosodies, inside = [], [], [], []
        for copy in copies:
            slack = copy.duration - self.config.seconds * copy.speed
            start = float(rng.uniform(min(slack, 0.0), max(slack, 0.0)))
            crop = self.store.crop(copy, start, 2 * frames, tempo=copy.speed)
            mel = warp_bands(crop.mel, float(np.exp(rng.uniform(-0.12, 0.12)))) if alter else crop.mel
            mels.append(mel.reshape(frames, 2, -1).mean(1))
            warped.append((mask_spectrum(mel, rng) if alter else mel).reshape(frames, 2, -1).mean(1))
            prosodies.append(crop.prosody.reshape(frames, 2, -1).mean(1))
            inside.append(crop.inside.reshape(frames, 2).all(1))
        valid = torch.from_numpy(np.stack(inside))
        prosody, mel_ = torch.from_numpy(np.stack(prosodies)), torch.from_numpy(np.stack(mels)).float()
        clean = frame_inputs(mel_, prosody, valid, valid)
        altered = torch.cat([MEL_SCALE * torch.from_numpy(np.stack(warped)).float(), clean[..., MEL_BANDS:]], -1)
        size = (len(copies), frames // STRIDE)
        mask = draw_mask(size, self.config.masked, self.config.spans, rng)
        return {
            "inputs": altered,
            "clean": clean,
            "mask": torch.from_numpy(mask),
            "inside": valid.unflatten(1, (-1, STRIDE)).all(-1),
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of hidden codes and squared error of hidden prosody."""
        logits, prosody = model(batch["inputs"], batch["mask"])
        hidden = batch["mask"] & batch["inside"]
        codes = self.quantiser(batch["clean"][..., :MEL_BANDS])
        wanted = _pairs(batch["clean"][..., MEL_BANDS:])
        losses = {
            "codes": F.cross_entropy(logits[hidden].flatten(0, 1), codes[hidden].flatten()),
            "prosody": self.config.prosody_weight * (prosody - wanted)[hidden].square().mean(),
        }
        losses["total"] = losses["codes"] + losses["prosody"]
        return losses

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Accuracy of hidden codes and explained variance of hidden prosody on speakers not trained on."""
        rng = np.random.default_rng(0)
        right, error, variance = [], [], []
        for first in range(0, len(self.valid), 32):
            batch = self._crops(self.valid[first : first + 32], rng, alter=False)
            logits, prosody = model(batch["inputs"], batch["mask"])
            hidden = batch["mask"] & batch["inside"]
            codes = self.quantiser(batch["clean"][..., :MEL_BANDS])
            wanted = _pairs(batch["clean"][..., MEL_BANDS:])[hidden]
            right.append((logits.argmax(-1) == codes)[hidden].float().mean(-1))
            error.append((prosody[hidden] - wanted).square())
            variance.append((wanted - wanted.mean(0)).square())
        accuracy = float(torch.cat(right).mean())
        explained = 1.0 - float(torch.cat(error).sum() / torch.cat(variance).sum())
        return {"code_accuracy": accuracy, "prosody_r2": explained, "score": accuracy + 0.2 * explained}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the frame network alone; its head is untrained."""
        assert isinstance(model, PretrainingNetwork)
        config = CheckpointConfig(
            kind="frame_network",
            licence="CC-BY-NC-SA-4.0",
            trained_on=[*CORPORA, "grid", "facegood"],
            encoder_sha256=None,
            model=model.frames.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = CARD.format(corpora=", ".join(CORPORA), **{k: f"{v:.3f}" for k, v in metrics.items()})
        write_checkpoint(folder, config, model.frames.state_dict(), card)


def _pairs(values: Tensor) -> Tensor:
    """(B, T, C) averaged over pairs, (B, T / 2, C)."""
    return values.unflatten(1, (-1, STRIDE)).mean(2)
