"""The diarizer of the published SEDTalker (arXiv 2604.13335), and the speech models of its recipe.

Speech models come from the hub, from a folder, or of the real size with random weights.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.taxonomy import SEDTALKER_PAPER, known_category
from sedtalker.errors import InputError
from sedtalker.progress import Hook
from sedtalker.speech.backbone import Backbone, BackboneConfig, load_backbone, load_pretrained, model_input
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.manifest import Clip, read_manifest, spread
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.task import Batch, Count, Positive, Task, TaskConfig

RANDOM = "random"
"""In the place of a model's name: the same classes and sizes, untrained. For dry runs without a network."""
XLSR_LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "layerdrop": 0.0,
    "vocab_size": 33,
}
"""Sizes of wav2vec 2.0 large XLSR-53."""


def open_backbone(name: str, kind: Literal["wav2vec2", "wavlm"]) -> Backbone:
    """A backbone in training shape: convolutions frozen, no layer dropped, everything else free to move."""
    import transformers

    if name == RANDOM:
        torch.manual_seed(0)  # the same in every process
        if kind == "wavlm":
            model: Any = transformers.WavLMModel(transformers.WavLMConfig(layerdrop=0.0))  # its defaults are Base(+)
        else:
            model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**XLSR_LARGE))
        backbone = Backbone(model, transformers.Wav2Vec2FeatureExtractor(do_normalize=True))
    else:
        backbone = cast("Backbone", load_backbone(BackboneConfig(name=name)))
    backbone.model.config.layerdrop = 0.0
    backbone.model.config.apply_spec_augment = False  # drawn by NumPy's own generator, and not in the recipe
    backbone.model.requires_grad_(True)
    backbone.model.freeze_feature_encoder()
    backbone.model.masked_spec_embed.requires_grad_(False)
    return backbone


def open_recogniser(name: str) -> nn.Module:
    """The frozen speech recogniser (CTC) whose hidden vectors and text the lips have to match."""
    import transformers

    if name == RANDOM:
        torch.manual_seed(0)  # what it recognises is in the cache
        model: Any = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**XLSR_LARGE))
    else:
        model, loaded = load_pretrained(
            transformers.AutoModelForCTC, name, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        if any(key.startswith("lm_head") for key in loaded["missing_keys"]):
            raise InputError(f"{name}: recognises no letters (it has no weights for lm_head)")
    recogniser: nn.Module = model.eval().requires_grad_(False)
    return recogniser


# --- Training of the published SEDTalker diarizer, with its settings: the label of an utterance on each of its frames.


class PublishedDiarizerTaskConfig(TaskConfig):
    """What ``configs/experiment/sedtalker_paper/diarizer.yaml`` says about the task."""

    encoder: str = "microsoft/wavlm-base-plus"
    """WavLM of the hub or a folder; ``random``: of that size, untrained."""
    frozen_layers: int = 6
    """Layers, counted from the bottom, that stay as they are."""
    corpora: tuple[str, ...] = ()
    """Corpora of the manifest; empty: all that have labels."""
    clips: Count = 4
    """Crops in a batch."""
    seconds: Positive = 3.0
    """Length of a crop."""
    dropout: float = 0.3
    """Dropout of the head."""
    valid: Count = 400
    """Validation clips that are scored, spread evenly."""


def published_label(word: str) -> int | None:
    """Index of a corpus's word among the published seven classes, or None."""
    name = "upset" if word.strip().lower() in ("upset", "frustrated", "frustration", "fru") else known_category(word)
    return SEDTALKER_PAPER.index(name) if name in SEDTALKER_PAPER else None


class FrameClassifier(nn.Module):
    """Waveforms (B, N) to logits (B, T, 7), 50 frames a second."""

    def __init__(self, encoder: Any, dropout: float):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            *(nn.Linear(int(encoder.config.hidden_size), 256), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, len(SEDTALKER_PAPER))),
        )

    def forward(self, audio: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(audio).last_hidden_state)
        return logits


class PublishedDiarizerTask(Task[PublishedDiarizerTaskConfig, FrameClassifier]):
    """See ``sedtalker.training.task.Task``."""

    settings = PublishedDiarizerTaskConfig
    fast: ClassVar = {"valid": 8}

    def read_data(self, hook: Hook) -> None:
        """The encoder, and the labelled clips, decoded."""
        c, data = self.config, self.data
        labelled = [clip for clip in read_manifest(data) if published_label(clip.emotion) is not None]
        chosen = {clip.path for name in c.corpora for clip in clips_of(labelled, name)}
        self.clips = [clip for clip in labelled if not c.corpora or clip.path in chosen]
        by_split = {split: [i for i, x in enumerate(self.clips) if x.split == split] for split in ("train", "valid")}
        self.training, held_out = by_split["train"], by_split["valid"]
        if not self.training or not held_out:
            raise InputError(
                f"{data}: no labelled training or validation clips of {', '.join(c.corpora) or 'any corpus'}"
            )
        self.valid = spread(held_out, c.valid)
        self.backbone = open_backbone(c.encoder, "wavlm")
        if c.frozen_layers > len(self.backbone.layers):
            raise InputError(f"the backbone has {len(self.backbone.layers)} layers, fewer than task.frozen_layers")
        self.samples = WaveformStore.open([clip.path for clip in self.clips], self.cache, hook)
        counts = Counter(_label(self.clips[i]) for i in self.training)
        rarity = [len(self.training) / (len(counts) * counts[k]) if counts[k] else 0.0 for k in range(7)]
        self.weight = torch.tensor(rarity)

    def build(self) -> FrameClassifier:
        """The backbone, its lower layers frozen, under a fresh head."""
        for layer in list(self.backbone.layers)[: self.config.frozen_layers]:
            layer.requires_grad_(False)
        return FrameClassifier(self.backbone.model, self.config.dropout)

    def batch(self, rng: np.random.Generator) -> Batch:
        """``audio`` (B, N) of random crops and the ``label`` (B,) of their clips."""
        c = self.config
        chosen = [self.training[int(i)] for i in rng.integers(len(self.training), size=c.clips)]
        crops = [random_crop(self.samples[i], round(c.seconds * SAMPLE_RATE), rng) for i in chosen]
        labels = torch.tensor([_label(self.clips[i]) for i in chosen])
        return {"audio": model_input(self.backbone, crops), "label": labels}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted cross-entropy of every frame against the label of its utterance."""
        logits = model(batch["audio"]).float()
        labels = batch["label"][:, None].expand(logits.shape[:2])
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=self.weight.to(logits.device))
        return {"frames": entropy, "total": entropy}

    def validate(self, model: FrameClassifier) -> dict[str, float]:
        """Frame accuracy, weighted and macro F1 over the frames of validation speakers; the score is macro F1."""
        device = next(model.parameters()).device
        truth, guess = [], []
        for index in self.valid:
            samples = self.samples[index][: round(10.0 * SAMPLE_RATE)]  # of so many seconds
            frames = model(model_input(self.backbone, [samples]).to(device))[0].argmax(-1).cpu().numpy()
            truth.append(np.full(len(frames), _label(self.clips[index])))
            guess.append(frames)
        t, g = np.concatenate(truth), np.concatenate(guess)
        present = np.unique(t)
        macro = float(f1_score(t, g, labels=present, average="macro", zero_division=0))
        weighted = float(f1_score(t, g, labels=present, average="weighted", zero_division=0))
        return {
            "frame_accuracy": float((t == g).mean()),
            "frame_weighted_f1": weighted,
            "frame_macro_f1": macro,
            "score": macro,
        }

    def export(self, model: FrameClassifier, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder, encoder and all."""
        corpora = sorted({clip.corpus for clip in self.clips})
        described = self.config.model_dump(mode="json") | {"wavlm": self.backbone.model.config.to_diff_dict()}
        config = CheckpointConfig(
            kind="published_diarizer",
            licence="LicenseRef-strictest-of-the-corpora",
            trained_on=corpora,
            model=described,
            metrics=metrics,
        )
        table = card_table("published_diarizer", metrics, digits=4)
        card = fill_card("published_diarizer", corpora=", ".join(corpora), metrics=table)
        write_checkpoint(folder, config, model.state_dict(), card)


def random_crop(samples: Floats, length: int, rng: np.random.Generator) -> Floats:
    """``length`` samples from a random place; a shorter clip is repeated."""
    if len(samples) <= length:
        return np.resize(samples, length)
    first = int(rng.integers(0, len(samples) - length + 1))
    return samples[first : first + length]


def _label(clip: Clip) -> int:
    label = published_label(clip.emotion)
    assert label is not None
    return label
