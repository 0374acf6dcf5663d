"""Unsupervised adaptation of a diarizer to one kind of recordings.

Recordings of another language, studio or microphone lie elsewhere among the functionals than those of training, all of
them in the same direction, and further apart than emotions are. So the mean that is taken off the functionals moves
part of the way from that of training to theirs (cepstral mean normalisation, for functionals: Schuller et al. 2010,
"Cross-corpus acoustic emotion recognition", normalise each corpus alike). Under domain shift predictions also
collapse to one class, so the class frequencies of its predictions are partly equalised (``balance``). The result is an
ordinary checkpoint.

Speech in one emotion only would have that emotion taken for usual. Going a part of the way costs little then.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.inference import described
from sedtalker.emotion.network import ROW, DiarizerNetwork, average_posterior
from sedtalker.emotion.self_training import SelfTraining, balance, linear_part, self_trained, with_linear_part
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

Method = Literal["mean", "norm", "pseudo"]
"""``mean`` moves the mean of the functionals; ``norm`` also evens out the answers; ``pseudo`` then trains on them."""
METHODS: tuple[Method, ...] = get_args(Method)
"""All of them."""
METHOD: Method = "norm"
"""Where none is named; chosen, as ``STRENGTH`` is, on corpora that were never trained on (``docs/diarizer.md``)."""
STRENGTH = 0.5
"""How much of the way the mean moves, and the shares of the answers towards even ones."""
PIECE_SECONDS = 10.0
"""A longer recording counts as several, each of about so much speech."""
FEWEST = 5
"""Recordings, or pieces of them, below which there is no telling what is usual."""
AGREEMENT = 0.5
"""Share of answers on which the halves of the recordings must agree. It tells of too few recordings, not of a gain."""


@dataclass(frozen=True, eq=False)
class Speech:
    """What the functionals say of a piece of speech.

    Attributes:
        rows: (N, F) functionals, one row each 160 ms of speech.
    """

    rows: Tensor

    @property
    def seconds(self) -> float:
        """Approximate seconds of speech."""
        return len(self.rows) * ROW / FRAME_CLOCK.rate


@dataclass(frozen=True)
class Fit:
    """How well a diarizer fits recordings, and how sure that is.

    Attributes:
        pieces: recordings, or parts of long ones.
        seconds: of speech.
        agreement: share of pieces that get the same category from diarizers adapted to either half of the others.
        distance: of the usual speech of the recordings from that of training, in deviations (root mean square).
    """

    pieces: int
    seconds: float
    agreement: float
    distance: float


@torch.no_grad()
def speech_of(network: DiarizerNetwork, features: SpeechFeatures) -> list[Speech]:
    """The functionals of a recording where somebody speaks, in pieces of about ``PIECE_SECONDS``; none without speech.

    Raises:
        InputError: the features are those of another encoder.
    """
    rows = torch.cat([part.cpu() for part in described(network, features)])
    active = speech_activity(features.prosody[:, 0], features.prosody[:, 2], features.clock.rate)
    spoken = torch.from_numpy(active)[ROW // 2 :: ROW]
    rows = rows[: len(spoken)][spoken[: len(rows)]]
    pieces = max(1, round(len(rows) * ROW / FRAME_CLOCK.rate / PIECE_SECONDS))
    return [Speech(part) for part in rows.chunk(pieces) if len(part)]


def adapted(
    network: DiarizerNetwork, speech: Sequence[Speech], strength: float = STRENGTH, method: Method = METHOD
) -> DiarizerNetwork:
    """A copy of a network that fits the pieces, each counting alike.

    Args:
        network: a diarizer; one without functionals of a known mean cannot be adapted.
        speech: at least one piece.
        strength: 0 leaves the network as it is, 1 goes all the way.
        method: see ``Method``.
    """
    moved = _with_mean_moved(network, speech, strength)
    if method == "mean" or not strength:
        return moved
    rows = [piece.rows for piece in speech]
    if method == "pseudo":
        return self_trained(moved, rows, SelfTraining(alignment=strength))
    inputs, weight, bias = linear_part(moved, rows)
    offsets = balance(inputs @ weight.T + bias, strength)
    return with_linear_part(moved, torch.zeros_like(weight), offsets)


@torch.no_grad()
def _with_mean_moved(network: DiarizerNetwork, speech: Sequence[Speech], strength: float) -> DiarizerNetwork:
    changed = deepcopy(network)
    changed.mean += strength * (_usual(speech).to(changed.mean) - changed.mean)
    return changed


def fit_of(
    network: DiarizerNetwork, speech: Sequence[Speech], strength: float = STRENGTH, method: Method = METHOD
) -> Fit:
    """What there is to know about an adaptation before it is used."""
    halves = [adapted(network, speech[k::2] or speech, strength, method) for k in range(2)]
    answers = [torch.stack([log_posterior(half, piece).argmax() for piece in speech]) for half in halves]
    same = float((answers[0] == answers[1]).float().mean())
    return Fit(len(speech), sum(p.seconds for p in speech), same, float(network.distances(_usual(speech))))


def check_fit(fit: Fit, agreement: float = AGREEMENT) -> None:
    """Refuse an adaptation that would rest on too little.

    Raises:
        InputError: too few pieces of speech, or their halves lead to different answers.
    """
    if fit.pieces < FEWEST:
        raise InputError(
            f"{fit.pieces} recordings with speech are too few to tell what is usual in them: give {FEWEST} or more"
        )
    if fit.agreement < agreement:
        raise InputError(
            f"the recordings are too few or too different: adapted to either half of them, the diarizer agrees with "
            f"itself on {fit.agreement:.0%} of them, {agreement:.0%} are needed; give more recordings of one kind"
        )


@torch.no_grad()
def log_posterior(network: DiarizerNetwork, *pieces: Speech) -> Tensor:
    """The mean log-posterior (C,) of speech, each second of it counting alike."""
    scores = network(torch.cat([piece.rows for piece in pieces]).to(network.mean))
    return average_posterior(scores.logits, network.config.temperature).clamp_min(1e-9).log().mean(0)


def adapted_card(card: str, fit: Fit, method: Method = METHOD) -> str:
    """The model card of adapted weights: that of the weights before, and what was done. No recording is named."""
    return (
        f"{card.rstrip()}\n\n## Adapted\nThese weights were changed by `sedtalker adapt --method {method}` to fit "
        f"{fit.pieces} recordings or parts of them, {fit.seconds:.0f} s of speech without labels. Halves of them agree "
        f"on {fit.agreement:.0%} of the answers. The figures above are those before.\n"
    )


def _usual(speech: Sequence[Speech]) -> Tensor:
    return torch.stack([piece.rows.mean(0) for piece in speech]).mean(0)
