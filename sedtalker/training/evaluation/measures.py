"""Every measure that is reported, in one table: what it is, its unit, which way is better, what is asked of it.

``docs/results.md``, the model cards, ``sedtalker evaluate … --help`` and ``sedtalker checkpoint inspect`` are written
from it. ``measure`` holds those on test data; how a measure is computed stands in the function named in ``source``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sedtalker.training.evaluation.measure import (
    ARROWS,
    DECODER,
    EXPRESSION,
    FINE,
    TRANSFER,
    UAR,
    VERTEX_DECODER,
    Measure,
)

# --- On validation data, while a network is trained: the choices are made on these.

TALKING = (
    Measure("lip_r", "inner-lip height, mean correlation per GRID validation sentence, speech frames"),
    Measure("width_r", "inner-lip width, the same sentences"),
    Measure("closure_recall", "closures on p, b, m: recall"),
    Measure("closure_false", "open vowels falsely closed", "lower"),
    Measure("closure_f1", "closure F1"),
    Measure(
        "unseen_closure",
        "closures on p, b, m of unseen speakers (speechocean762, phones aligned, lips untracked): recall",
    ),
    Measure("unseen_false", "open vowels of the unseen speakers falsely closed", "lower"),
    Measure("unseen_closure_f1", "closure F1 of the unseen speakers"),
    Measure(
        "unseen_talker_r",
        "inner-lip height of a Mandarin talker never trained on (FACEGOOD, five takes), speech frames",
    ),
    Measure("unseen_talker_r_all", "inner-lip height of that talker, pauses included"),
)
"""Measures of ``validate_talking``."""
SCORE = Measure("score", "what the best weights were chosen by")
"""What ``best.ckpt`` is chosen by."""

VALIDATION: dict[str, tuple[Measure, ...]] = {
    "speech_encoder": (
        Measure("lip_r", "inner-lip height, mean correlation per sentence, same talker, speech frames"),
        Measure("width_r", "inner-lip width, the same sentences"),
        Measure("unseen_r", "jaw opening of an unseen Mandarin talker (FACEGOOD, not trained on)"),
        Measure("pseudo_r", "inner-lip height of unseen speakers against what the teacher's layers tell of it"),
        Measure("pseudo_width_r", "inner-lip width, likewise"),
        Measure("phones", "phone frame accuracy, unseen speakers (speechocean762, validation)"),
        Measure("phones_tracked", "phone frame accuracy, GRID validation sentences"),
        Measure("clean_r", "height of the lips read out of the encoder that went on in noise, against that before"),
        Measure("noise_5db_r", "the same in noise of no training at 5 dB, against that of the clean sound before"),
        Measure("noise_0db_r", "the same at 0 dB"),
        Measure("babble_5db_r", "the same beside three other talkers at 5 dB"),
        SCORE,
    ),
    "emotion_encoder": (
        Measure("clip_r2", "share of the variance of the teacher's clip means that is predicted"),
        Measure("recall", "unweighted average recall of CREMA-D's intended emotions, 6 categories", source=UAR),
        SCORE,
    ),
    "decoder": (
        *TALKING,
        Measure("upper_rmse", "coefficient error of brows, lids and cheeks under random emotion tracks, RMS", "lower"),
        Measure("emotional_rmse", "coefficient error under random emotion tracks, RMS", "lower"),
        SCORE,
    ),
    "personal_decoder": (
        Measure("rmse", "error of the shapes, RMS", "lower"),
        Measure("start_rmse", "error of the shapes before fine-tuning", "neither"),
        Measure("static_rmse", "control: error of a face at its mean", "neither"),
        Measure("shuffled_rmse", "control: error for other speech", "neither"),
        Measure("jaw_r", "jaw, correlation"),
        Measure("start_jaw_r", "jaw, correlation before fine-tuning", "neither"),
        Measure("score", "share of squared motion that is explained"),
    ),
    "vertex_decoder": VERTEX_DECODER,
    "published_decoder": VERTEX_DECODER,
    "diarizer": (
        Measure("frame_accuracy", "accuracy of the speech of joined recordings"),
        Measure("uar_<corpus>", "unweighted average recall of the clips of one corpus", source=UAR),
        Measure("intensity_auc", "strong against normal within each emotion, by the predicted intensity"),
        Measure("held_<measure>", "of training speakers that were kept out"),
        SCORE,
    ),
    "published_diarizer": (
        Measure("frame_accuracy", "share of frames with the label of their utterance"),
        Measure("frame_weighted_f1", "F1 of frames, categories weighted by their share"),
        Measure("frame_macro_f1", "macro-F1 of frames"),
        SCORE,
    ),
    "fine_emotions": (
        Measure("kinds_pearson", "correlation of each kind's curve with what EmoGator's bursts were asked for, mean"),
        Measure("kinds_accuracy", "share of the bursts whose greatest curve is the right one of thirty"),
        Measure("votes_pearson", "correlation with the share of CREMA-D's raters, mean of six categories"),
        SCORE,
    ),
    "landmarks": (
        Measure("landmark_error", "mean landmark error on fixed random views", "lower", "outer-eye distances"),
        Measure("face_accuracy", "share of views rightly called face or no face"),
    ),
}
"""Measures of each task's ``validate``, by the kind of its checkpoint."""
VALIDATION["frame_network"] = VALIDATION["diarizer"]  # the same clips and recordings

TEST: dict[str, tuple[Measure, ...]] = {
    "decoder": DECODER,
    "transfer": TRANSFER,
    "expression": EXPRESSION,
    "fine": FINE,
    "vertex-decoder": VERTEX_DECODER,
}
"""Measures of each ``sedtalker evaluate`` command."""


# --- Lookups and tables.


def find_measure(measures: Iterable[Measure], key: str) -> Measure | None:
    """The line about ``key``: the exact one, else the first family it belongs to."""
    every = list(measures)
    return next((m for m in every if m.key == key), None) or next((m for m in every if m.describes(key)), None)


def held_out_measures(kind: str, metrics: Mapping[str, float]) -> tuple[Measure, ...]:
    """What the held-out figures of a checkpoint of this kind were measured as; see ``docs/results.md``.

    Diarizers are measured on corpora that they were never trained on.
    """
    if "zero_shot_uar" in metrics:
        return TRANSFER
    part = {"readout_decoder": "decoder", "fine_emotions": "fine"}.get(kind, kind.replace("_", "-"))
    return TEST.get(part, ())


def listed_metrics(measures: Iterable[Measure], metrics: Mapping[str, float]) -> list[tuple[Measure, float]]:
    """The metrics that ``docs/results.md`` shows, in the order of the table."""
    return [(m, metrics[m.key]) for m in measures if m.listed and m.key in metrics]


def card_table(kind: str, metrics: Mapping[str, float], digits: int = 3) -> str:
    """Markdown rows of a model card: every validation metric with what it is, in the order of the table of measures."""
    if not metrics:
        return "Not kept."
    measures = VALIDATION[kind]
    order = {m.key: i for i, m in enumerate(measures)}
    lines = ["| measure | value |", "|---|---|"]
    for key in sorted((k for k in metrics if k != "score"), key=lambda k: order.get(k, len(order))):
        measure = find_measure(measures, key)
        exact = measure is not None and measure.key == key
        what = measure.text if measure is not None and exact else f"`{key}`" + (f": {measure.text}" if measure else "")
        lines.append(f"| {what} | {metrics[key]:.{digits}f} |")
    return "\n".join(lines)


def help_text(command: str, summary: str) -> str:
    """Help of ``sedtalker evaluate <command>``: the summary, then every measure it prints with what it is."""
    lines = [
        f"{m.key}: {m.text}{' ' + ARROWS[m.better] if m.better != 'neither' else ''}" for m in TEST[command] if m.listed
    ]
    return summary + "\n\n\b\n" + "\n".join(line.replace("`", "") for line in lines)


def explained(measures: Iterable[Measure], metrics: Mapping[str, float]) -> str:
    """Lines for a terminal: key, value, which way is better and what it is."""
    every, lines = list(measures), []
    for key, value in metrics.items():
        measure = find_measure(every, key)
        about = f"{ARROWS[measure.better]:<2}{measure.text}" if measure else ""
        lines.append(f"  {key:<29} {value:<8.4g} {about}".rstrip())
    return "\n".join(lines)
