"""Measures what words add to lips: every figure with --transcript beside the one without.

python scripts/measure_transcripts.py --data DIR [--page]

The test sentences of the tracked talker (GRID), and validation sentences of read speech whose lips nobody tracked
(speechocean762, phones aligned by pocketsphinx). The words are those of the corpora; they are aligned by the encoder,
never by pocketsphinx, whose phones are the reference. The figures go to ``docs/transcripts.json`` and into the table of
``docs/transcripts.md``; ``--page`` writes the table alone.

``--recognised`` measures what words add that nobody gave (``--transcript auto``, extra ``asr``): closures of groups of
speakers and languages without words, with recognised and with true ones; and for each talker of public video how well
the lips follow the tracked ones without words, and with recognised ones, and how well visemes do
(``docs/recognised.json``, and its table of the page).
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measured_page import measured, write_between_marks
from measures.mouth_rules import OPEN_CONSONANTS, reached, shut
from numpy.typing import NDArray

from sedtalker.animation.animator import Animator
from sedtalker.animation.known_phones import gap_of, sharpen
from sedtalker.animation.opening import mouth_pose
from sedtalker.arrays import softmax
from sedtalker.audio import Audio, load_audio
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.motion import CLOSED_GAP, ClosureCounts, correlation, lip_aperture
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.pronunciation import ENGLISH, pronounce
from sedtalker.phonetics.recognition import recognise_words
from sedtalker.phonetics.visemes import POSES, SETS, recognise, visemes
from sedtalker.phonetics.words import align_recording
from sedtalker.progress import Hook, counted
from sedtalker.speech.features import BILABIAL, OPEN_VOWELS, SILENCE, SpeechFeatures
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.lips import (
    UNSEEN_CLIPS,
    TrackedSentence,
    count_untracked,
    encode_test_sentences,
    lip_metrics,
    steady_track,
    tracked_height,
)
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.wild import WildClip, read_wild_talkers
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus, phone_intervals
from sedtalker.training.motion.spoken_motion import measure_lips
from sedtalker.training.run import cache_folder

ROOT = Path(__file__).parents[1]
STORE, RECOGNISED = ROOT / "docs/transcripts.json", ROOT / "docs/recognised.json"
PAGE = ROOT / "docs/transcripts.md"
ROWS = {
    "closure_rate": "lips that meet in p, b, m",
    "closure_rate_happy": "the same, happy at full intensity",
    "false_closure_rate": "vowels in which they meet, too",
    "contact_rate": "lower lip at the teeth in f, v",
    "lip_r": "lip height, synchronised clips",
    "lip_width_r": "lip width, synchronised clips",
    "viseme_r": "opening of Rhubarb's visemes against the lip height",
    "unseen_closure": "other speakers: lips that meet in p, b, m",
    "unseen_false": "other speakers: open vowels in which they meet",
}
"""Keys of the figures, and what the page calls them."""


@dataclass(frozen=True)
class Spoken:
    """A sentence with the motion of the decoder: neutral, and happy where that is measured."""

    features: SpeechFeatures
    spans: list[PhoneSpan]
    phones: Alignment
    neutral: NDArray[np.float32]
    happy: NDArray[np.float32] | None = None
    tracked: TrackedSentence | None = None

    @property
    def times(self) -> NDArray[np.float64]:
        """Times of the frames, seconds."""
        return np.asarray(self.features.clock.times(len(self.features)))


def measure(data: Path, hook: Hook) -> dict[str, Any]:
    """All figures."""
    animator, face = Animator.from_pretrained(), load_face()
    cache = cache_folder(None)
    sentences = encode_test_sentences(animator.encoder, read_grid(data), measure_lips(face), cache, hook)
    grid = [
        Spoken(
            *(h.features, h.spans, aligned(load_audio(h.clip.audio), h.clip.text, h.features)),
            animator.decoder.predict(h.features, steady_track("neutral", 0.0)),
            animator.decoder.predict(h.features, steady_track("happy", 1.0)),
            tracked=h,
        )
        for h in counted(sentences, hook, "moving the test sentences", len(sentences))
    ]
    clips = [c for c in read_manifest(data) if c.corpus == "speechocean762" and c.split == "valid"]
    spans = align_corpus("speechocean762", [Utterance(c.path.stem, c.path, c.transcript) for c in clips], cache)
    chosen = [c for c in clips if spans[c.path.stem]][:UNSEEN_CLIPS]
    read = []
    for clip in counted(chosen, hook, "moving read sentences", len(chosen)):
        sound = load_audio(clip.path)
        features = animator.encoder(sound)
        phones = aligned(sound, clip.transcript, features)
        moved = animator.decoder.predict(features, steady_track("neutral", 0.0))
        read.append(Spoken(features, spans[clip.path.stem], phones, moved))
    return figures(face, grid, read)


def aligned(sound: Audio, text: str, features: SpeechFeatures, language: str = ENGLISH) -> Alignment:
    """The phones of a recording, as ``animate --transcript`` finds them."""
    return align_recording(pronounce(text, language), sound, features)


def figures(face: Face, grid: list[Spoken], read: list[Spoken]) -> dict[str, Any]:
    """Without and with words, and how far the aligned phones are from those of pocketsphinx."""
    found: dict[str, Any] = {}
    for name in ("without", "with"):
        words = name == "with"
        moved = [sharpened(s, s.neutral, face) if words else s.neutral for s in grid]
        metrics = lip_metrics(face, measure_lips(face), [s.tracked for s in grid if s.tracked is not None], moved)
        happy = [(s, s.happy if s.happy is not None else s.neutral) for s in grid]
        smiling = [(s, sharpened(s, motion, face) if words else motion) for s, motion in happy]
        others = closures(face, [(s, sharpened(s, s.neutral, face) if words else s.neutral) for s in read])
        found[name] = {key: round(metrics[key], 3) for key in ROWS if key in metrics} | {
            "closure_rate_happy": round(closures(face, smiling).recall, 3),
            "viseme_r": round(float(np.mean([shown_by_visemes(s, words) for s in grid])), 3),
            "unseen_closure": round(others.recall, 3),
            "unseen_false": round(others.false_rate, 3),
        }
    found["alignment"] = {"grid": start_errors(grid), "speechocean762": start_errors(read)}
    return found | {"sentences": {"grid": len(grid), "speechocean762": len(read)}}


def sharpened(spoken: Spoken, motion: NDArray[np.float32], face: Face) -> NDArray[np.float32]:
    """A motion with the step that words add."""
    return sharpen(motion, spoken.times, spoken.phones, face)


def shown_by_visemes(spoken: Spoken, words: bool) -> float:
    """Correlation of the tracked lips' height in speech with the opening of the visemes that are shown."""
    features, phones = spoken.features, spoken.phones if words else recognised_phones(spoken.features)
    assert spoken.tracked is not None
    curve, speech = opening_of_visemes(phones, spoken.times), features.speech
    return correlation(curve[speech], tracked_height(spoken.tracked)[speech])


def recognised_phones(features: SpeechFeatures) -> Alignment:
    """Phones as ``sedtalker visemes`` recognises them."""
    return recognise(softmax(features.phones, -1), features.clock.rate, mouth_pose(features.mouth))


def opening_of_visemes(phones: Alignment, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) how far Rhubarb's shapes open, the mean of their phones."""
    table = SETS["rhubarb"]
    opening = {v: float(np.mean([POSES[p][0] for p in table if table[p] == v])) for v in set(table.values())}
    cues = visemes(phones, "rhubarb")
    where = np.searchsorted([cue.start for cue in cues], times, side="right") - 1
    return np.array([opening[cues[k].viseme] for k in where.clip(0)])


def closures(face: Face, moved: list[tuple[Spoken, NDArray[np.float32]]]) -> ClosureCounts:
    """Bilabials count as closed and open vowels as open: where no lips are tracked, or an emotion moved them."""
    counts = ClosureCounts()
    for spoken, motion in moved:
        count_untracked(counts, spoken.times, gap_of(face, motion), spoken.spans)
    return counts


def start_errors(spoken: list[Spoken]) -> dict[str, float]:
    """Median and 90th percentile of |start - pocketsphinx'|, in sentences for which both have the same phones; ms."""
    errors: list[float] = []
    for s in spoken:
        mine = [p for p in s.phones.phones if p.word is not None]
        theirs = [p for p in s.spans if p.phone != SILENCE]
        if [p.phone for p in mine] == [p.phone for p in theirs]:
            errors += [1000.0 * abs(a.start - b.start) for a, b in zip(mine, theirs, strict=True)]
    median, late = np.percentile(errors, [50, 90])
    return {"phones": len(errors), "median": round(float(median)), "p90": round(float(late))}


def page(found: dict[str, Any]) -> str:
    """The table, and a line on the alignment."""
    rows = [[f"`{k}`", what, *(f"{found[way][k]:.3f}" for way in ("without", "with"))] for k, what in ROWS.items()]
    of = found["alignment"]
    count = found["sentences"]
    ends = " and ".join(
        f"{of[name]['median']} ms on {corpus} (nine in ten within {of[name]['p90']} ms)"
        for name, corpus in (("grid", "GRID"), ("speechocean762", "speechocean762"))
    )
    text = f"{count['grid']} test sentences of the tracked talker, {count['speechocean762']} of other speakers. "
    text += f"Starts of phones differ from those of pocketsphinx by {ends}, in the median."
    table = markdown_table(["figure", "what", "without", "with `--transcript`"], rows)
    return f"{table}\n\n{textwrap.fill(text, 158)}"


# --- Words that are recognised.


@dataclass(frozen=True)
class Group:
    """Clips of new speakers whose words are known.

    Attributes:
        title: what the page calls them.
        corpus: of the manifest.
        split: of it that is taken; empty: all of it.
        gender: ``f``, ``m``, or empty for both.
        language: as espeak-ng names it.
    """

    title: str
    corpus: str
    split: str = "valid"
    gender: str = ""
    language: str = ENGLISH


GROUPS = (
    Group("readers of English from China, women and girls", "speechocean762", gender="f"),
    Group("the same, men and boys", "speechocean762", gender="m"),
    Group("American actors, women", "cremad", gender="f"),
    Group("American actors, men", "cremad", gender="m"),
    Group("Polish actors", "nemo", "", language="pl"),
    Group("Korean actors", "emotiontts_ko", "", language="ko"),
    Group("speakers of Bangla", "banglaser", "test", language="bn"),
    Group("Arabic words", "baved", "", language="ar"),
    Group("Hindi and English words, telephones", "indian_emospeech", "", language="hi"),
)
"""No speaker was trained on; of the words, only the twelve sentences of CREMA-D, by other actors."""
KINDS = {"closed": "p, b, m closed", "vowels": "open vowels closed", "others": "t, d, n, k, … closed"}
"""Columns of the table of groups: without words, with recognised and with true ones."""
OF_A_GROUP = 40
"""Recordings of a group that are measured, evenly taken."""


def measure_recognised(data: Path, hook: Hook) -> dict[str, Any]:
    """Figures of ``--recognised``."""
    animator, face, listed = Animator.from_pretrained(), load_face(), read_manifest(data)
    groups = []
    for group in GROUPS:
        clips = [c for c in listed if c.corpus == group.corpus and group.split in ("", c.split) and c.transcript]
        clips = [c for c in clips if group.gender in ("", c.gender)]
        chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, OF_A_GROUP).astype(int))]
        groups.append(group_recognised(animator, face, group, chosen, hook))
    return {"groups": groups, "wild": wild_recognised(animator, data, hook)}


def group_recognised(animator: Animator, face: Face, group: Group, clips: list[Clip], hook: Hook) -> dict[str, Any]:
    """Closures of one group without words, with recognised and with true ones.

    The reference of English is pocketsphinx'. Other languages have none but our own aligner with the true words, so
    that true words have nothing to be compared with.
    """
    english = group.language == ENGLISH
    sums = {name: np.zeros((len(KINDS), 2), int) for name in ("without", "auto", *(["true"] if english else []))}
    words, known = {"spoken": 0, "believed": 0}, dict[str, list[PhoneSpan]]()
    if english:
        utterances = [Utterance(c.path.stem, c.path, c.transcript) for c in clips]
        known = align_corpus(group.corpus, utterances, cache_folder(None))
        clips = [c for c in clips if known[c.path.stem]]
    for clip in counted(clips, hook, group.title, len(clips)):
        sound = load_audio(clip.path)
        features = animator.encoder(sound)
        moved = animator.decoder.predict(features, steady_track("neutral", 0.0))
        true = aligned(sound, clip.transcript, features, group.language)
        found = {"auto": recognise_words(sound, features), "true": true}
        words["believed"] += len(found["auto"].words)
        words["spoken"] += len(true.words)
        spans = known[clip.path.stem] if english else [PhoneSpan(p.phone, p.start, p.end) for p in true.phones]
        stops, *apart = (phone_intervals(spans, names) for names in (BILABIAL, OPEN_VOWELS, OPEN_CONSONANTS))
        for name, summed in sums.items():
            spoken = Spoken(features, spans, found.get(name, true), moved)
            gap = gap_of(face, moved if name == "without" else sharpened(spoken, moved, face))
            summed += [reached(gap, spoken.times, stops, CLOSED_GAP), *(shut(gap, spoken.times, one) for one in apart)]
    read = {name: dict(zip(KINDS, (s[:, 0] / s[:, 1]).round(3).tolist(), strict=True)) for name, s in sums.items()}
    sizes = dict(zip(KINDS, sums["auto"][:, 1].tolist(), strict=True))
    return {"group": group.title, **read, "words": words, "clips": len(clips), "phones": sizes}


def wild_recognised(animator: Animator, data: Path, hook: Hook) -> dict[str, Any]:
    """Correlation of the lips' height with the tracked one, by talker, without words and with recognised ones."""
    talkers, face, rows = read_wild_talkers(data), load_face(), dict[str, Any]()
    for talker in counted(talkers, hook, "recognising talkers of public video", len(talkers)):
        sound = load_audio(talker.audio)
        features = animator.encoder(sound)
        moved = animator.decoder.predict(features, steady_track("neutral", 0.0))
        phones = recognise_words(sound, features)
        spoken, clip = Spoken(features, [], phones, moved), WildClip(features, talker)
        scores = [clip.best(lip_aperture(face, m))[0] for m in (moved, sharpened(spoken, moved, face))]
        rows[talker.audio.stem] = {
            "without": round(scores[0], 4),
            "auto": round(scores[1], 4),
            "visemes": round(clip.best(opening_of_visemes(recognised_phones(features), spoken.times))[0], 4),
            "words": len(phones.words),
        }
    return rows


def recognised_page(found: dict[str, Any]) -> str:
    """The table of groups."""
    rows = []
    for row in found["groups"]:
        shares = [
            " / ".join(f"{row[name][kind]:.2f}" for name in ("without", "auto", "true") if name in row)
            + f" of {row['phones'][kind]}"
            for kind in KINDS
        ]
        rows.append([row["group"], *shares, f"{row['words']['believed']} of {row['words']['spoken']}"])
    return markdown_table(["who speaks", *KINDS.values(), "words believed"], rows)


if __name__ == "__main__":
    if "--recognised" in sys.argv:
        sys.argv.remove("--recognised")
        write_between_marks(PAGE, "recognised", recognised_page(measured(__doc__, RECOGNISED, measure_recognised)))
        sys.exit()
    figures_found = measured(__doc__, STORE, measure)
    write_between_marks(PAGE, "transcripts", page(figures_found))
