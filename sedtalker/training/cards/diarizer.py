"""The model card of a diarizer: how it was trained, and how well it works on test speakers, from measured metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sedtalker.checkpoint import CheckpointConfig
from sedtalker.speech.backbone import PACKED
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.speech import known_corpus, with_licence
from sedtalker.training.evaluation.measures import card_table

Metrics = Mapping[str, float]
"""Values by key, as ``docs/results.json`` holds them."""

NOT_MEASURED = "`sedtalker evaluate diarizer` and `sedtalker evaluate enrolment` measure the test speakers.\n\n"
"""Stands in the place of the test section until somebody has measured it."""


def with_licences(corpora: Iterable[str]) -> list[str]:
    """Each corpus as ``name (licence)``, for ``trained_on`` of a checkpoint."""
    return [with_licence(name) for name in corpora]


def diarizer_card(checkpoint: CheckpointConfig, results: Mapping[str, Any] | None = None) -> str:
    """The card's text (Markdown).

    Args:
        checkpoint: its ``config.json``.
        results: metrics on test speakers as ``scripts/make_results.py`` keeps them; None: not measured.
    """
    model = checkpoint.model
    return fill_card(
        "diarizer",
        encoder=_encoder(model.get("backbone")),
        licence=checkpoint.licence,
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        members=model["members"],
        width=model["width"],
        temperature=model["temperature"],
        networks=len(model.get("frame_networks", ())) or "no",
        corpora=_corpora(checkpoint.trained_on),
        test=NOT_MEASURED if results is None else test_section(results) + "\n",
        metrics=card_table("diarizer", checkpoint.metrics),
    )


def _corpora(trained_on: list[str]) -> str:
    """A table of the corpora, each given as ``name (licence)``."""
    rows = []
    for entry in trained_on:
        name, _, licence = entry.partition(" (")
        known = known_corpus(name)
        title, part = (known.title, known.training) if known else (name, None)
        facts = (part.language, part.content, str(part.speakers), str(part.hours)) if part else ("",) * 4
        rows.append((title, licence.rstrip(")"), *facts))
    return _table(("corpus", "licence", "language", "content", "training speakers", "hours"), rows)


def _encoder(backbone: dict[str, Any] | None) -> str:
    if backbone is None:
        return "the built-in speech encoder"
    if backbone["name"] == PACKED:
        return "the speech backbone in `backbone/`, a mixture of all its layers"
    revision = f" ({backbone['revision']})" if backbone["revision"] else ""
    return f"`{backbone['name']}`{revision} of the Hugging Face hub, a mixture of all its layers"


# --- The test section: clips, joined recordings, calibration, intensity, baselines, enrolment.

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
"""Lines of the table of clips: text, ending of the ``uar_`` key, ending of the ``n_`` key."""
JOINED = (
    ("EDER, pauses scored as silence", "eder{}", ""),
    ("EDER, speech only", "eder{}_speech", ""),
    ("control: neutral for all speech", "eder{}_neutral", ""),
    ("baseline: one label copied to all frames of a clip, no joins, same encoder and head", "baseline_copy_eder{}", ""),
    ("changes of emotion found within 0.25 s, F1", "boundary_f1", "_4"),
    ("macro-F1 of speech frames", "frame_macro_f1", "_4"),
    ("calibration error of frames", "frame_ece", "_4"),
)
"""Lines of the table of joined recordings: text, key with the set in it, ending of the key for four categories."""
SVM = (
    ("the recording alone", "uar_{}"),
    ("- SVM", "baseline_svm_alone_uar_{}"),
    ("five other clips of the speaker", "uar_{}_enrolled5"),
    ("- SVM", "baseline_svm_enrolled5_uar_{}"),
    ("all other clips of the speaker", "uar_{}_enrolled_all"),
    ("- SVM, customary speaker normalisation", "baseline_svm_uar_{}"),
)
"""Lines of the comparison with a support vector machine: text, key with the corpus in it."""
SEEDS = ("uar_ravdess", "uar_nemo", "uar_ko", "uar_tess", "eder7", "eder4", "boundary_f1", "intensity_auc", "ece")
"""Metrics whose spread over seeds is shown."""


def test_section(results: Mapping[str, Any]) -> str:
    """Markdown of what ``scripts/make_results.py`` measured on test speakers."""
    metrics: Metrics = results["diarizer"]
    return fill_card(
        "diarizer_test",
        clips=_clips(metrics),
        joined=_joined(metrics),
        svm=_svm(metrics),
        seeds=_seeds(metrics, results.get("diarizer_seeds", [])),
        enrolment=_enrolment(results.get("enrolment", {})),
        uncertain=_uncertain(metrics),
        speed=_speed(results.get("speed", {})),
        **{key.replace(".", "_"): value for key, value in metrics.items()},
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def _value(metrics: Metrics, key: str) -> str:
    return f"{metrics[key]:.2f}" if key in metrics else ""


def _clips(metrics: Metrics) -> str:
    rows = [
        (text, _value(metrics, f"uar_{key}"), f"{metrics[f'n_{count}']:.0f}" if count else "")
        for text, key, count in CLIPS
        if f"uar_{key}" in metrics
    ]
    return _table(("clips", "unweighted average recall", "n"), rows)


def _joined(metrics: Metrics) -> str:
    rows = []
    for text, key, tail in JOINED:
        seven, four = (key.format("7"), key.format("4") + tail)
        if seven in metrics:
            rows.append((text, f"{metrics[seven]:.3f}", f"{metrics[four]:.3f}"))
    head = ("recordings joined from clips, 20 ms, no collar", "7 categories", "neutral, happy, sad, angry")
    return _table(head, rows)


def _svm(metrics: Metrics) -> str:
    if "baseline_svm" not in metrics:
        return ""
    corpora = ("ravdess", "nemo", "emotiontts_ko")
    rows = [(text, *(_value(metrics, key.format(name)) for name in corpora)) for text, key in SVM]
    text = (
        "Against functionals of log-mels and prosody with a linear SVM, trained on each corpus alone (its best form):"
    )
    return f"{text}\n\n{_table(('what is known of the speaker', 'RAVDESS', 'nEMO', 'EmotionTTS'), rows)}\n\n"


def _seeds(metrics: Metrics, seeds: Sequence[Metrics]) -> str:
    if not seeds:
        return ""
    each = []
    for key in SEEDS:
        values = [float(s[key]) for s in (metrics, *seeds) if key in s]
        each.append(f"`{key}` {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}")
    return f"{len(seeds) + 1} seeds of the same training, mean ± standard deviation: " + ", ".join(each) + ".\n\n"


def _enrolment(metrics: Metrics) -> str:
    if not metrics:
        return ""
    keys = ("uar_ravdess_{}", "uar_nemo_{}", "uar_emotiontts_ko_{}", "eder7_{}", "eder7_speech_{}")
    rows = [["0", *(f"{metrics[key.format('0_alone')]:.3f}" for key in keys)]]
    for count in (1, 3, 10):
        pairs = [[metrics[key.format(f"{count}_{kind}")] for kind in ("any", "neutral")] for key in keys]
        rows.append([str(count), *(f"{a:.3f} / {b:.3f}" for a, b in pairs)])
    head = ("enrolled clips", "RAVDESS UAR", "nEMO UAR", "EmotionTTS UAR", "EDER, 7 categories", "EDER, speech only")
    return (
        "### Other recordings of the speaker (`--enroll`)\n\n`sedtalker evaluate enrolment --json`: other test clips "
        f"of the same speaker and microphone, of any emotion / neutral only.\n\n{_table(head, rows)}\n\n"
    )


def _uncertain(metrics: Metrics) -> str:
    rows = [
        (f"{t:g}", f"{100 * metrics[f'uncertain_{t}']:.0f} %", _value(metrics, f"certain_{t}"))
        for t in (0.0, 0.3, 0.4, 0.5, 0.6)
    ]
    return _table(("`--min-confidence`", "speech labelled uncertain", "accuracy of the rest"), rows)


def _speed(metrics: Metrics) -> str:
    if not metrics:
        return ""
    return (
        "`sedtalker evaluate speed --json`: an hour of audio runs {real_time:.0f} times as fast as it plays on one CPU "
        "core\nin {peak_rss_gb:.2f} GB ({real_time_48k_stereo:.0f} times and {peak_rss_gb_48k_stereo:.2f} GB as 48 kHz "
        "stereo)."
    ).format_map(metrics)
