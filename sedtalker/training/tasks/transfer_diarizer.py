"""Training of a diarizer that transfers: whitened perceptrons on free corpora, chosen on other corpora.

Targets are the votes of CREMA-D's raters, and BanglaSER's labels, every category made equally likely (logit
adjustment, Menon et al. 2021). Read speech is left out of the categories on purpose: three per cent of it as "probably
neutral" let the network tell CREMA-D's recordings from all others, and every unseen corpus became neutral. It is what
the *intensity* is set against instead: a perceptron of its own learns how strong listeners found the emotion, with the
read speech of hundreds of speakers as examples of none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Doubles, Reals
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint, weights_sha256, write_checkpoint
from sedtalker.emotion.diarizer_model import Beside, DiarizerConfig, FrameNetworkConfig
from sedtalker.emotion.network import DiarizerNetwork, intensity_offset, ordinal_intensity
from sedtalker.emotion.shown import Scale
from sedtalker.emotion.track import CATEGORIES, NEUTRAL
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.progress import Hook
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.training.cards import learned_from, transfer_card
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.layer_features import (
    SOUNDS,
    TEACHER,
    WindowsTaskConfig,
    open_layer_features,
    open_vectors,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.speech import clips_of, named_clips
from sedtalker.training.corpora.transfer_recipe import (
    Votes,
    intensity_targets,
    is_rated,
    read_votes,
    soft_targets,
    votes_on,
)
from sedtalker.training.task import Batch, Count, NotNegative, Task, check_parts
from sedtalker.training.tasks.calibration import fit_no_voice, kinds_of, neutral_odds, visible_scale, with_no_voice
from sedtalker.training.tasks.whitened_perceptrons import (
    ClipWindows,
    Rated,
    WhitenedPerceptrons,
    describe_clips,
    enrolled_means,
    fit_scaling,
    fold,
    join_described,
)

CALM = ("librispeech", "speechocean762")
"""Corpora of read speech that calm speech is learned from."""
NO_INTENSITY = 0.02
"""Target of the intensity of calm speech."""
RAREST = 1e-3
"""Smallest prior of a category: one that no clip has is not adjusted without bound."""

Copies = Mapping[tuple[str, int], ClipWindows]
"""Windows of clips by corpus and copy, see ``TransferAugmenter.copy``."""

ClipScores = tuple[Doubles, NDArray[np.int64]]
"""Log-posteriors (R, C) and categories (R,) of clips."""

logger = logging.getLogger(__name__)


class TransferDiarizerTaskConfig(WindowsTaskConfig):
    """What ``configs/experiment/transfer_diarizer.yaml`` says about the task."""

    corpora: dict[str, float] = {"cremad": 0.63, "banglaser": 0.35, "emogator": 0.02}
    """Share of the windows from each corpus; one of them must have votes."""
    calm: dict[str, NotNegative] = dict.fromkeys(CALM, 0.5)
    """Corpora of read speech that show the intensity what none is, and the share of each."""
    copies: dict[str, tuple[int, ...]] = {name: (0, 2, 3, 6, 7, 8) for name in ("cremad", "banglaser", *CALM)}
    copy_weight: dict[int, NotNegative] = {2: 2.0, 3: 2.0, 6: 3.0, 7: 2.0, 8: 4.0}
    """How much likelier than the clips themselves their copies are drawn; those not named: as likely."""
    development: tuple[str, ...] = ("aesdd", "uem_es", "indian_emospeech")
    """Corpora never trained on, by which the best weights are chosen, and with validation speakers the temperature.
    Those that are not there are left out; without any, the rated corpora's validation speakers take their place."""
    windows_per_clip: Count = 6
    intended: float = 0.7
    """Share of the intended emotion in the target, beside the votes."""
    unrated: float = 0.9
    """Share of the label in the target of clips without votes; the rest is even."""
    intensities: dict[str, tuple[float, float]] = {"cremad": (0.24, 0.2), "banglaser": (0.24, 0.025)}
    """Shares of the windows that intensity is learned from: emotional and neutral ones of each corpus; the rest is
    read speech. BanglaSER's neutral speech was recorded apart, in quieter rooms, and counts little."""
    labelled: float = 0.2
    """Share of "meant as an emotion" in the target of the intensity, beside how strong listeners found it."""
    unrated_intensity: float = 0.8
    """Target of the intensity of emotional clips without votes."""
    shrinkage: float = 0.01
    """Share of the mean variance added to every direction before whitening."""
    enrolment: float = 0.5
    """Share of windows with other clips of the speaker enrolled."""
    intensity_width: int = 64
    """Units for intensity; those for the category are the rest of ``model.width``."""
    steps: tuple[float, float] = (0.0, 2.0)
    """Thresholds of intensity, see ``DiarizerConfig.intensity_steps``."""
    calm_share: float = Field(0.98, gt=0.0, lt=1.0)
    """Share of validation speakers' read speech that a face shows at less than ``NOTICED`` of a full expression: nearly
    all, since read speech of corpora that are not trained on is taken for livelier."""
    cut_margin: float = 0.05
    """How much higher that level lies where windows end at predicted boundaries: read speech varies more in these."""
    calm_weight: float = 0.5
    """``DiarizerConfig.calm``'s weight."""
    frame_networks: tuple[str, ...] = ()
    """Export folders of ``experiment=frame_network``, which find where the emotion changes."""
    beside: float | None = None
    """Temperature at which the members answer together with those of the built-in diarizer (``side_by_side``); for
    ``encoder: whisper-base``; null: alone."""
    model: dict[str, Any] = {
        "windows": (1.5, 4.0, 20.0),
        "width": 224,
        "members": 4,
        "dropout": 0.4,
        "intensity_offsets": {"sad": 1.0},
    }
    """Sizes of the diarizer and its ``intensity_offsets``, see ``DiarizerConfig``."""

    @field_validator("intensities")
    @classmethod
    def _leave_a_rest(cls, shares: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        check_parts([share for pair in shares.values() for share in pair])
        return shares

    @property
    def learned(self) -> dict[str, float]:
        """Those of read speech too."""
        return {**self.corpora, **self.calm}


class TransferDiarizerTask(Task[TransferDiarizerTaskConfig, WhitenedPerceptrons]):
    """Trains perceptrons and folds them into a diarizer (see ``Task``)."""

    settings = TransferDiarizerTaskConfig
    fast: ClassVar = {"copies": {}}
    checkpoints: ClassVar = {"frame_networks": "frame_network"}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        super().__init__(config, data, cache)
        c = self.config
        self.rated = [name for name in c.corpora if is_rated(name)]
        if not self.rated:
            raise InputError("task.corpora: none of them has votes of raters; add cremad")
        self.model = DiarizerConfig.model_validate(c.model)
        if c.intensity_width >= self.model.width or len(self.model.windows) != 3:
            raise InputError("task.model: three windows are needed, and a width above task.intensity_width")

    def read_data(self, hook: Hook) -> None:
        """Features of all copies, windows of speech, targets and the whitening."""
        c, every = self.config, read_manifest(self.data)
        self.vectors = open_vectors(c.encoder, self.data, c.teacher)
        self.model = self.model.model_copy(update={"hidden_channels": self.vectors.channels})
        self.frame_networks = read_frame_networks(c.frame_networks, self.vectors.channels)
        describer = DiarizerNetwork(self.model.model_copy(update={"members": 1, "width": 1})).eval()
        copies = [copy for each in c.copies.values() for copy in each]
        augmenter = read_transfer_augmenter(every, copies, self.cache, hook)
        votes = read_votes(self.data, self.rated)

        def windows(name: str, split: str | None, copy: int) -> ClipWindows:
            clips = clips_of(every, name, split)
            if name not in (*c.calm, SOUNDS):
                clips = [clip for clip in clips if category_of(clip) >= 0]
            if name in self.rated:
                clips = [clip for clip in clips if votes_on(clip, votes)]
            features = open_layer_features(clips, copy, augmenter, self.cache, self.vectors.teacher, hook)
            encoder, most = self.vectors.encoder, c.windows_per_clip
            return describe_clips(clips, features, describer, encoder, most, split == "train")

        parts = {(name, copy): windows(name, "train", copy) for name in c.corpora for copy in c.copies.get(name, (0,))}
        calm = [name for name in c.calm if named_clips(every, name)]
        read = {(name, copy): windows(name, "train", copy) for name in calm for copy in c.copies.get(name, (0,))}
        known = [name for name in c.development if named_clips(every, name)]
        if known:
            self.development = {name: windows(name, None, 0) for name in known}
        else:
            logger.info("no corpus of task.development is there: the validation speakers choose the best weights")
            self.development = {name: windows(name, "valid", 0) for name in self.rated}
        self.valid = {n: windows(n, "valid", 0) for n in c.intensities if named_clips(every, n, "valid")}
        self.read = [windows(name, "valid", 0) for name in calm if named_clips(every, name, "valid")]
        self._fit(parts, read, votes)
        # beside the built-in diarizer, that one finds sounds that are no voice
        learned = self.vectors.teacher is None and bool(named_clips(every, SOUNDS))
        self.sounds = kinds_of(windows(SOUNDS, "train", 0)) if learned else []
        self.voices = {
            name: join_described(part.described for (of, _), part in (*parts.items(), *read.items()) if of == name)
            for name in ((*c.corpora, *calm) if learned else ())
        }

    def _fit(self, parts: Copies, read: Copies, votes: Mapping[str, Votes]) -> None:
        """Targets, chances, whitening and inputs of all training windows, by corpus and copy."""
        c = self.config
        clips = [part.clips[i] for part in parts.values() for i in part.clip]
        described = join_described(part.described for part in parts.values())
        category, corpus = np.array([category_of(clip) for clip in clips]), np.array([clip.corpus for clip in clips])
        self.target = soft_targets(clips, votes, c.intended, c.unrated)
        each = [np.full(len(part.clip), c.copy_weight.get(copy, 1.0)) for (_, copy), part in parts.items()]
        weight = np.concatenate(each)  # how much likelier windows of copies are drawn than those of the clips
        self.chance = np.zeros(len(clips))
        for name, share in c.corpora.items():  # within a corpus every category is as likely
            here = corpus == name
            own = weight[here] / np.bincount(category[here], minlength=len(CATEGORIES))[category[here]]
            self.chance[here] = share * own / own.sum()
        self.chance /= self.chance.sum()
        self.rated_windows = self._intensities(parts, read, votes)
        self.scaling = fit_scaling(described, self.target, self.chance, self.rated_windows, self.model, c.shrinkage)
        self.prior = torch.from_numpy(np.log((self.target * self.chance[:, None]).sum(0).clip(RAREST))).float()
        self.now, self.speaker, _ = self.scaling.inputs(described, self.model)
        enrolled = described._replace(speaker=enrolled_means(described, clips))
        self.enrolled = self.scaling.inputs(enrolled, self.model)[1]
        self.prosodic = self.scaling.prosodic(self.rated_windows.described.now)

    def _intensities(self, parts: Copies, read: Copies, votes: Mapping[str, Votes]) -> Rated:
        """The windows that intensity is learned from: emotional and neutral ones of corpora, and read speech."""
        c = self.config
        used = {key: part for key, part in parts.items() if key[0] in c.intensities}
        clips = [part.clips[i] for part in used.values() for i in part.clip]
        emotional = np.array([category_of(clip) > 0 for clip in clips])
        corpus = np.array([clip.corpus for clip in clips])
        judged = (1 - c.labelled) * intensity_targets(clips, votes) + c.labelled * emotional
        found = np.where(np.isin(corpus, self.rated), judged, c.unrated_intensity)
        strength = np.where(emotional, found, NO_INTENSITY)
        chance = np.zeros(len(clips))
        for name, shares in c.intensities.items():
            for share, meant in zip(shares, (True, False), strict=True):
                here = (corpus == name) & (emotional == meant)
                chance[here] = share / max(1, here.sum())
        calm = np.array([name for (name, _), part in read.items() for _ in part.clip])
        among = np.zeros(len(calm))
        for name, share in c.calm.items():
            here = calm == name
            among[here] = (1.0 - chance.sum()) * share / max(1, here.sum())
        if not used and not read:
            raise InputError("task.intensities names none of task.corpora, and no corpus of task.calm is there")
        described = join_described(part.described for part in (*used.values(), *read.values()))
        every = np.concatenate([chance, among])
        strengths = np.concatenate([strength, np.full(len(calm), NO_INTENSITY)]).astype(np.float32)
        return Rated(described, strengths, every / every.sum())

    def build(self) -> WhitenedPerceptrons:
        sizes = [part.shape[1] for part in (self.now, self.speaker, self.prosodic)]
        return WhitenedPerceptrons(sizes, self.model, self.config.intensity_width)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Noisy whitened inputs of windows with soft targets (N, C), and of others with their strength (N,)."""
        size = self.config.batch
        chosen = rng.choice(len(self.chance), size, p=self.chance)
        others = rng.choice(len(self.rated_windows.chance), size, p=self.rated_windows.chance)
        knows = (rng.random(size) < self.config.enrolment)[:, None]
        speaker = np.where(knows, self.enrolled[chosen], self.speaker[chosen])
        values = {"now": self.now[chosen], "speaker": speaker, "prosodic": self.prosodic[others]}
        values = {k: v + self.config.noise * rng.standard_normal(v.shape, np.float32) for k, v in values.items()}
        values |= {"target": self.target[chosen], "strength": self.rated_windows.strength[others]}
        return {name: torch.from_numpy(value) for name, value in values.items()}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy with the prior taken out, and of the intensity."""
        logits, score = model(batch["now"], batch["speaker"], batch["prosodic"])
        entropy = -(batch["target"] * F.log_softmax(logits + self.prior.to(logits), -1)).sum(-1).mean()
        guess = ordinal_intensity(score, self.config.steps).clamp(1e-4, 1 - 1e-4)
        intensity = F.binary_cross_entropy(guess, batch["strength"].expand_as(guess))
        return {"category": entropy, "intensity": intensity, "total": entropy + intensity}

    @torch.no_grad()
    def _window_scores(self, model: WhitenedPerceptrons, windows: ClipWindows) -> tuple[Tensor, Tensor]:
        """Mean log-posterior (N, C) and intensity score (N,) of each window."""
        device = next(model.parameters()).device
        inputs = (torch.from_numpy(v).to(device) for v in self.scaling.inputs(windows.described, self.model))
        logits, score = model(*inputs)
        return F.log_softmax(logits, -1).mean(0).double().cpu(), score.mean(0).double().cpu()

    def _clip_scores(
        self, model: WhitenedPerceptrons, windows: ClipWindows, calm: tuple[float, float] = (0.0, 0.0)
    ) -> ClipScores:
        """Mean log-posteriors and categories of the clips with speech; ``calm``: see ``DiarizerConfig``."""
        log, score = self._window_scores(model, windows)
        log[:, CATEGORIES.index("neutral")] += calm[0] * (calm[1] - score)
        return clip_means(windows, log.numpy())

    def validate(self, model: WhitenedPerceptrons) -> dict[str, float]:
        """Recall over their own categories on corpora never trained on; ``score`` is its mean."""
        recalls = {f"uar_{name}": own_recall(label, scores) for name, scores, label in self._scored(model)}
        return recalls | {"score": float(np.mean(list(recalls.values())))}

    def _scored(self, model: WhitenedPerceptrons) -> Iterator[tuple[str, Doubles, NDArray[np.int64]]]:
        """Name, log-posteriors and categories of every development corpus, of its clips with speech."""
        for name, windows in self.development.items():
            yield name, *self._clip_scores(model, windows)

    def _calm_level(self, model: WhitenedPerceptrons) -> float | None:
        """The intensity score that ``calm_share`` of read speech lies below, corpora counting alike; None without any.

        Of a normal distribution: a quantile of few speakers is that of their liveliest one, and varied by .15 between
        runs.
        """
        if not self.read:
            return None
        scores = [self._window_scores(model, windows)[1].numpy() for windows in self.read]
        mean, square = (float(np.mean([(each**power).mean() for each in scores])) for power in (1, 2))
        return NormalDist(mean, (square - mean**2) ** 0.5).inv_cdf(self.config.calm_share)

    def _neutral_odds(self, model: WhitenedPerceptrons, scale: Scale) -> tuple[float, float] | None:
        """``DiarizerConfig.neutral_odds`` by the corpora of ``_temperature`` and validation speakers' read speech."""

        def rated(windows: ClipWindows) -> tuple[Doubles, NDArray[np.int64]]:
            log, score = self._window_scores(model, windows)
            score += intensity_offset(log, self.model)
            mean, category = clip_means(windows, score.numpy()[:, None])
            return ordinal_intensity(torch.from_numpy(mean[:, 0]), self.config.steps).numpy(), category

        known = [rated(windows) for windows in {**self.valid, **self.development}.values()]
        return neutral_odds(
            [(x, category == NEUTRAL) for x, category in known], [rated(w)[0] for w in self.read], scale
        )

    def _temperature(self, model: WhitenedPerceptrons, calm: tuple[float, float]) -> float:
        """That of the corpora of development, which resemble no training data, and of the validation speakers of those
        that are trained on: recordings of users lie between."""
        every = {**self.valid, **self.development}.values()
        return temperature_of([self._clip_scores(model, windows, calm) for windows in every])

    def _usual(
        self, model: WhitenedPerceptrons, calm: tuple[float, float], temperature: float
    ) -> tuple[float, ...] | None:
        """Mean log-posterior of neutral clips of validation speakers (``DiarizerConfig.usual``); None without any."""
        logs = []
        for windows in self.valid.values():
            scores, category = self._clip_scores(model, windows, calm)
            neutral = torch.from_numpy(scores[category == CATEGORIES.index("neutral")])
            logs.append(F.log_softmax(neutral / temperature, -1))
        found = torch.cat(logs) if logs else torch.zeros(0)
        return tuple(round(float(v), 3) for v in found.mean(0)) if len(found) else None

    def export(self, model: WhitenedPerceptrons, folder: Path, metrics: dict[str, float]) -> None:
        """Fold the perceptrons into a diarizer and write its checkpoint."""
        update: dict[str, Any] = {"intensity_steps": self.config.steps}
        level, calm = self._calm_level(model.eval()), (0.0, 0.0)
        if level is not None:
            if self.config.frame_networks or self.config.beside is not None:
                level += self.config.cut_margin
            calm = self.config.calm_weight, round(level, 4)
            scale = visible_scale(level, self.config.steps)
            update |= {"calm": calm, "visible": scale, "neutral_odds": self._neutral_odds(model, scale)}
        update["temperature"] = temperature = self._temperature(model, calm)
        update["usual"] = self._usual(model, calm, temperature)
        teacher = self.vectors.teacher
        if teacher is not None:
            update["layer_channels"] = len(teacher.mean)
            update["backbone"] = BackboneConfig(name=TEACHER, side_by_side=teacher.encoder.layers)
            if self.config.beside is not None:
                built_in = weights_sha256(builtin_checkpoint("diarizer"))
                update["beside"] = Beside(weights_sha256=built_in, temperature=self.config.beside)
        network = fold(model.cpu(), self.scaling, self.model.model_copy(update=update))
        if teacher is not None:
            network.layer_mean.copy_(teacher.mean)
            network.layer_projection.copy_(teacher.projection)
        if self.frame_networks:
            network = with_frame_networks(network, self.frame_networks)
        learned = self.config.learned
        if self.sounds:
            network = with_no_voice(network, *fit_no_voice(network, self.voices, self.sounds))
            learned[SOUNDS] = 0.0
        config = learned_from("diarizer", learned, network.config, metrics, self.vectors.sha256())
        write_checkpoint(folder, config, network.state_dict(), transfer_card(config))


def clip_means(windows: ClipWindows, values: Reals) -> ClipScores:
    """Means (R, K) over the windows of each clip with speech, of values (N, K) of windows; and its category (R,)."""
    count = np.bincount(windows.clip, minlength=len(windows.clips))
    total = np.stack([np.bincount(windows.clip, column, len(windows.clips)) for column in values.T], 1)
    spoken = count > 0
    return total[spoken] / count[spoken, None], windows.category[spoken]


def temperature_of(known: Sequence[ClipScores]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017, arXiv 1706.04599).

    Args:
        known: the clips of each corpus; all corpora count alike.
    """
    used = [(torch.from_numpy(scores), torch.from_numpy(label)) for scores, label in known if len(label)]

    def entropy(temperature: float) -> float:
        return float(np.mean([F.cross_entropy(scores / temperature, label).item() for scores, label in used]))

    return round(float(minimize_scalar(entropy, bounds=(0.4, 5.0), method="bounded").x), 4) if used else 1.0


def read_frame_networks(folders: Sequence[str], channels: int) -> list[tuple[FrameNetworkConfig, Any]]:
    """Sizes and weights of the frame networks of these checkpoint folders, which read vectors (T, channels)."""
    found = [read_checkpoint(Path(folder), "frame_network", FrameNetworkConfig) for folder in folders]
    if any(config.hidden != channels for config, _ in found):
        raise InputError("task.frame_networks: they read the vectors of another encoder")
    return found


def with_frame_networks(model: DiarizerNetwork, found: Sequence[tuple[FrameNetworkConfig, Any]]) -> DiarizerNetwork:
    """A network of these perceptrons and these frame networks, ready for inference."""
    configs = tuple(config for config, _ in found)
    whole = DiarizerNetwork(model.config.model_copy(update={"frame_networks": configs}))
    whole.load_state_dict(model.state_dict(), strict=False)
    for network, (_, weights) in zip(whole.frame_networks, found, strict=True):
        network.load_state_dict(weights)
    return whole.eval().requires_grad_(False)
