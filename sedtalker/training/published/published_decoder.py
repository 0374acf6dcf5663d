"""The decoder of the published SEDTalker (arXiv 2604.13335), rebuilt from its description.

wav2vec 2.0 large XLSR, its convolutional features interpolated to 30 frames a second; a linear map to 512; embedding of
six emotions plus a linear map of the intensity, added; Mamba → Mamba with a mixture of two experts → transformer →
mixture → Mamba → mixture, where both Mambas and all three mixtures are one; a linear map to the vertices that starts at
zero. Lips are read by a second transformer, for two more losses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.audio import Audio, FrameClock, load_audio, resample_frames
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.nn.blocks import rotate
from sedtalker.nn.mamba import Mamba
from sedtalker.progress import Hook, counted
from sedtalker.speech.backbone import Backbone, model_input
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.feature_store import SpeechCache
from sedtalker.training.corpora.manifest import spread
from sedtalker.training.corpora.meshes import MeshSequence, open_sequences
from sedtalker.training.corpora.meshes.layouts import STEPS
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.evaluation.vertex_decoder_measures import score_sequences
from sedtalker.training.published.published_diarizer import open_backbone, open_recogniser
from sedtalker.training.task import Batch, Count, Task, TaskConfig
from sedtalker.training.tasks.vertex_decoder import licence_of

EMOTIONS: tuple[str, ...] = ("Smile2", "Sad1", "Irritated1", "Upset", "Disgust", "Afraid")
"""EmoVOCA's words for happy, sad, angry, upset, disgust and fear, in the order of the published ids."""
LETTERS = 33
"""Letters of the recogniser, blank included."""


class ExpertMamba(nn.Module):
    """Mamba, then a mixture of feed-forward experts, around one residual path. Every expert is used, as published."""

    def __init__(self, width: int, experts: int):
        super().__init__()
        self.mamba = Mamba(width, d_state=8, d_conv=8)
        self.gate = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False))
            for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.rms_norm(x, x.shape[-1:])
        y = self.mamba(y) + y
        y = F.rms_norm(y, y.shape[-1:])
        share = self.gate(y).softmax(-1)
        mixed = torch.stack([expert(y) for expert in self.experts], -1)
        return x + (mixed * share[..., None, :]).sum(-1)


class RotaryTransformer(nn.Module):
    """A transformer layer over the whole clip: eight heads, rotary positions, norms behind."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(4 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = (rotate(part, slice(0, length), length) for part in (q, k))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.dropout(self.out(y)))
        return self.norm2(x + self.dropout(self.feed(x)))


class LipReader(nn.Module):
    """Lip vertices (B, T, L, 3) to a recogniser's hidden vectors (B, n, H) and letters (B, n, 33)."""

    def __init__(self, lips: Tensor, hidden: int, heads: int, layers: int):
        super().__init__()
        self.register_buffer("lips", lips, persistent=False)
        self.map = nn.Linear(3 * len(lips), hidden)
        self.transformer = nn.Transformer(hidden, heads, layers, layers, dim_feedforward=2 * hidden, batch_first=True)
        self.letters = nn.Linear(hidden, LETTERS)

    def forward(self, vertices: Tensor, length: int) -> tuple[Tensor, Tensor]:
        assert isinstance(self.lips, Tensor)
        lips = self.map(vertices[:, :, self.lips].flatten(2))
        lips = resample(lips, length)
        read: Tensor = self.transformer(lips, lips)
        return read, self.letters(read)


def resample(x: Tensor, length: int) -> Tensor:
    """(B, T, D) to (B, length, D), linear, ends on ends."""
    return F.interpolate(x.transpose(1, 2), size=length, mode="linear", align_corners=True).transpose(1, 2)


class PublishedDecoder(nn.Module):
    """Waveform (B, N), emotion (B,) and intensity (B,) to vertex offsets (B, T, V, 3), metres, 30 frames a second."""

    def __init__(self, encoder: Any, vertices: int, lips: Tensor, config: PublishedDecoderTaskConfig):
        super().__init__()
        self.encoder = encoder
        hidden, width = int(encoder.config.hidden_size), config.width
        self.audio = nn.Linear(hidden, width)
        self.emotion = nn.Embedding(len(config.emotions), width)
        self.intensity = nn.Linear(1, width)
        self.mamba = Mamba(width)
        self.mixture = ExpertMamba(width, config.experts)
        self.attention = RotaryTransformer(width, config.heads)
        self.offsets = nn.Linear(width, 3 * vertices)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)
        self.reader = LipReader(lips, hidden, config.heads, config.lip_layers) if config.recogniser else None

    def move(self, audio: Tensor, emotion: Tensor, intensity: Tensor, frames: int) -> Tensor:
        """Offsets (B, T, V, 3)."""
        speech = resample(self.encoder.feature_extractor(audio).transpose(1, 2), frames)
        speech = self.encoder.encoder(self.encoder.feature_projection(speech)[0]).last_hidden_state
        x = self.audio(speech) + (self.emotion(emotion) + self.intensity(intensity[:, None]))[:, None]
        x = self.mixture(self.mamba(x))
        x = self.attention(x)
        x = self.mixture(self.mamba(self.mixture(x)))
        offsets: Tensor = self.offsets(x).unflatten(-1, (-1, 3))
        return offsets

    def forward(
        self, audio: Tensor, emotion: Tensor, intensity: Tensor, template: Tensor, frames: int, length: int
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Offsets, and what the lips of ``template`` (B, V, 3) + offsets read as, ``length`` vectors."""
        offsets = self.move(audio, emotion, intensity, frames)
        if self.reader is None:
            return offsets, None, None
        read, letters = self.reader(template[:, None] + offsets, length)
        return offsets, read, letters


# --- Training of the published SEDTalker decoder on EmoVOCA, with its settings.

FPS = 30.0
"""Frames a second that the published decoder works at."""


class PublishedDecoderTaskConfig(TaskConfig):
    """What ``configs/experiment/sedtalker_paper/decoder.yaml`` says about the task."""

    encoder: str = "jonatasgrosman/wav2vec2-large-xlsr-53-english"
    """wav2vec 2.0 of the hub or a folder; ``random``: of that size, untrained."""
    recogniser: str | None = "jonatasgrosman/wav2vec2-large-xlsr-53-english"
    """The frozen CTC model of the lip losses; None: train without them."""
    emotions: tuple[str, ...] = EMOTIONS
    """Words of the corpus, in the order of the published ids."""
    width: int = 512
    """Channels of the blocks."""
    heads: int = 8
    """Attention heads."""
    experts: int = 2
    """Feed-forward experts of the mixture."""
    lip_layers: Count = 6
    """Layers of the lip reader's encoder and decoder."""
    vertex_weight: float = 1000.0
    """Weight of the squared vertex error."""
    velocity_weight: float = 1000.0
    """Weight of the squared error of the frame differences."""
    lip_weight: float = 0.001
    """Weight of the squared error of the recogniser's hidden vectors."""
    text_weight: float = 0.0001
    """Weight of the recogniser's text (CTC)."""
    valid: Count = 12
    """Validation sequences that are scored, spread evenly."""


class PublishedDecoderTask(Task[PublishedDecoderTaskConfig, PublishedDecoder]):
    """See ``sedtalker.training.task.Task``."""

    settings = PublishedDecoderTaskConfig
    fast: ClassVar = {"valid": 2}

    def read_data(self, hook: Hook) -> None:
        """The sequences, what the recogniser makes of their sound, the encoder."""
        c, data = self.config, self.data
        self.corpus = open_sequences(data)
        self.licence = licence_of(self.corpus)
        strange = set(c.emotions) - set(self.corpus.labels)
        if strange:
            raise InputError(f"{data}: {self.corpus.name} has no emotion {', '.join(sorted(strange))}")
        self.training, self.valid = (
            [s for s in self.corpus.split(split) if s.emotion in c.emotions] for split in ("train", "valid")
        )
        if not self.training or not self.valid:
            raise InputError(f"{data}: no training or no validation sequence of {', '.join(c.emotions)}")
        self.valid = list(spread(self.valid, c.valid))
        subjects = {s.subject for s in (*self.training, *self.valid)}
        self.templates = {subject: self.corpus.template(subject) for subject in subjects}
        lips = self.corpus.mask("lips")
        if c.recogniser and lips is None:
            raise InputError(f"{data}: no lip mask, which the lip losses need; task.recogniser=null trains without")
        self.lips = torch.from_numpy(np.flatnonzero(lips)) if lips is not None else torch.zeros(0, dtype=torch.long)
        self.texts = _recognised(c.recogniser, self.training, self.cache, hook) if c.recogniser else None
        self.backbone = open_backbone(c.encoder, "wav2vec2")

    def build(self) -> PublishedDecoder:
        """The published network around its encoder."""
        return PublishedDecoder(self.backbone.model, self.training[0].open().shape[1], self.lips, self.config)

    def batch(self, rng: np.random.Generator) -> Batch:
        """One whole sequence at 30 frames a second, as published."""
        sequence = self.training[int(rng.integers(len(self.training)))]
        vertices = at_30(sequence, self.corpus.fps)
        batch = self._inputs(sequence, sequence.audio)
        batch["template"] = torch.from_numpy(np.ascontiguousarray(self.templates[sequence.subject]))[None]
        batch["vertices"] = torch.from_numpy(vertices)[None]
        if self.texts is not None:
            assert sequence.audio is not None
            recognised = torch.from_numpy(np.asarray(self.texts[sequence.audio], np.float32))
            batch["recognised"] = recognised[None, :, :-1]
            batch["text"] = collapse(recognised[:, -1].long())[None]
        return batch

    def _inputs(self, sequence: MeshSequence, audio: Path | None) -> Batch:
        assert audio is not None
        assert sequence.emotion is not None
        return {
            "audio": model_input(self.backbone, [load_audio(audio).samples]),
            "emotion": torch.tensor([self.config.emotions.index(sequence.emotion)]),
            "intensity": torch.tensor([round(sequence.intensity * STEPS) - 1.0]),
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """1000 · MSE + 1000 · velocity + 0.001 · lip vectors + 0.0001 · CTC of the text."""
        c, frames = self.config, batch["vertices"].shape[1]
        length = batch["recognised"].shape[1] if "recognised" in batch else 0
        offsets, read, letters = model(
            batch["audio"], batch["emotion"], batch["intensity"], batch["template"], frames, length
        )
        error = batch["template"][:, None] + offsets - batch["vertices"]
        losses = {"vertices": error.square().mean(), "velocity": error.diff(dim=1).square().mean()}
        total = c.vertex_weight * losses["vertices"] + c.velocity_weight * losses["velocity"]
        if read is not None:
            losses["lips"] = F.mse_loss(read, batch["recognised"])
            losses["text"] = _ctc(letters, batch["text"])
            total = total + c.lip_weight * losses["lips"] + c.text_weight * losses["text"]
        return losses | {"total": total}

    def validate(self, model: PublishedDecoder) -> dict[str, float]:
        """Metrics on validation sequences, with the controls."""
        device = next(model.parameters()).device

        def predict(sequence: MeshSequence, audio: Path, frames: int) -> Floats:
            own = self._inputs(sequence, audio)
            count = max(1, round(frames / self.corpus.fps * FPS))
            inputs = [own[name].to(device) for name in ("audio", "emotion", "intensity")]
            moved = model.move(inputs[0], inputs[1], inputs[2], count)
            times = FrameClock(self.corpus.fps).times(frames)
            return resample_frames(moved[0].float().cpu().numpy(), FrameClock(FPS).times(count), times)

        return score_sequences(predict, self.corpus, self.valid).metrics

    def export(self, model: PublishedDecoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder, encoder and all."""
        described = self.config.model_dump(mode="json") | {"wav2vec2": self.backbone.model.config.to_diff_dict()}
        config = CheckpointConfig(
            kind="published_decoder",
            licence=self.licence,
            trained_on=[f"{self.corpus.name}, {len(self.training)} sequences: {self.corpus.licence}"],
            model=described,
            metrics=metrics,
        )
        card = fill_card(
            "published_decoder",
            sequences=len(self.training),
            corpus=self.corpus.name,
            valid=len(self.valid),
            metrics=card_table("published_decoder", metrics, digits=4),
            licence=self.corpus.licence,
        )
        write_checkpoint(folder, config, model.state_dict(), card)


def at_30(sequence: MeshSequence, fps: float) -> Floats:
    """Vertices (T, V, 3) at 30 frames a second: every second of 60, else interpolated."""
    vertices = sequence.open()
    if fps == 2 * FPS:
        return np.array(vertices[::2], np.float32)
    times = FrameClock(FPS).times(max(1, round(len(vertices) / fps * FPS)))
    return resample_frames(np.asarray(vertices), FrameClock(fps).times(len(vertices)), times)


def collapse(best: Tensor) -> Tensor:
    """Letters of a path (T,) by CTC's rule: repetitions are one, blanks (0) none."""
    kept = torch.unique_consecutive(best)
    return kept[kept != 0]


def _ctc(letters: Tensor, text: Tensor) -> Tensor:
    log_probs = letters.float().log_softmax(-1).transpose(0, 1)
    lengths = torch.tensor([len(log_probs)]), torch.tensor([text.shape[1]])
    return F.ctc_loss(log_probs, text, *lengths, blank=0, zero_infinity=True)


def _recognised(name: str, sequences: list[MeshSequence], cache: Path, hook: Hook) -> dict[Path, NDArray[np.float16]]:
    """The recogniser's hidden vectors and best letters (n, H + 1) of every recording; its weights are then let go."""
    import transformers

    model = open_recogniser(name)
    prepare = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)

    @torch.no_grad()
    def recognise(audio: Audio) -> Floats:
        inputs = prepare([audio.samples], sampling_rate=audio.rate, return_tensors="pt")["input_values"]
        found: Any = model(inputs, output_hidden_states=True)
        return torch.cat([found.hidden_states[-1][0], found.logits[0].argmax(-1, keepdim=True).float()], -1).numpy()

    kept = SpeechCache(cache, Backbone(model, prepare).sha256(), recognise)
    recordings = list(dict.fromkeys(s.audio for s in sequences if s.audio is not None))
    return {audio: kept.get(audio) for audio in counted(recordings, hook, "recognising speech", len(recordings))}
