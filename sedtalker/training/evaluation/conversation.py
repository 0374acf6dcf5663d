"""Conversations of several speakers: who speaks when, whose mouth moves, and what each of them expresses.

The conversations are made of single recordings of speakers that no network was trained on: two to four people, pauses
and up to a fifth of the speech overlapping, clean, in noise of kinds never met, in a room, and over a telephone. In
those for emotion turns are whole recordings, and every speaker keeps one mood, as people do within half a minute, or
has another one in each turn. In those with a channel for each speaker, somebody laughs while another talks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from sedtalker.animation.animator import Animator
from sedtalker.arrays import Doubles, Floats, Mask, Reals
from sedtalker.audio import SAMPLE_RATE, Audio, readable
from sedtalker.emotion.burst_detector import SHOWN_KINDS
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.metrics.motion import lip_aperture, wrong_mouth_time
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speakers.diarization import find_turns
from sedtalker.speakers.separation import by_channels, cut_apart, separate
from sedtalker.speakers.speaker_model import SPEAKER_CLOCK
from sedtalker.speakers.turns import NAME, Turns, turns_of
from sedtalker.training.corpora.augmentation import Samples
from sedtalker.training.corpora.joined_speech import DialogueRule, category_of, make_dialogue
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import named_clips
from sedtalker.training.evaluation.robustness import Change, conditions, noisy, unmet_noises
from sedtalker.training.evaluation.transfer import listed_clips

SPEAKING: Mapping[str, str | None] = {"librispeech": "valid", "ravdess": None, "cremad": "test"}
"""Corpora of the conversations about who speaks, and the split that counts of those that were trained on."""
EMOTIONAL: Mapping[str, str | None] = {"ravdess": None, "cremad": "test"}
"""Corpora of those about emotion."""
SECONDS = 45.0
"""Length of one."""
CLIPS = 12
"""Recordings of a speaker that one is made of, at most."""
OVERLAPS = (0.0, 0.15, 0.3, 0.6)
"""Chances that a turn begins before the last one has ended; the last makes about a fifth of the speech overlap."""
LAUGHTER = ("emogator", "test", "[vocal burst: Amusement]")
"""Corpus, split and transcript of laughter, of people whom no network was trained on."""
PICKED_UP = 10 ** (-15 / 20)
"""How loud a microphone picks up others, where their own has 1."""
LAUGH_LEVEL, CAUGHT = 0.7, 0.3
"""How loud a laugh is beside its speaker's speech, and the share of it from which on it is found."""


@dataclass(frozen=True, eq=False)
class Talk:
    """A conversation: its sound, the truth, how the sound was made worse, and each turn's category and speaker.

    ``apart`` holds each speaker's sound alone, (S, N).
    """

    corpus: str
    condition: str
    sound: Audio
    turns: Turns
    apart: Floats
    pieces: tuple[tuple[str, float, float, int], ...] = ()


def make_talks(
    clips: Sequence[Clip],
    corpus: str,
    count: int,
    changes: Mapping[str, Change],
    *,
    moods: bool,
    steady: bool = True,
    seed: int = 0,
) -> Iterator[Talk]:
    """Conversations of the speakers of a corpus; one of a speaker whose recordings cannot be read is left out.

    Args:
        clips: recordings of one corpus.
        count: how many; two, two, three and four speakers in turn, of emotion always two.
        changes: what is done to the sound, in turn.
        moods: whether turns are whole recordings, of two speakers, so that each turn has an emotion.
        steady: whether that of a speaker is the same in all turns.
    """
    rng, by_speaker = np.random.default_rng([seed, len(clips)]), defaultdict[str, list[Clip]](list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    people = sorted(by_speaker)
    for k in range(count):
        size = min(2 if moods else (2, 2, 3, 4)[k % 4], len(people))
        one_mood = moods and steady
        drawn = [
            _some(by_speaker[people[i]], rng, one_mood) for i in rng.choice(len(people), size, replace=False).tolist()
        ]
        read = [[(clip, sound.samples) for clip, sound in readable(own)] for own in drawn]
        if not all(read):
            continue
        sounds = [[samples for _, samples in own] for own in read]
        rule = DialogueRule(overlap=OVERLAPS[(k // 2) % len(OVERLAPS)])
        made = make_dialogue(sounds, SECONDS, rng, rule, whole=moods)
        condition = list(changes)[(k + k // 4) % len(changes)]  # not always the same for a number of speakers
        changed = changes[condition](made.samples, rng)
        peak = max(1.0, float(np.abs(changed).max()))
        names = [f"person{i + 1}" for i in range(size)]
        sound = Audio((changed / peak).astype(np.float32))
        turns = turns_of(made.active, SPEAKER_CLOCK.times(made.active.shape[1]), names, sound.duration)
        pieces = tuple(
            (names[who], start / SAMPLE_RATE, (start + length) / SAMPLE_RATE, category_of(read[who][clip][0]))
            for who, clip, _, start, length in made.turns
        )
        yield Talk(corpus, condition, sound, turns, made.apart / peak, pieces)


def talk_changes(noises: Sequence[Samples]) -> dict[str, Change]:
    """What is done to the sound of conversations, in turn: nothing, a noise if there are any, a room, a telephone."""
    worse = conditions([])
    changes: dict[str, Change] = {"clean": lambda samples, rng: samples}
    if noises:
        changes["noise"] = lambda samples, rng: noisy(samples, noises, rng, 10.0)  # dB below the speech
    return changes | {"room": worse["reverberation"], "telephone": worse["telephone"]}


def _some(clips: Sequence[Clip], rng: np.random.Generator, one_mood: bool) -> list[Clip]:
    """Some recordings of a speaker, if need be of one emotion."""
    if one_mood:
        kinds = sorted({category_of(clip) for clip in clips})
        mood = kinds[int(rng.integers(len(kinds)))]
        clips = [clip for clip in clips if category_of(clip) == mood]
    return [clips[i] for i in rng.permutation(len(clips))[:CLIPS].tolist()]


def evaluate_conversation(
    data: Path, model: str = "diarizer", encoder: Path | None = None, talks: int = 36, hook: Hook = no_progress
) -> dict[str, float]:
    """Figures of ``conversation`` in ``measures.toml``.

    Args:
        data: folder of the training data.
        model: name of built-in weights of the diarizer, or a checkpoint folder.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        talks: conversations of each corpus about who speaks, and as many about emotion.

    Raises:
        InputError: none of the corpora is in the folder, or none can be read.
    """
    listed = listed_clips(data)
    clips = {name: named_clips(listed, name, split) for name, split in SPEAKING.items()}
    if not any(clips.values()):
        raise InputError(f"{data}: none of {', '.join(SPEAKING)} is there; sedtalker data list says where to get them")
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    changes = talk_changes(unmet_noises(listed))
    spoken = [t for name, c in clips.items() if c for t in make_talks(c, name, talks, changes, moods=False)]
    if not spoken:
        raise InputError(f"{data}: not a recording of {', '.join(name for name in clips if clips[name])} can be read")
    metrics = _speaking(counted(spoken, hook, "finding speakers", len(spoken)))
    labelled = {name: [c for c in clips[name] if category_of(c) >= 0] for name in EMOTIONAL}
    for steady, ending in ((True, ""), (False, "_changing")):
        given: Mapping[str, Any] = {"moods": True, "steady": steady, "seed": 1}
        spoken = [t for name, c in labelled.items() if c for t in make_talks(c, name, talks, changes, **given)]
        found = _feeling(diarizer, counted(spoken, hook, "recognising emotion", len(spoken)))
        metrics |= {key + ending: value for key, value in found.items()}
    laughs = [c for c in listed if (c.corpus, c.split, c.transcript) == LAUGHTER]
    if laughs:
        quiet = {"clean": changes["clean"]}
        spoken = [t for name, c in clips.items() if c for t in make_talks(c, name, talks, quiet, moods=False, seed=2)]
        metrics |= _laughing(diarizer, counted(spoken, hook, "finding laughter", len(spoken)), laughs)
    return metrics


def _speaking(talks: Iterator[Talk]) -> dict[str, float]:
    """Error rates by corpus, number of speakers and condition, and time of wrong mouths."""
    animator = Animator.from_pretrained()
    rates, groups = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for talk in talks:
        size = len(talk.turns.speakers)
        found = find_turns(talk.sound)
        errors = diarization_errors(talk.turns, found)
        for key, value in errors._asdict().items():
            rates[f"der_{key}"].append(value)
        rates["der"].append(errors.rate)
        rates["der_no_collar"].append(diarization_errors(talk.turns, found, 0.0).rate)
        rates["der_known_number"].append(diarization_errors(talk.turns, find_turns(talk.sound, size)).rate)
        rates["number_found"].append(float(len(found.speakers) == size))
        rates["wrong_mouth_given"].append(_wrong_mouths(animator, talk, talk.turns))
        rates["wrong_mouth_auto"].append(_wrong_mouths(animator, talk, found))
        by_channels_found = by_channels([Audio(own) for own in talk.apart], "channels").turns
        rates["der_channels"].append(diarization_errors(talk.turns, by_channels_found).rate)
        for group in (talk.corpus, talk.condition, {2: "two", 3: "three", 4: "four"}.get(size, "one")):
            groups[f"der_{group}"].append(errors.rate)
    return {key: float(np.mean(values)) for key, values in (rates | groups).items()}


def _wrong_mouths(animator: Animator, talk: Talk, turns: Turns) -> float:
    """``wrong_mouth_time`` of the scene that is animated of turns, by the true ones."""
    neutral = {name: constant_track("neutral", talk.sound.duration) for name in turns.speakers}
    scene = animator.scene(talk.sound, speakers=cut_apart(talk.sound, turns), tracks=neutral)
    truth = {found: name for name, found in paired(talk.turns, turns).items()}
    lips = {truth.get(n, f"nobody {n}"): lip_aperture(a.face, a.coefficients) for n, a in scene.animations.items()}
    return wrong_mouth_time(next(iter(scene.animations.values())).clock.times(len(scene)), lips, talk.turns)


def _feeling(diarizer: Diarizer, talks: Iterator[Talk]) -> dict[str, float]:
    """Recall of emotion per turn: the whole recording as one speaker's, turns given, and turns found."""
    truth, answers = defaultdict[str, list[int]](list), defaultdict[tuple[str, str], list[Doubles]](list)
    for talk in talks:
        given = diarizer.conversation(talk.sound, cut_apart(talk.sound, talk.turns))
        auto = diarizer.conversation(talk.sound, separate(talk.sound))
        pairs, whole = paired(talk.turns, auto.turns), diarizer(talk.sound)
        tracks: dict[str, Mapping[str, EmotionTrack]] = {
            "mixed": dict.fromkeys(talk.turns.speakers, whole),
            "given": given.tracks,
            "auto": {name: auto.tracks[pairs[name]] for name in pairs},
        }
        for name, start, end, category in talk.pieces:
            truth[talk.corpus].append(category)
            for way, held in tracks.items():
                answers[talk.corpus, way].append(_answer(held.get(name), start, end))
    recalls = {
        way: [own_recall(np.array(truth[c]), np.stack(answers[c, way])) for c in truth]
        for way in ("mixed", "given", "auto")
    }
    metrics = {f"recall_{way}": float(np.mean(values)) for way, values in recalls.items() if values}
    return metrics and metrics | {
        "recall_gain_given": metrics["recall_given"] - metrics["recall_mixed"],
        "recall_gain_auto": metrics["recall_auto"] - metrics["recall_mixed"],
    }


def _laughing(diarizer: Diarizer, talks: Iterator[Talk], laughs: Sequence[Clip]) -> dict[str, float]:
    """Whose face shows a laugh where everybody has a channel, and laughs in a minute of speech."""
    rng, shown, misplaced, false, minutes = np.random.default_rng(3), list[bool](), list[bool](), 0, 0.0
    for talk in talks:
        who = int(rng.integers(len(talk.turns.speakers)))
        laugh = next((sound for _, sound in readable([laughs[int(rng.integers(len(laughs)))]])), None)
        start = None if laugh is None else _while_others_talk(talk, who, laugh.duration, rng)
        if laugh is None or start is None:
            continue
        sounds, first = talk.apart.copy(), round(start * SAMPLE_RATE)
        level = LAUGH_LEVEL * _loudness(sounds[who]) / _loudness(laugh.samples)
        sounds[who, first : first + len(laugh.samples)] += level * laugh.samples
        channels = sounds + PICKED_UP * (sounds.sum(0) - sounds)
        channels /= max(1.0, float(np.abs(channels).max()))
        end, caught = start + laugh.duration, dict[str, bool]()
        speakers = by_channels([Audio(own) for own in channels], "channels")
        for name, track in diarizer.conversation("", speakers).tracks.items():
            seen = [burst for burst in track.bursts if burst.kind in SHOWN_KINDS]
            shares = [min(burst.end, end) - max(burst.start, start) for burst in seen]
            caught[name] = max(shares, default=0.0) >= CAUGHT * laugh.duration
            false += sum(share <= 0.0 for share in shares)
        own = f"{NAME}{who + 1}"
        shown.append(caught.pop(own, False))
        misplaced.append(any(caught.values()))
        minutes += talk.sound.duration / 60
    values = {"laughs_shown": shown, "laughs_misplaced": misplaced}
    means = {key: float(np.mean(each)) for key, each in values.items() if each}
    return means and means | {"laughs_false": false / max(minutes, 1e-9)}


def _while_others_talk(talk: Talk, who: int, seconds: float, rng: np.random.Generator) -> float | None:
    """When a speaker, who is silent for so long, begins to laugh while another talks; None where they never could."""
    times = np.arange(0.0, talk.sound.duration, STEP)
    active, count = _table(talk.turns, times), round(seconds / STEP)
    before = np.concatenate([[0], np.cumsum(active[who])])
    silent = before[count:] == before[: len(before) - count]
    others = np.asarray(np.delete(active, who, 0).any(0))
    free = np.flatnonzero(silent[: len(others)] & others[: len(silent)])
    return float(times[rng.choice(free)]) if len(free) else None


def _loudness(samples: Floats) -> float:
    """Root mean square of what is louder than a twentieth of the peak."""
    level = np.abs(samples)
    return float(np.sqrt(np.square(samples[level > 0.05 * level.max()]).mean()))


def _answer(track: EmotionTrack | None, start: float, end: float) -> Doubles:
    """Mean log-posterior (C,) that was predicted between two times; even where nobody was found."""
    even = np.full(len(CATEGORIES), -np.log(len(CATEGORIES)))
    if track is None:
        return even
    part = (track.times >= start) & (track.times < end)
    if track.speech is not None and track.speech[part].any():
        part &= track.speech
    return np.asarray(np.log(np.maximum(track.recognised[part], 1e-6)).mean(0), np.float64) if part.any() else even


# --- The diarization error rate.

STEP = 0.01
"""Seconds between the points at which two sets of turns are compared."""


class DiarizationErrors(NamedTuple):
    """Parts of the diarization error rate, each a share of the time that is spoken; the rate is their sum.

    Attributes:
        missed: speech that nobody is given.
        false_alarm: speech given to somebody where fewer speak.
        confusion: speech given to another speaker.
    """

    missed: float
    false_alarm: float
    confusion: float

    @property
    def rate(self) -> float:
        """The diarization error rate (DER)."""
        return self.missed + self.false_alarm + self.confusion


def diarization_errors(reference: Turns, found: Turns, collar: float = 0.25) -> DiarizationErrors:
    """DER = (missed speech + false alarm + speaker confusion) / speech, as NIST's md-eval counts it.

    Speakers are paired one to one so that the confusion is least. Overlapping speech counts for each speaker in it.
    Fiscus et al., "The Rich Transcription 2006 Spring Meeting Recognition Evaluation".

    Args:
        reference: the truth.
        found: what is scored; its names may be others.
        collar: seconds on either side of each boundary of the reference that are not scored.
    """
    times, true, guess = _compared(reference, found)
    scored = np.ones(len(times), bool)
    for turn in reference.turns if collar else ():
        for edge in (turn.start, turn.end):
            scored[slice(*np.searchsorted(times, (edge - collar, edge + collar)))] = False
    true, guess = true[:, scored], guess[:, scored]
    speech = max(int(true.sum()), 1)
    shared = true.astype(np.int64) @ guess.T.astype(np.int64)
    right = int(shared[linear_sum_assignment(-shared)].sum())
    many, given = true.sum(0), guess.sum(0)
    both = int(np.minimum(many, given).sum())
    return DiarizationErrors(
        float(np.maximum(many - given, 0).sum()) / speech,
        float(np.maximum(given - many, 0).sum()) / speech,
        (both - right) / speech,
    )


def paired(reference: Turns, found: Turns) -> dict[str, str]:
    """The speaker of ``found`` that stands for each speaker of ``reference``, by the longest shared speech."""
    _, true, guess = _compared(reference, found)
    shared = true.astype(np.int64) @ guess.T.astype(np.int64)
    rows, columns = linear_sum_assignment(-shared)
    pairs = zip(rows, columns, strict=True)
    return {reference.speakers[a]: found.speakers[b] for a, b in pairs if shared[a, b]}


def _compared(reference: Turns, found: Turns) -> tuple[Reals, Mask, Mask]:
    """Times (T,) every ``STEP``, and who speaks there by either."""
    times = (np.arange(int(reference.duration / STEP)) + 0.5) * STEP
    return times, _table(reference, times), _table(found, times)


def _table(turns: Turns, times: Reals) -> Mask:
    """(S, T) who speaks at which time; one row of nobody where there are no speakers."""
    rows = [turns.active(name, times) for name in turns.speakers]
    return np.stack(rows) if rows else np.zeros((1, len(times)), bool)
