"""Training of the heads for fine-grained emotions: vocal bursts of thirty kinds, and speech with the votes of raters.

Both train one softmax over the thirty kinds. A burst says which of them it was asked for. The actors of the speech were
asked for six categories, and its raters chose among these: there the kinds that stand for the six have the shares of
the votes, and the others together the share ``unvoted``, evenly. Without that nothing says that a usual voice is not
embarrassed, and on sentences kinds lead that nobody expressed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats, Reals
from sedtalker.checkpoint import write_checkpoint
from sedtalker.emotion.fine import FineConfig, fine_channels, pooled_windows
from sedtalker.emotion.network import FineNetwork
from sedtalker.emotion.taxonomy import known_kind
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.motion import correlation
from sedtalker.progress import Hook
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.training.cards import card_of, learned_from
from sedtalker.training.corpora.layer_features import (
    LayerFeatures,
    WindowsTaskConfig,
    open_layer_features,
    open_vectors,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of, known_corpus
from sedtalker.training.corpora.transfer_recipe import Votes, is_rated, read_votes, votes_on
from sedtalker.training.evaluation.transfer import balanced_clips
from sedtalker.training.task import Batch, Count, Task, naming_settings


class FineEmotionsTaskConfig(WindowsTaskConfig):
    """What ``configs/experiment/fine_emotions.yaml`` says about the task."""

    corpora: dict[str, float] = {"emogator": 0.75, "cremad": 0.25}
    """Share of the windows from each corpus."""
    most_rated: int = 2000
    """Use so many clips of a rated corpus at most, each emotion in turn; 0: all."""
    windows_per_clip: Count = 4
    smoothing: float = 0.05
    """Label smoothing of the bursts."""
    unvoted: float = Field(0.2, ge=0.0, lt=1.0)
    """Share of the kinds that raters could not choose, in the target of what they rated."""
    model: dict[str, Any] = {}
    """Differences to ``FineConfig``."""


class FineEmotionsTask(Task[FineEmotionsTaskConfig, FineNetwork]):
    """See ``sedtalker.training.task.Task``."""

    settings = FineEmotionsTaskConfig
    fast: ClassVar = {"copies": {}}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        super().__init__(config, data, cache)
        with naming_settings("task.model."):
            self.model = FineConfig.model_validate({**self.config.model, "kinds": BURSTS, "hidden_channels": 1})

    def read_data(self, hook: Hook) -> None:
        """Features of all clips, their windows, and what is known of them."""
        c, every = self.config, read_manifest(self.data)
        self.vectors = open_vectors(c.encoder, self.data, c.teacher)
        self.model = self.model.model_copy(update={"hidden_channels": self.vectors.channels})
        augmenter = read_transfer_augmenter(every, [k for each in c.copies.values() for k in each], self.cache, hook)
        self.votes = read_votes(self.data, [name for name in c.corpora if is_rated(name)])

        def windows(name: str, split: str, copy: int) -> tuple[Floats, list[Clip]]:
            clips = clips_of(every, name, split)
            if is_rated(name):
                clips = balanced_clips([clip for clip in clips if votes_on(clip, self.votes)], c.most_rated or None)
            else:
                clips = [clip for clip, number in zip(clips, kind_numbers(clips), strict=True) if number >= 0]
            features = open_layer_features(clips, copy, augmenter, self.cache, self.vectors.teacher, hook)
            rows, owner = clip_windows(features, self.model, self.vectors.encoder, c.windows_per_clip)
            return rows, [clips[k] for k in owner]

        parts = {name: [windows(name, "train", k) for k in c.copies.get(name, (0,))] for name in c.corpora}
        self.rows = np.concatenate([rows for each in parts.values() for rows, _ in each])
        clips = [clip for each in parts.values() for _, owned in each for clip in owned]
        self.kind, self.share = kind_numbers(clips), vote_shares(clips, self.votes)
        self.kind[self.share.any(1)] = -1  # what raters chose counts, not what was asked for
        counts = {name: sum(len(rows) for rows, _ in each) for name, each in parts.items()}
        shares = np.concatenate([np.full(counts[name], share / counts[name]) for name, share in c.corpora.items()])
        self.chance = shares / shares.sum()
        held = [windows(name, "valid", 0) for name in c.corpora]
        self.valid = np.concatenate([rows for rows, _ in held]), [clip for _, owned in held for clip in owned]

    def build(self) -> FineNetwork:
        """A fresh network with the mean and deviation of the training windows."""
        network = FineNetwork(self.model)
        network.mean.copy_(torch.from_numpy(self.rows.mean(0)))
        network.scale.copy_(torch.from_numpy(1.0 / (self.rows.std(0) + 1e-4)))
        return network

    def batch(self, rng: np.random.Generator) -> Batch:
        """``rows`` (N, F) with noise, ``kind`` (N,) with -1 where raters voted, and their ``share`` (N, 6)."""
        chosen = rng.choice(len(self.chance), self.config.batch, p=self.chance)
        rows = self.rows[chosen]
        noise = self.config.noise * rng.standard_normal(rows.shape, np.float32) * self.rows.std(0)
        values = {"rows": rows + noise, "kind": self.kind[chosen], "share": self.share[chosen]}
        return {name: torch.from_numpy(value) for name, value in values.items()}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropies of the bursts and of the votes."""
        logits, burst = model(batch["rows"]), batch["kind"] >= 0
        count = len(logits)
        total = {"bursts": logits.new_zeros(()), "votes": logits.new_zeros(())}
        if burst.any():
            smoothing = self.config.smoothing
            entropy = F.cross_entropy(logits[burst], batch["kind"][burst], label_smoothing=smoothing, reduction="sum")
            total["bursts"] = entropy / count
        if (~burst).any():
            log, other = F.log_softmax(logits[~burst], 1), self.config.unvoted
            chosen = -(batch["share"][~burst] * voted_log_shares(log)).sum(1)
            rest = -log[:, torch.from_numpy(voted_members()).sum(1) == 0].mean(1)
            total["votes"] = ((1.0 - other) * chosen + other * rest).sum() / count
        return total | {"total": total["bursts"] + total["votes"]}

    @torch.no_grad()
    def validate(self, model: FineNetwork) -> dict[str, float]:
        """Correlations on the validation speakers, a clip being the mean of its windows."""
        rows, clips = self.valid
        names = [f"{clip.corpus}/{clip.path.name}" for clip in clips]
        _, first, owner = np.unique(names, return_index=True, return_inverse=True)
        values = model.curves(torch.from_numpy(rows).to(model.mean)).cpu().double().numpy()
        means = np.stack([values[owner == k].mean(0) for k in range(len(first))])
        kept = [clips[k] for k in first]
        kind, share = kind_numbers(kept), vote_shares(kept, self.votes)
        rated = share.any(1)
        burst = ~rated & (kind >= 0)
        found = {}
        if burst.any():
            found["kinds_pearson"] = mean_correlation(means[burst], np.eye(len(BURSTS))[kind[burst]])
            found["kinds_accuracy"] = float((means[burst].argmax(1) == kind[burst]).mean())
        if rated.any():
            voted = means[rated] @ voted_members()
            found["votes_pearson"] = mean_correlation(voted / voted.sum(1, keepdims=True), share[rated])
        return found | {"score": float(np.mean([v for k, v in found.items() if k.endswith("pearson")]))}

    def export(self, model: FineNetwork, folder: Path, metrics: dict[str, float]) -> None:
        """Write the heads; ``sedtalker diarize --fine-model`` reads them."""
        names, read = self.config.corpora, self.vectors.sha256()
        config = learned_from("fine_emotions", names, model.config, metrics, read)
        encoder = "layers of Whisper-base (MIT, not contained here)" if self.vectors.teacher else "the emotion encoder"
        card = card_of(config, encoder=encoder, kinds=", ".join(model.config.kinds))
        write_checkpoint(folder, config, model.state_dict(), card)


@torch.no_grad()
def clip_windows(
    features: LayerFeatures, config: FineConfig, encoder: EmotionEncoder | None, most: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Rows (N, F) of at most ``most`` windows with speech of each clip, and whose they are (N,)."""
    rng, parts, owner = np.random.default_rng(0), [], []
    for index in range(len(features)):
        _, centred, prosody, hidden = features.recording(index, encoder)
        speech = np.array(features.speech[features.starts[index] : features.starts[index + 1]])
        rows, spoken = pooled_windows(fine_channels(hidden, prosody, centred), speech, config)
        found = np.flatnonzero(spoken)
        chosen = np.sort(rng.choice(found, min(most, len(found)), replace=False))
        parts.append(rows[chosen])
        owner.append(np.full(len(chosen), index))
    return np.concatenate(parts), np.concatenate(owner)


def voted_log_shares(log: Tensor) -> Tensor:
    """Logarithms (N, 6) of what the kinds that stand for a category have together, from those of the kinds (N, 30)."""
    members = torch.from_numpy(voted_members())
    return torch.stack([torch.logsumexp(log[:, members[:, k] > 0], 1) for k in range(members.shape[1])], 1)


def mean_correlation(values: Reals, truth: Reals) -> float:
    """Mean Pearson correlation of the columns (N, K) whose truth varies."""
    columns = [k for k in range(truth.shape[1]) if np.ptp(truth[:, k]) > 0]
    return float(np.mean([correlation(values[:, k], truth[:, k]) for k in columns])) if columns else 0.0


# --- What corpora say of fine-grained emotions: the kind a vocal burst was asked for, and the votes of raters.


BURSTS = (
    *("adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire", "disappointment"),
    *("disgust", "distress", "ecstasy", "elation", "embarrassment", "fear", "guilt", "interest", "neutral", "pain"),
    *("pride", "realization", "relief", "romantic love", "sadness", "serenity", "shame", "negative surprise"),
    *("positive surprise", "sympathy", "triumph"),
)
"""EmoGator's thirty kinds in the order of their numbers, which begin with 01."""
VOTED: Mapping[str, tuple[str, ...]] = {
    "neutral": ("neutral",),
    "happy": ("amusement", "elation"),
    "sad": ("sadness",),
    "angry": ("anger",),
    "fear": ("fear",),
    "disgust": ("disgust",),
}
"""The kinds that stand for each category raters could choose among; there was no surprise."""


def clip_kind(clip: Clip) -> str | None:
    """The kind a clip was asked for: by its number in EmoGator, else by the corpus's word; None where it is none."""
    known = known_corpus(clip.corpus)
    if known is not None and known.name == "emogator":
        number = re.search(r"-(\d\d)-\d", clip.path.name)
        return BURSTS[int(number[1]) - 1] if number and 1 <= int(number[1]) <= len(BURSTS) else None
    return known_kind(clip.emotion.removeprefix("other:"))


def kind_numbers(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Index (N,) into ``BURSTS`` of the kind that clips were asked for; -1 where it is none of them."""
    kinds = [clip_kind(clip) for clip in clips]
    return np.array([BURSTS.index(kind) if kind in BURSTS else -1 for kind in kinds], np.int64)


def vote_shares(clips: Sequence[Clip], votes: Mapping[str, Votes]) -> Floats:
    """Share (N, 6) of the raters who chose each of ``VOTED``; rows of clips without votes are zero."""
    order = [CATEGORIES.index(category) for category in VOTED]
    out = np.zeros((len(clips), len(VOTED)), np.float32)
    for row, clip in zip(out, clips, strict=True):
        rated = votes_on(clip, votes)
        if rated is not None:
            row[:] = rated.share[order]
    return out


def voted_members() -> Floats:
    """Which of ``BURSTS`` stand for which of ``VOTED``, (30, 6)."""
    return np.array([[kind in kinds for kinds in VOTED.values()] for kind in BURSTS], np.float32)
