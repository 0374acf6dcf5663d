"""The part of a diarizer's model card that says how well it works, from the figures that were measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sedtalker.checkpoint import CheckpointConfig
from sedtalker.speech.backbone import PACKED

Figures = Mapping[str, float]

CLIPS = (
    ("RAVDESS, English, 7 categories (chance 0.14)", "ravdess", "ravdess"),
    ("- women", "ravdess_women", "ravdess_women"),
    ("- men", "ravdess_men", "ravdess_men"),
    ("- normal strength, and neutral", "ravdess_normal", "ravdess_normal"),
    ("- strong, and neutral", "ravdess_strong", "ravdess_strong"),
    ("- the worst actor", "ravdess_worst_speaker", ""),
    ("- the best actor", "ravdess_best_speaker", ""),
    ("- with five other clips of the speaker", "ravdess_enrolled5", "ravdess"),
    ("nEMO, Polish, 6 categories, one woman", "nemo", "nemo"),
    ("- with five other clips of the speaker", "nemo_enrolled5", "nemo"),
    ("EmotionTTS, Korean, 4 categories", "emotiontts_ko", "emotiontts_ko"),
    ("- women", "emotiontts_ko_women", "emotiontts_ko_women"),
    ("- men", "emotiontts_ko_men", "emotiontts_ko_men"),
    ("- the worst speaker", "emotiontts_ko_worst_speaker", ""),
    ("- with five other clips of the speaker", "emotiontts_ko_enrolled5", "emotiontts_ko"),
    ("Indian EmoSpeech, single words, English and Hindi, 4 categories", "indian_emospeech", "indian_emospeech"),
    ("EmoGator, vocal bursts", "emogator", "emogator"),
    ("TESS, English, 7 categories, two women, a corpus never trained on", "tess", "tess"),
    ("all English (RAVDESS and the single words)", "language_en", "language_en"),
    ("all Hindi (single words)", "language_hi", "language_hi"),
)
JOINED = (
    ("EDER, pauses scored as silence", "eder{}", ""),
    ("EDER, speech only", "eder{}_speech", ""),
    ("control: neutral for all speech", "eder{}_neutral", ""),
    ("baseline: one label copied to all frames of a clip, no joins, same encoder and head", "baseline_copy_eder{}", ""),
    ("changes of emotion found within 0.25 s, F1", "boundary_f1", "_4"),
    ("macro-F1 of speech frames", "frame_macro_f1", "_4"),
    ("calibration error of frames", "frame_ece", "_4"),
)
CALIBRATION = """Expected calibration error of clips {ece:.3f}, of segments {segment_ece:.3f} by duration.

![Reliability diagram of test clips](calibration.png)"""
INTENSITY = """Intensity, strong against normal within an emotion (RAVDESS): AUC {intensity_auc:.2f}, and
{intensity_auc_gain_normalised:.2f} after all clips were brought to one level; the confidence in its place
{confidence_auc:.2f}. Pearson r {intensity_pearson:.2f} against neutral 0, normal 0.5, strong 1. On BAVED, Arabic words
that were never trained on, the rank correlation with the three levels is {intensity_baved_spearman:.2f}
({intensity_baved_spearman_within_speaker:.2f} within speakers)."""
SPEED = """`sedtalker evaluate speed --json`: an hour of audio runs at {real_time:.0f} times real time on one CPU core
in {peak_rss_gb:.2f} GB ({real_time_48k_stereo:.0f} times and {peak_rss_gb_48k_stereo:.2f} GB as 48 kHz stereo)."""
SEEDS = ("uar_ravdess", "uar_nemo", "uar_ko", "uar_tess", "eder7", "eder4", "boundary_f1", "intensity_auc", "ece")


def test_section(results: Mapping[str, Any]) -> str:
    """Markdown of what ``scripts/make_results.py`` measured on test speakers."""
    figures: Figures = results["diarizer"]
    parts = [
        "## Figures on test speakers (never trained on, never used for a choice)\n\n"
        "`sedtalker evaluate diarizer --json`; the recording alone unless it says otherwise. The protocol stands in\n"
        "`sedtalker/training/evaluate_diarizer.py`.",
        _clips(figures),
        _joined(figures),
        _calibration(figures),
        _intensity(figures),
        _svm(figures),
        _seeds(figures, results.get("diarizer_seeds", [])),
        _enrolment(results.get("enrolment", {})),
        _uncertain(figures),
        _speed(results.get("speed", {})),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def _value(figures: Figures, key: str) -> str:
    return f"{figures[key]:.2f}" if key in figures else ""


def _clips(figures: Figures) -> str:
    rows = [
        (text, _value(figures, f"uar_{key}"), f"{figures[f'n_{count}']:.0f}" if count else "")
        for text, key, count in CLIPS
        if f"uar_{key}" in figures
    ]
    return (
        _table(("clips", "unweighted average recall", "n"), rows)
        + "\n\nWith four actors a recall is uncertain by about 0.05; one speaker says little about a language."
    )


def _joined(figures: Figures) -> str:
    rows = []
    for text, key, tail in JOINED:
        seven, four = (key.format("7"), key.format("4") + tail)
        if seven in figures:
            rows.append((text, f"{figures[seven]:.3f}", f"{figures[four]:.3f}"))
    head = ("recordings joined from clips, 20 ms, no collar", "7 categories", "neutral, happy, sad, angry")
    return _table(head, rows)


def _calibration(figures: Figures) -> str:
    return CALIBRATION.format_map(figures)


def _intensity(figures: Figures) -> str:
    return INTENSITY.format_map(figures)


def _svm(figures: Figures) -> str:
    if "baseline_svm" not in figures:
        return ""
    corpora = ("ravdess", "nemo", "emotiontts_ko")
    rows = [
        (text, *(_value(figures, key.format(name)) for name in corpora))
        for text, key in (
            ("the recording alone", "uar_{}"),
            ("- SVM", "baseline_svm_alone_uar_{}"),
            ("five other clips of the speaker", "uar_{}_enrolled5"),
            ("- SVM", "baseline_svm_enrolled5_uar_{}"),
            ("all other clips of the speaker", "uar_{}_enrolled_all"),
            ("- SVM, customary speaker normalisation", "baseline_svm_uar_{}"),
        )
    ]
    text = (
        "Against functionals of log-mels and prosody with a linear SVM, trained on each corpus alone (its best form):"
    )
    return text + "\n\n" + _table(("what is known of the speaker", "RAVDESS", "nEMO", "EmotionTTS"), rows)


def _seeds(figures: Figures, seeds: Sequence[Figures]) -> str:
    if not seeds:
        return ""
    each = []
    for key in SEEDS:
        values = [float(s[key]) for s in (figures, *seeds) if key in s]
        each.append(f"`{key}` {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}")
    return f"{len(seeds) + 1} seeds of the same training, mean ± standard deviation: " + ", ".join(each) + "."


def _enrolment(figures: Figures) -> str:
    if not figures:
        return ""
    keys = ("uar_ravdess_{}", "uar_nemo_{}", "uar_emotiontts_ko_{}", "eder7_{}", "eder7_speech_{}")
    rows = [["0", *(f"{figures[key.format('0_alone')]:.3f}" for key in keys)]]
    for count in (1, 3, 10):
        pairs = [[figures[key.format(f"{count}_{kind}")] for kind in ("any", "neutral")] for key in keys]
        rows.append([str(count), *(f"{a:.3f} / {b:.3f}" for a, b in pairs)])
    head = ("enrolled clips", "RAVDESS UAR", "nEMO UAR", "EmotionTTS UAR", "EDER, 7 categories", "EDER, speech only")
    return (
        "### Other recordings of the speaker (`--enroll`)\n\n`sedtalker evaluate enrolment --json`: other test clips "
        "of the same speaker and microphone, of any emotion / neutral only.\n\n" + _table(head, rows)
    )


def _uncertain(figures: Figures) -> str:
    rows = [
        (f"{t:g}", f"{100 * figures[f'uncertain_{t}']:.0f} %", _value(figures, f"certain_{t}"))
        for t in (0.0, 0.3, 0.4, 0.5, 0.6)
    ]
    return (
        "### Uncertain segments (`--min-confidence`)\n\nA segment's confidence is the mean posterior of its label over "
        "its speech. Joined recordings, by duration:\n\n"
        + _table(("`--min-confidence`", "speech labelled uncertain", "accuracy of the rest"), rows)
    )


def _speed(figures: Figures) -> str:
    return SPEED.format_map(figures) if figures else ""


# --- Model card of a diarizer checkpoint.

LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0",
    "nemo": "CC BY-NC-SA 4.0",
    "emotiontts_ko": "CC BY-NC-SA 4.0",
    "indian_emospeech": "CC BY-NC-SA 4.0",
    "emogator": "Apache-2.0",
}
CORPORA = {
    "ravdess": (
        "RAVDESS",
        "English (North America)",
        "two sentences by actors, 7 categories in two strengths",
        14,
        0.86,
    ),
    "nemo": ("nEMO", "Polish", "sentences by actors, 6 categories", 6, 1.2),
    "emotiontts_ko": ("EmotionTTS", "Korean", "read sentences, 4 categories", 10, 0.3),
    "indian_emospeech": ("Indian EmoSpeech", "Indian English, Hindi", "prompted single words, 4 categories", 71, 0.65),
    "emogator": ("EmoGator", "none", "vocal bursts, 7 of 30 categories", 90, 0.47),
}
"""Name, language, content, training speakers and hours of labelled training clips."""
NOT_MEASURED = """`sedtalker evaluate diarizer` and `sedtalker evaluate enrolment` measure the test speakers.

"""

TEXT = """# Emotion diarizer

Says for every 20 ms of speech which of seven categories is expressed (neutral, happy, sad, angry, fear, disgust,
surprise), how strongly; valence and arousal follow from both. It is a head on
{encoder}.

- **Licence of the weights: {licence}** — the strictest of the training data's. Not for commercial use. Every other
  part of the package works without it: give a track (`--emotion`), or train on data of your own.
- Model: functionals (mean and deviation over windows of {windows} s) of encoder vectors, log-mels and prosody;
  {members} perceptrons of {width} units; {networks} convolutional networks over frames of log-mels and prosody, which
  also hear where the emotion changes; log-posteriors are averaged; temperature {temperature:.2f}.
- Trained on the corpora below.
- TESS and Deeply Nonverbal were left out (CC BY-NC-ND: no derivatives); TESS serves as an unseen corpus in evaluation.
- Training: `sedtalker train experiment=frame_network` and `experiment=diarizer`. Single clips and recordings joined
  from clips of one speaker, with true boundaries, pauses and cross-fades; voices, rooms, devices and backgrounds
  varied. Calm counts as neutral. Intensity is learned from RAVDESS's normal and strong (ordinal and ranking loss),
  never from confidence; in the other corpora only neutral against emotional is known. Part of the draws know one to
  five other clips of their speaker (any, or neutral ones), the others only the recording itself: both ways of use are
  trained.

{corpora}

{test}## Figures on validation speakers (never trained on, used for choices)

{metrics}

`enrolled_*`: with five other clips of the speaker.

## For what, and for what not

Made to drive the face of an animated character from acted or lively speech, with a track that people check and edit.
The labels say what is *expressed*, as actors were asked to, not what a person feels. It must not be used to judge
people: not in hiring, teaching, policing, health or insurance.

## Where it fails

- It learned from about fifty actors and prompted speakers: English (North American), Polish, Korean, and single words
  in Indian English and Hindi. Other languages, children, old voices and spontaneous speech were never heard, and much
  is lost there.
- Disgust comes from one corpus of speech only and hardly transfers. Sad and neutral, happy and surprise, fear and
  happy are confused most.
- Boundaries were learned and are measured on clips joined by the training script. A mood that changes slowly in one
  breath is not such a join and is found later, or not.
- Clips shorter than a second hold little evidence. Without other recordings of the speaker a naturally high, loud or
  flat voice is taken for an emotion; longer recordings are better, because the speaker's own average is subtracted.
- Music, several speakers at once and strong noise are not handled.
"""


def diarizer_card(checkpoint: CheckpointConfig, results: Mapping[str, Any] | None = None) -> str:
    """The card's text (Markdown).

    Args:
        checkpoint: its ``config.json``.
        results: figures on test speakers as ``scripts/make_results.py`` keeps them.
    """
    model = checkpoint.model
    rows = [f"| `{name}` | {value:.3f} |" for name, value in checkpoint.metrics.items()]
    return TEXT.format(
        encoder=_encoder(model.get("backbone")),
        licence=checkpoint.licence,
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        members=model["members"],
        width=model["width"],
        temperature=model["temperature"],
        networks=len(model.get("frame_networks", ())) or "no",
        corpora=_corpora(checkpoint.trained_on),
        test=NOT_MEASURED if results is None else test_section(results) + "\n",
        metrics="\n".join(["| figure | value |", "|---|---|", *rows]),
    )


def _corpora(trained_on: list[str]) -> str:
    """A table of the corpora, each given as ``name (licence)``."""
    lines = ["| corpus | licence | language | content | training speakers | hours |", "|---|---|---|---|---|---|"]
    for entry in trained_on:
        name, _, licence = entry.partition(" (")
        known = CORPORA.get(name)
        title, *rest = known if known else (name, "", "", "", "")
        lines.append(f"| {title} | {licence.rstrip(')')} | " + " | ".join(map(str, rest)) + " |")
    return "\n".join(lines)


def _encoder(backbone: dict[str, Any] | None) -> str:
    if backbone is None:
        return "the built-in speech encoder"
    if backbone["name"] == PACKED:
        return "the speech backbone in `backbone/`, a mixture of all its layers"
    revision = f" ({backbone['revision']})" if backbone["revision"] else ""
    return f"`{backbone['name']}`{revision} of the Hugging Face hub, a mixture of all its layers"
