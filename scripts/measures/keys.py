"""What each key of a measurement is, its unit, and which way is better."""

from __future__ import annotations

from sedtalker.training.evaluation.measure import EDER, FINE, UAR, Measure, hidden

SPEED = (
    Measure("real_time", "audio diarized per second of one CPU core, an hour at 16 kHz", unit="s/s", asked=40),
    Measure("peak_rss_gb", "peak memory for the hour at 16 kHz", "lower", "GB", 1.5),
    Measure("real_time_48k_stereo", "audio diarized per second of one CPU core, 48 kHz stereo", unit="s/s"),
    Measure("peak_rss_gb_48k_stereo", "peak memory for the hour of 48 kHz stereo", "lower", "GB"),
)
"""Measures of ``evaluate_speed``."""
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
ADAPTATION = (
    Measure("adapt_gain", "recall over own categories gained by `sedtalker adapt`, mean of unseen corpora", asked=0.06),
    Measure("adapt_gain_low", "lower end of its 95 % interval, speakers and their clips resampled", "neither"),
    Measure("adapt_gain_high", "upper end of the interval", "neither"),
    Measure("adapt_gain_over_corpora_low", "lower end of its 95 % interval, corpora resampled", "neither"),
    Measure("adapt_gain_over_corpora_high", "upper end of the interval", "neither"),
    Measure("adapt_gain_worst", "the same gain, worst corpus", asked=-0.02),
    Measure("source_uar", "recall before, mean of the same corpora", "neither"),
    Measure("adapted_uar", "recall adapted to the other half of the speakers, without labels"),
    Measure("gain_mean", "gain by moving the mean of the functionals alone"),
    Measure("gain_norm", "gain by evening out the answers as well"),
    Measure("gain_pseudo", "gain by self-training after both"),
    Measure("source_seven", "recall before where all seven categories may be answered", "neither"),
    Measure("adapted_seven", "the same adapted"),
    Measure("adapted_few", "recall adapted to ten recordings"),
    Measure("adapted_one_emotion", "recall adapted to recordings of one emotion only, drawn at random"),
    Measure("source_angry_as_happy", "share of angry clips called happy before", "lower"),
    Measure("adapted_angry_as_happy", "share of angry clips called happy when adapted", "lower"),
    hidden("gain_<method>_<end>", "ends of its 95 % interval, speakers and their clips resampled", "neither"),
    hidden("adapt_splits", "random halves of the speakers", "neither"),
    hidden("<measure>_<corpus>", "the same of one corpus", "neither"),
)
"""Measures of ``evaluate_adaptation``."""
NOVA_ARC = (
    Measure("nova_source", "recall of a network trained on CREMA-D alone, mean of unseen corpora", "neither"),
    Measure("nova_flat", "recall with unlabelled speech of the corpus, in flat space"),
    Measure("nova_ball", "the same in the Poincaré ball"),
    Measure("nova_normed", "control: recall of the source's network, frames normalised by the corpus", "neither"),
    Measure("nova_linear", "control: recall of a linear head on frames normalised by the corpus", "neither"),
    Measure("nova_normed_flat", "recall with unlabelled speech in flat space, frames normalised by the corpus"),
    Measure("nova_normed_ball", "the same in the Poincaré ball"),
    Measure("nova_gain_flat", "`nova_flat` minus `nova_source`"),
    Measure("nova_gain_ball", "`nova_ball` minus `nova_source`"),
    Measure("nova_gain_normed", "`nova_normed` minus `nova_source`", "neither"),
    Measure("nova_gain_linear", "`nova_linear` minus `nova_source`", "neither"),
    Measure("nova_gain_normed_flat", "`nova_normed_flat` minus `nova_source`"),
    Measure("nova_gain_normed_ball", "`nova_normed_ball` minus `nova_source`"),
    Measure("nova_ball_over_flat", "`nova_ball` minus `nova_flat`: what the curvature adds", "neither"),
    Measure("nova_normed_ball_over_normed_flat", "the same with frames normalised by the corpus", "neither"),
    Measure("nova_normed_ball_over_normed", "`nova_normed_ball` minus `nova_normed`: what transport adds", "neither"),
    hidden("nova_seeds", "splits of the speakers, and seeds", "neither"),
    hidden("nova_<difference>_<end>", "ends of its 95 % interval, corpora resampled", "neither"),
    hidden("nova_<variant>_sd_<corpus>", "deviation over the splits of one corpus", "lower"),
    hidden("nova_<variant>_<corpus>", "the same of one corpus", "neither"),
)
"""Measures of ``evaluate_nova_arc``."""
SERE = (
    Measure("sere_uar", "recall from five labelled clips a category in another language, mean of the tasks"),
    Measure("mean_pooling_uar", "the same with clips pooled by their mean, without the field", "neither"),
    Measure("no_neighbours_uar", "the same without the loss among unlabelled clips", "neither"),
    Measure("nearest_uar", "control: the nearest mean of the same five clips", "neither"),
    Measure("linear_uar", "control: a linear head on the same five clips", "neither"),
    hidden("sere_over_<method>", "`sere_uar` minus that of another, mean of the tasks", "neither"),
    hidden("sere_draws", "draws of the five clips for each task", "neither"),
    hidden("<figure>_<end>", "ends of its 95 % interval, tasks resampled", "neither"),
    hidden("<method>_sd_<task>", "deviation over draws of one task", "lower"),
    hidden("<method>_<task>", "the same of one task", "neither"),
)
"""Measures of ``evaluate_sere``."""
MOUTH = (
    Measure("<chain>", "by step the figures without it: the difference, and 1 where it is more than noise", "neither"),
)
"""What ``evaluate_mouth_rules`` gives."""
KEYS = {
    "registration": REGISTRATION,
    "speed": SPEED,
    "streaming": STREAMING,
    "cross-corpus": CROSS_CORPUS,
    "ser-evals": SER_EVALS,
    "adaptation": ADAPTATION,
    "nova-arc": NOVA_ARC,
    "sere": SERE,
    "fine": FINE,
    "mouth": MOUTH,
}
"""By the word that ``measure.py`` takes."""
