"""Unsupervised adaptation of a diarizer to one kind of recordings.

Recordings of another language, studio or microphone lie elsewhere among the functionals than those of training, all of
them in the same direction, and further apart than emotions are. So the mean that is taken off the functionals moves
part of the way from that of training to theirs (cepstral mean normalisation, for functionals: Schuller et al. 2010,
"Cross-corpus acoustic emotion recognition", normalise each corpus alike). Under domain shift predictions also
collapse to one class, so the class frequencies of its predictions are partly equalised (``balance``). The result is an
ordinary checkpoint.

Speech in one emotion only would have that emotion taken for usual. Going a part of the way costs little then.

Self-training: the diarizer's answers on the recordings, evened out so that no category takes them all, become soft
labels; the last layers learn them, held near what they were; and again (Lee 2013, "Pseudo-label"; distribution
alignment: Berthelot et al. 2020, "ReMixMatch"). Only layers that are linear in the result are trained: for a whole
recording the mean over its rows comes first, so that a run takes a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Doubles
from sedtalker.audio.activity import speech_activity
from sedtalker.emotion.diarizer_model import ROW
from sedtalker.emotion.inference import windows
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

Method = Literal["mean", "norm", "pseudo"]
"""``mean`` moves the mean of the functionals; ``norm`` also evens out the answers; ``pseudo`` then trains on them."""
METHODS: tuple[Method, ...] = get_args(Method)
"""All of them."""
METHOD: Method = "norm"
"""Where none is named; chosen, as ``STRENGTH`` is, on corpora that were never trained on (``docs/diarizer.md``)."""
STRENGTH = 0.5
"""How far the mean moves, and class frequencies towards equal ones, as shares."""
PIECE_SECONDS = 10.0
"""A longer recording counts as several, each of about so much speech."""
FEWEST = 5
"""Recordings, or pieces of them, below which there is no telling what is usual."""
AGREEMENT = 0.5
"""Share of answers on which the halves of the recordings must agree. It tells of too few recordings, not of a gain."""


@dataclass(frozen=True, eq=False)
class SpokenRecording:
    """A recording that was read.

    Attributes:
        speech: its pieces, functionals (N, F) with a row each 160 ms of speech; none where nobody speaks.
        label: its category by hand, or None.
        speaker: who speaks, or None where it is the same voice everywhere, or unknown.
    """

    speech: tuple[Tensor, ...]
    label: str | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Fit:
    """What a diarizer was adapted to.

    Attributes:
        pieces: recordings, or parts of long ones.
        seconds: of speech, about.
        labelled: recordings whose label it has learned.
        agreement: without labels, share of pieces that get the same category from diarizers adapted to either half of
            the others.
        distance: without labels, of the usual speech of the recordings from that of training, in deviations (root mean
            square).
    """

    pieces: int
    seconds: float
    agreement: float = 0.0
    distance: float = 0.0
    labelled: int = 0


@torch.no_grad()
def spoken_rows(network: DiarizerNetwork, features: SpeechFeatures) -> tuple[Tensor, Doubles]:
    """The functionals (N, F) of a recording where somebody speaks, and the seconds (N,) that they are of.

    The network reads them in windows of a minute, a row each 160 ms; see ``describe``.

    Raises:
        InputError: the features are those of another encoder.
    """
    parts = []
    for keep, first, batch in windows(network, features):
        part, _ = network.describe(network.channels(network.tensors(batch)))
        parts.append(part[0, (keep.start - first) // ROW : -(-(keep.stop - first) // ROW)].cpu())
    rows = torch.cat(parts)
    active = speech_activity(features.prosody[:, 0], features.prosody[:, 2], features.clock.rate)
    spoken = active[ROW // 2 :: ROW][: len(rows)]
    times = features.clock.times(len(active))[ROW // 2 :: ROW][: len(rows)]
    return rows[: len(spoken)][torch.from_numpy(spoken)], times[spoken]


def speech_of(network: DiarizerNetwork, features: SpeechFeatures) -> list[Tensor]:
    """The functionals of a recording where somebody speaks, in pieces of about ``PIECE_SECONDS``; none without speech.

    Raises:
        InputError: the features are those of another encoder.
    """
    rows, _ = spoken_rows(network, features)
    pieces = max(1, round(seconds_of([rows]) / PIECE_SECONDS))
    return [part for part in rows.chunk(pieces) if len(part)]


def seconds_of(speech: Sequence[Tensor]) -> float:
    """Seconds of speech that functionals are of, about."""
    return sum(map(len, speech)) * ROW / FRAME_CLOCK.rate


def adapted(
    network: DiarizerNetwork, speech: Sequence[Tensor], strength: float = STRENGTH, method: Method = METHOD
) -> DiarizerNetwork:
    """A copy of a network that fits the pieces, each counting alike.

    Args:
        network: a diarizer; one without functionals of a known mean cannot be adapted.
        speech: at least one piece.
        strength: 0 leaves the network as it is, 1 goes all the way.
    """
    moved = with_mean_moved(network, speech, strength)
    if method == "mean" or not strength:
        return moved
    if method == "pseudo":
        return self_trained(moved, speech, strength)
    inputs, weight, bias = linear_part(moved, speech)
    offsets = balance(inputs @ weight.T + bias, strength)
    return with_linear_part(moved, torch.zeros_like(weight), offsets)


@torch.no_grad()
def with_mean_moved(network: DiarizerNetwork, speech: Sequence[Tensor], strength: float) -> DiarizerNetwork:
    """A copy of a network whose mean of the functionals lies so far on the way to that of the pieces."""
    changed = deepcopy(network)
    changed.mean += strength * (_usual(speech).to(changed.mean) - changed.mean)
    return changed


def fit_of(
    network: DiarizerNetwork, speech: Sequence[Tensor], strength: float = STRENGTH, method: Method = METHOD
) -> Fit:
    """Report on an adaptation."""
    halves = [adapted(network, speech[k::2] or speech, strength, method) for k in range(2)]
    answers = [torch.stack([log_posterior(half, piece).argmax() for piece in speech]) for half in halves]
    same = float((answers[0] == answers[1]).float().mean())
    return Fit(len(speech), seconds_of(speech), same, float(network.distances(_usual(speech))))


def check_fit(fit: Fit) -> None:
    """Refuse an adaptation that would rest on too little.

    Raises:
        InputError: too few pieces of speech, or their halves lead to different answers.
    """
    if fit.pieces < FEWEST:
        raise InputError(
            f"{fit.pieces} recordings with speech are too few to tell what is usual in them: give {FEWEST} or more"
        )
    if fit.agreement < AGREEMENT:
        raise InputError(
            f"the recordings are too few or too different: adapted to either half of them, the diarizer agrees with "
            f"itself on {fit.agreement:.0%} of them, {AGREEMENT:.0%} are needed; give more recordings of one kind"
        )


def log_posterior(network: DiarizerNetwork, *pieces: Tensor) -> Tensor:
    """The log-posterior (C,) of speech as a whole, each second of it counting alike."""
    inputs, weight, bias = linear_part(network, [torch.cat(pieces)])
    return F.log_softmax(inputs @ weight.T + bias, 1)[0]


def adapted_card(card: str, fit: Fit, method: Method = METHOD) -> str:
    """The model card of adapted weights: that of the weights before, and what was done. No recording is named."""
    about = f"{fit.pieces} recordings or parts of them, {fit.seconds:.0f} s of speech"
    if fit.labelled:
        done = f"They learned from {fit.labelled} labelled recordings (`sedtalker adapt --labels`) among {about}."
    else:
        done = (
            f"They were changed by `sedtalker adapt --method {method}` to fit {about} without labels. Halves of them "
            f"agree on {fit.agreement:.0%} of the answers."
        )
    return f"{card.rstrip()}\n\n## Adapted\n{done} The figures above are those before.\n"


def _usual(speech: Sequence[Tensor]) -> Tensor:
    return torch.stack([piece.mean(0) for piece in speech]).mean(0)


ALIGNMENT_STEPS = 60
"""Iterations of ``balance``; it has settled long before."""


# Numbers of self-training, chosen on corpora that were never trained on (``docs/diarizer.md``).
ROUNDS, ITERATIONS = 2, 12
"""Rounds of labelling and learning, and iterations of the optimiser in each."""
SHARPNESS = 0.5
"""Divides the log-posterior before it becomes a soft label; under 1 labels are sharper than answers."""
HOLD = 1e-2
"""Weight of the squared change of the weights."""


@torch.no_grad()
def balance(log_posterior: Tensor, alignment: float = 1.0) -> Tensor:
    """Offsets (C,), summing to 0, whose softmax with rows (N, C) has all categories equally often in the mean.

    ``alignment`` is the share of them that is returned.
    """
    offsets = torch.zeros(log_posterior.shape[1])
    even = -torch.log(torch.tensor(float(log_posterior.shape[1])))
    for _ in range(ALIGNMENT_STEPS):
        offsets += 0.7 * (even - (log_posterior + offsets).softmax(1).mean(0).clamp_min(1e-12).log())
    return alignment * (offsets - offsets.mean())


def self_trained(network: DiarizerNetwork, rows: Sequence[Tensor], alignment: float = STRENGTH) -> DiarizerNetwork:
    """A copy of a network whose last layers have learned from its answers.

    Args:
        network: a diarizer, already moved to the recordings by other means.
        rows: functionals (N_i, F) of each recording.
        alignment: how far the shares of the categories are evened out, 0 to 1.
    """
    inputs, weight, bias = linear_part(network, rows)
    learned, shift = weight, bias
    for _ in range(ROUNDS):
        scores = inputs @ learned.T + shift
        wanted = ((scores + balance(scores, alignment)) / SHARPNESS).softmax(1)
        learned, shift = _fitted(inputs, wanted, weight, bias)
    scores = inputs @ learned.T + shift
    return with_linear_part(network, learned - weight, shift + balance(scores, alignment) - bias)


@torch.no_grad()
def linear_part(network: DiarizerNetwork, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The last linear layer: inputs (N, U), weight (C, U) and bias (C,), in which the mean log-posterior is linear.

    The softmax of ``inputs @ weight.T + bias`` is that of the mean log-posterior of each recording's rows, the calm
    that makes it neutral included (``DiarizerConfig.calm``).
    """
    config = network.config
    classes, scale = len(config.labels), 1.0 / (len(network.members) * config.temperature)
    calm, centre = config.calm
    neutral = torch.zeros(classes)
    neutral[config.labels.index("neutral")] = calm
    inputs, weights, bias = [], [], centre / config.temperature * neutral
    for member in network.members:
        assert isinstance(member, nn.Sequential)
        last = cast(nn.Linear, member[-1])
        used = _used(last, classes)
        to = neutral.to(last.weight)
        weights.append(scale * (last.weight[:classes, used] - to[:, None] * last.weight[classes, used]))
        bias += scale * (last.bias[:classes] - to * last.bias[classes]).cpu()
        read = (network.standardised(part.to(network.mean)) for part in rows)
        inputs.append(torch.stack([member[:-1](part).mean(0)[used] for part in read]))
    return torch.cat(inputs, 1).cpu(), torch.cat(weights, 1).cpu(), bias


def _used(last: nn.Linear, classes: int) -> Tensor:
    """Hidden units (U,) of a member that the categories or the intensity depend on."""
    return (last.weight[: classes + 1].abs().sum(0) > 0).nonzero()[:, 0]


@torch.enable_grad()
def _fitted(inputs: Tensor, wanted: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of least cross-entropy with soft labels, confident recordings counting more."""
    middle, sure = inputs.mean(0), wanted.amax(1)
    centred, before, sure = inputs - middle, inputs @ weight.T + bias, sure / sure.sum()
    change = torch.zeros_like(weight, requires_grad=True)
    shift = torch.zeros_like(bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([change, shift], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        log = F.log_softmax(before + centred @ change.T + shift, 1)
        loss = -(sure[:, None] * wanted * log).sum() + HOLD * change.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    done, moved = change.detach(), shift.detach()
    return weight + done, bias + moved - middle @ done.T


@torch.no_grad()
def with_linear_part(network: DiarizerNetwork, weight: Tensor, bias: Tensor) -> DiarizerNetwork:
    """A copy of the network with changes of ``linear_part``'s weight and bias written into every member."""
    changed, first = deepcopy(network), 0
    classes, temperature = len(network.config.labels), network.config.temperature
    for member in changed.members:
        assert isinstance(member, nn.Sequential)
        last = cast(nn.Linear, member[-1])
        used = _used(last, classes)
        part = len(changed.members) * temperature * weight[:, first : first + len(used)].to(last.weight)
        last.weight[:classes, used] += part
        last.bias[:classes] += temperature * bias.to(last.bias)
        first += len(used)
    return changed
