"""What each key of a measurement is, its unit, and which way is better."""

from __future__ import annotations

from sedtalker.training.evaluation.measure import EDER, SPEED, UAR, Measure, hidden

STREAMING = (
    Measure("uar_ravdess_<look-ahead>", "RAVDESS recall with so many seconds of look-ahead, or offline", source=UAR),
    Measure("eder7_speech_<look-ahead>", "emotion diarization error rate over speech only", "lower", source=EDER),
    Measure("eder7_<look-ahead>", "emotion diarization error rate, silence counted", "lower", source=EDER),
    Measure("boundary_f1_<look-ahead>", "changes of emotion found within 0.25 s, F1"),
    Measure("stream_times_real_time", "audio streamed per second of one CPU core", unit="s/s"),
)
"""Measures of ``evaluate_streaming``."""
CROSS_CORPUS = (
    Measure("macro_f1", "macro-F1 of a linear head, from one corpus to another", source="arXiv 2408.07851"),
    Measure("macro_f1_adjusted", "the same with logits adjusted to the target's shares of categories"),
    Measure("chance", "control: macro-F1 of the constant answer that scores best", "neither"),
)
"""Measures of ``evaluate_cross_corpus``, each a matrix with means ``_within``, ``_across`` and ``_left_out_mean``."""
SER_EVALS = (
    Measure("f1_<system>_within", "macro-F1 on CREMA-D's test speakers", source="arXiv 2408.07851"),
    Measure("adjusted_<system>_within", "the same with logits adjusted to how frequent each category is"),
    Measure("f1_<system>_beyond", "macro-F1 on corpora never trained on, mean"),
    Measure("adjusted_<system>_beyond", "the same with logits adjusted"),
    Measure("f1_gain_<system>", "what adapting adds to the macro-F1 beyond CREMA-D"),
    hidden("<figure>_<end>", "ends of its 95 % interval, corpora resampled", "neither"),
    Measure("constant_beyond", "macro-F1 of the best constant answer", "neither"),
    hidden("f1_<system>_<corpus>", "macro-F1 on one corpus"),
    hidden("adjusted_<system>_<corpus>", "the same with logits adjusted"),
    hidden("constant_<corpus>", "macro-F1 of the best constant answer there", "neither"),
    hidden("clips_<corpus>", "clips that were scored", "neither"),
)
"""Measures of ``evaluate_ser_evals``; systems: ``svm``, the diarizer ``as_is``, adapted by ``norm`` or ``pseudo``."""
REGISTRATION = (
    Measure("targets", "heads that were to be registered", "neither"),
    Measure("auto_success", "share of heads registered with the face in its true place"),
    Measure("no_faces", "meshes without a face", "neither"),
    Measure("refused", "share of meshes without a face that are refused"),
    Measure("transfer_error", "error of carried shapes over the true shapes' size, RMS, mean over the shapes", "lower"),
    Measure("transfer_error_after_gain", "the same after the best gain of each shape", "lower"),
    Measure("transfer_cosine", "cosine of carried and true shapes"),
    Measure("transfer_cosine_foreign", "cosine with another artist's shapes for the same head"),
    Measure("landmark_error", "mean error of the 51 inner landmarks", "lower", "outer-eye distances"),
    Measure("score", "mean score that `judge` gives the registered faces"),
    Measure("lip_gap<worst>", "what closed lips leave open, mean or worst head", "lower", "mm"),
    Measure("blink_gap<worst>", "what closed lids leave open, mean or worst head", "lower", "mm"),
    Measure("eyeball_seen<worst>", "share of the visible eyeball that a blink leaves, mean or worst head", "lower"),
    Measure("inverted<worst>", "share of skin triangles that a shape turns over, mean or worst head", "lower"),
    Measure("seconds", "time to register a head, mean", "lower", "s"),
    Measure("judged_worst", "share of the shapes seen on the built-in face that MediaPipe sees on the worst head"),
    Measure("judged_mean", "the same, mean over the heads"),
    Measure("large_vertices", "vertices of the large head", "neither"),
    Measure("large_seconds", "processor time to register it", "lower", "s"),
    Measure("large_peak_gb", "peak memory meanwhile", "lower", "GB"),
    Measure("again_seconds", "processor time to find it in the cache", "lower", "s"),
    Measure("animate_real_time", "speech animated per second of processor time on it", unit="s/s"),
)
"""Measures of ``evaluate_registration``, ``evaluate_registration_judged`` and ``evaluate_registration_cost``."""
KEYS = {
    "registration": REGISTRATION,
    "speed": SPEED,
    "streaming": STREAMING,
    "cross-corpus": CROSS_CORPUS,
    "ser-evals": SER_EVALS,
}
"""By the word that ``measure.py`` takes."""
