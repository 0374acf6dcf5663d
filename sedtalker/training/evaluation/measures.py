"""Every measure that is reported, in one table: what it is, its unit, which way is better, what is asked of it.

``docs/results.md``, the model cards, ``sedtalker evaluate … --help`` and ``sedtalker checkpoint inspect`` are written
from it. How a measure is computed stands in the function named in ``source``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["higher", "lower", "neither"]
"""Which way is better; ``neither`` for controls and counts."""

ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓", "neither": ""}
"""How tables show which way is better."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        key: its name in JSON; ``<…>`` in it stands for any word or none, so that one line describes a family.
        what: one sentence fragment that says what is measured, understandable alone.
        better: which way is better.
        unit: of the value; empty for shares, correlations and other plain numbers.
        asked: the value that the project asks of its shipped weights, if any.
        source: paper or function that defines it.
        listed: whether ``docs/results.md`` shows it; the others stand in ``docs/results.json`` alone.
    """

    key: str
    what: str
    better: Better = "higher"
    unit: str = ""
    asked: float | None = None
    source: str = ""
    listed: bool = True

    @property
    def asked_for(self) -> str:
        """``≥ 0.9`` or ``≤ 0.05``; empty where nothing is asked."""
        if self.asked is None:
            return ""
        return f"{'≥' if self.better == 'higher' else '≤'} {self.asked:g}"

    @property
    def text(self) -> str:
        """What it is, with its unit."""
        return f"{self.what}, {self.unit}" if self.unit else self.what

    def describes(self, key: str) -> bool:
        """Whether this line is about ``key``."""
        pattern = re.sub(r"<[^>]*>", ".*", re.escape(self.key).replace(r"\<", "<").replace(r"\>", ">"))
        return re.fullmatch(pattern, key) is not None


def hidden(key: str, what: str, better: Better = "higher", unit: str = "", source: str = "") -> Measure:
    """A measure that only ``docs/results.json`` has."""
    return Measure(key, what, better, unit, None, source, listed=False)


# --- Emotion: single clips, recordings joined from clips, baselines.

UAR = "Schuller et al., INTERSPEECH 2009 Emotion Challenge"
"""Source of unweighted average recall."""
EDER = "Wang et al., arXiv 2306.12991"
"""Source of the emotion diarization error rate."""

DIARIZER = (
    Measure("uar_ravdess", "unweighted average recall, RAVDESS test actors, 7 categories (chance 0.14)", source=UAR),
    Measure("uar_ravdess_enrolled5", "RAVDESS recall with five other clips of the speaker enrolled", source=UAR),
    Measure("uar_nemo", "unweighted average recall, nEMO, Polish, 6 categories", source=UAR),
    Measure("uar_ko", "unweighted average recall, EmotionTTS, Korean, 4 categories", source=UAR),
    Measure("uar_tess", "unweighted average recall, TESS, 7 categories, a corpus never trained on", source=UAR),
    Measure("macro_f1", "macro-F1 over the clips of RAVDESS, nEMO and EmotionTTS test speakers"),
    Measure("ece", "expected calibration error on the same clips", "lower", source="Guo et al., ICML 2017"),
    Measure(
        "baseline_svm",
        "baseline: functionals and a linear SVM that knows all clips of each speaker; RAVDESS recall",
        "neither",
        source="Schuller et al., INTERSPEECH 2009",
    ),
    Measure("intensity_auc", "strong against normal within each emotion of RAVDESS, by the predicted intensity"),
    Measure("intensity_auc_gain_normalised", "the same AUC, all clips brought to one level first"),
    Measure("confidence_auc", "control: the same AUC, by the classifier's confidence", "neither"),
    Measure(
        "intensity_baved_spearman",
        "rank correlation of the intensity with the three levels of BAVED (Arabic), never trained on",
    ),
    Measure(
        "eder7",
        "emotion diarization error rate on joined test clips, 7 categories, silence counted",
        "lower",
        source=EDER,
    ),
    Measure("eder7_speech", "emotion diarization error rate, 7 categories, speech only", "lower", source=EDER),
    Measure("eder7_neutral", "control: `eder7` with all speech called neutral", "neither", source=EDER),
    Measure("baseline_copy", "baseline: `eder7` of the published recipe with our encoder and head", "neither"),
    Measure(
        "eder4", "emotion diarization error rate on joined clips of neutral, happy, sad and angry", "lower", source=EDER
    ),
    Measure("eder4_speech", "emotion diarization error rate, 4 categories, speech only", "lower", source=EDER),
    Measure("eder4_neutral", "control: `eder4` with all speech called neutral", "neither", source=EDER),
    Measure("baseline_copy_eder4", "baseline: `eder4` of the published recipe", "neither"),
    Measure("boundary_f1", "changes of emotion found within 0.25 s, F1, joined clips of 7 categories"),
    Measure("frame_macro_f1", "macro-F1 of the speech frames of joined clips, 7 categories"),
    hidden("uar_<corpus>_own_classes", "recall where only the corpus's own categories may be answered", source=UAR),
    hidden("uar_language_<code>", "recall of all clips of one language", source=UAR),
    hidden("uar_<group>", "recall of a corpus, of a group of its clips or with enrolled clips", source=UAR),
    hidden("n_<group>", "clips in the group", "neither"),
    hidden("speakers_<corpus>", "test speakers of the corpus", "neither"),
    hidden("intensity_pearson", "Pearson's r of the intensity with 0, 0.5, 1 for neutral, normal, strong"),
    hidden("intensity_mae", "mean absolute error of the intensity against the same", "lower"),
    hidden("intensity_baved_spearman_within_speaker", "the same as above after each speaker's mean is taken off"),
    hidden("eder<set>_frames<kind>", "error rate of the best label of each frame, without segments", "lower"),
    hidden("eder<set>_speech_neutral", "control: error over speech, all of it called neutral", "neither"),
    hidden("eder<set>_activity", "share of frames whose voice activity is wrong", "lower"),
    hidden("<measure>_4", "the same on joined clips of 4 categories"),
    hidden("frame_uar<set>", "recall of the speech frames of joined clips"),
    hidden("frame_ece<set>", "expected calibration error of those frames", "lower"),
    hidden("segment_ece", "expected calibration error of segments, by duration", "lower"),
    hidden("uncertain_<threshold>", "share of speech in segments less confident than the threshold", "neither"),
    hidden("certain_<threshold>", "accuracy of the speech in all other segments"),
    hidden("baseline_<which>", "baseline: see `baseline_metrics`", "neither"),
)
"""Of ``evaluate_diarizer``."""

SPEED = (
    Measure("real_time", "audio diarized per second of one CPU core, an hour at 16 kHz", unit="s/s", asked=40),
    Measure("peak_rss_gb", "peak memory for the hour at 16 kHz", "lower", "GB", 1.5),
    Measure("real_time_48k_stereo", "audio diarized per second of one CPU core, 48 kHz stereo", unit="s/s"),
    Measure("peak_rss_gb_48k_stereo", "peak memory for the hour of 48 kHz stereo", "lower", "GB"),
)
"""Of ``evaluate_speed``."""


def _enrolment() -> Iterable[Measure]:
    corpora = {"emotiontts_ko": "EmotionTTS", "nemo": "nEMO", "ravdess": "RAVDESS"}
    for count, kind in ((0, "alone"), *((n, kind) for n in (1, 3, 10) for kind in ("any", "neutral"))):
        clips = "the recording alone" if not count else f"{count} other clips of the speaker"
        clips += ", neutral ones" if kind == "neutral" else ", of any emotion" if kind == "any" else ""
        for corpus, title in corpora.items():
            yield Measure(f"uar_{corpus}_{count}_{kind}", f"{title} recall, {clips}", source=UAR)
        yield Measure(f"eder7_{count}_{kind}", f"emotion diarization error rate, {clips}", "lower", source=EDER)
        yield Measure(f"eder7_speech_{count}_{kind}", f"the same over speech only, {clips}", "lower", source=EDER)


ENROLMENT = tuple(_enrolment())
"""Of ``evaluate_enrolment``."""

STREAMING = (
    Measure("uar_ravdess_<look-ahead>", "RAVDESS recall with so many seconds of look-ahead, or offline", source=UAR),
    Measure("eder7_speech_<look-ahead>", "emotion diarization error rate over speech only", "lower", source=EDER),
    Measure("eder7_<look-ahead>", "emotion diarization error rate, silence counted", "lower", source=EDER),
    Measure("boundary_f1_<look-ahead>", "changes of emotion found within 0.25 s, F1"),
    Measure("stream_times_real_time", "audio streamed per second of one CPU core", unit="s/s"),
)
"""Of ``evaluate_streaming``."""

CROSS_CORPUS = (
    Measure("macro_f1", "macro-F1 of a linear head, from one corpus to another", source="arXiv 2408.07851"),
    Measure("macro_f1_adjusted", "the same with logits adjusted to the target's shares of categories"),
    Measure("chance", "control: macro-F1 of the constant answer that scores best", "neither"),
)
"""Of ``evaluate_cross_corpus``, each a matrix with means ``_within``, ``_across`` and ``_left_out_mean``."""

TRANSFER = (
    Measure("zero_shot_uar", "recall over own categories, mean of RAVDESS, nEMO, TESS and EmotionTTS", asked=0.5),
    Measure("zero_shot_uar_seven", "the same where all seven categories may be answered"),
    Measure("zero_shot_uar_adjusted", "the same, logits adjusted to each corpus's shares of categories (2408.07851)"),
    Measure("zero_shot_macro_f1", "macro-F1 over own categories, mean of the same corpora"),
    Measure("ece_zero_shot", "expected calibration error, mean of the same corpora", "lower", asked=0.1),
    Measure("accuracy", "share of clips recognised among seven categories, mean of the same corpora"),
    Measure("accuracy_half", "accuracy of the most confident half of the clips"),
    Measure("angry_as_happy", "share of angry clips that are called happy, worst unseen corpus", "lower", asked=0.22),
    Measure("intensity_neutral", "mean intensity of neutral clips, worst unseen corpus", "lower", asked=0.25),
    Measure("intensity_auc", "strong against normal within each emotion, corpora never trained on", asked=0.88),
    Measure("narration_false_alarm", "share of read speech shown as emotional at ≥ 0.4", "lower", asked=0.1),
    Measure("development_uar", "`zero_shot_uar` of the corpora that the recipe was chosen on", "neither"),
)
"""Of ``evaluate_transfer``; only corpora that the weights were not trained on count."""


# --- Motion: lips, open 4D vertices, obedience to the emotion track.

LVE = "MeshTalk, Richard et al. 2021"
"""Source of the lip vertex error."""
MVE = "EMOTE, Daněček et al. 2023"
"""Source of the mean vertex error."""
EVE = "EmoTalk, Peng et al. 2023"
"""Source of the vertex error of the emotion region."""
FDD = "CodeTalker, Xing et al. 2023"
"""Source of the upper-face dynamics deviation."""

DECODER = (
    Measure("lip_r", "inner-lip height, mean correlation per GRID test sentence, speech frames", asked=0.905),
    Measure("lip_r_shuffled", "control: `lip_r` with the motion of another sentence", "neither"),
    Measure("lip_r_energy", "control: `lip_r` with log energy in the place of the lips", "neither"),
    Measure("lip_width_r", "inner-lip width, the same sentences", asked=0.82),
    Measure("lip_r_synchronised", "inner-lip height, sound and picture first synchronised (20 ms apart as recorded)"),
    Measure("lip_width_r_synchronised", "inner-lip width, sound and picture first synchronised"),
    Measure(
        "lip_r_voice_changed",
        "inner-lip height, the sentences in other voices (formants × 0.86 to 1.28, pitch 85 to 260 Hz)",
    ),
    Measure("lip_width_r_voice_changed", "inner-lip width, the sentences in other voices"),
    Measure("lip_r_5db", "inner-lip height, under pink noise 5 dB below the speech"),
    Measure(
        "lip_r_unseen", "inner-lip height of a Mandarin talker never trained on (FACEGOOD 1114_3_15), speech frames"
    ),
    Measure("lip_r_unseen_energy", "control: `lip_r_unseen` of log energy", "neither"),
    Measure("lip_r_unseen_all", "inner-lip height of that talker, pauses included"),
    Measure("lip_r_unseen_energy_all", "control: `lip_r_unseen_all` of log energy", "neither"),
    Measure("closure_rate", "share of p, b, m on which the lips close", asked=0.97),
    Measure("false_closure_rate", "share of open vowels that are closed", "lower", asked=0.05),
    Measure(
        "closure_rate_worst_emotion", "share of p, b, m closed under the worst emotion at full intensity", asked=0.95
    ),
    Measure("contact_rate", "share of f and v whose lips come near the teeth"),
    Measure("lve_mm2", "open 4D test: largest squared lip error of a frame, mean", "lower", "mm²", source=LVE),
    Measure("static_lve_mm2", "control: `lve_mm2` of a face that never moves", "neither", "mm²"),
    Measure("shuffled_lve_mm2", "control: `lve_mm2` for another recording's audio, same track", "neither", "mm²"),
    Measure("mve_mm", "open 4D test: mean vertex error", "lower", "mm", source=MVE),
    Measure("static_mve_mm", "control: `mve_mm` of a face that never moves", "neither", "mm"),
    Measure("shuffled_mve_mm", "control: `mve_mm` for another recording's audio", "neither", "mm"),
    Measure("eve_mm2", "open 4D test: as `lve_mm2`, over the upper face", "lower", "mm²", source=EVE),
    Measure("static_eve_mm2", "control: `eve_mm2` of a face that never moves", "neither", "mm²"),
    Measure(
        "fdd_mm", "open 4D test: upper-face dynamics deviation, mean of absolute values", "lower", "mm", source=FDD
    ),
    Measure("static_fdd_mm", "control: `fdd_mm` of a face that never moves", "neither", "mm"),
    Measure("shuffled_fdd_mm", "control: `fdd_mm` for another recording's audio", "neither", "mm"),
    Measure("jerk_ratio", "the lips' jerk over that of the tracked motion", "neither", source="Flash and Hogan 1985"),
    Measure("control_accuracy", "share of outputs in which a classifier of composed faces finds the commanded emotion"),
    Measure("intensity_rho", "commanded intensity against how far the face moves that way, Spearman"),
    Measure(
        "lip_leak",
        "change of the lips when only the emotion changes, beyond the reference's own, over the lips' motion",
        "lower",
    ),
    Measure("lip_leak_rms", "RMS of the difference to the reference's change of the lips, over their motion", "lower"),
    Measure("controllability", "share of emotion × intensity steps whose landmark measure moves the right way"),
    # Variants.
    hidden("lip_r_coefficients", "inner-lip height against the same face driven by the tracked weights"),
    hidden("lip_gain", "deviation of the predicted over that of the tracked lip height", "neither"),
    hidden("closure_f1", "F1 of closures on p, b, m against open vowels"),
    hidden("static_<measure>", "control: a face that never moves", "neither"),
    hidden("shuffled_<measure>", "control: another recording's audio", "neither"),
    hidden("lip_width_r_5db", "inner-lip width, under pink noise 5 dB below the speech"),
    hidden("jaw_r_unseen<kind>", "jawOpen of the talker never trained on, or its control by log energy"),
    hidden("lip_r_unseen_shuffled<kind>", "control: half of the take away", "neither"),
    hidden("shift_<emotion>", "how far the emotion's own landmark moves at full intensity", unit="outer-eye distances"),
    hidden("mve_mm_<kind>", "mean vertex error of tracked sentences or read speech alone", "lower", "mm"),
    hidden("lve_mm2_<kind>", "lip vertex error of tracked sentences or read speech alone", "lower", "mm²"),
    hidden("jerk<of>", "jerk of the lips, or of the tracked lips", "neither", "m/s³", "Flash and Hogan 1985"),
    hidden("baseline_<name>_<measure>", "the same of another decoder", "neither"),
    hidden("<measure>_vs_best_baseline", "our error over the smallest of the other decoders'", "lower"),
)
"""Of ``evaluate_decoder``."""

VERTEX_DECODER = (
    Measure("mve_mm", "mean vertex error", "lower", "mm", source=MVE),
    Measure("lve_mm2", "largest squared lip error of a frame, mean", "lower", "mm²", source=LVE),
    Measure("eve_mm2", "the same over eyes and forehead", "lower", "mm²", source=EVE),
    Measure("fdd_mm", "upper-face dynamics deviation; blind to the order of frames", "lower", "mm", source=FDD),
    Measure("static_<measure>", "control: a face that never moves", "neither"),
    Measure("shuffled_<measure>", "control: the output for other speech", "neither"),
    Measure("score", "share of squared motion that is explained"),
    Measure("sequences", "sequences that were scored", "neither"),
)
"""Of ``evaluate_vertex_decoder``."""

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
"""Of ``evaluate_registration``, ``evaluate_registration_judged`` and ``evaluate_registration_cost``."""


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
"""Of ``validate_talking``: mouth models and decoders."""
SCORE = Measure("score", "what the best weights were chosen by")
"""What ``best.ckpt`` is chosen by."""

VALIDATION: dict[str, tuple[Measure, ...]] = {
    "speech_encoder": (
        Measure("lip_r", "inner-lip height, mean correlation per sentence, same talker, speech frames"),
        Measure("width_r", "inner-lip width, the same sentences"),
        Measure("unseen_r", "jaw opening of an unseen Mandarin talker (FACEGOOD, not trained on)"),
        Measure("phones", "phone frame accuracy, unseen speakers (speechocean762, validation)"),
        Measure("phones_tracked", "phone frame accuracy, GRID validation sentences"),
        SCORE,
    ),
    "emotion_encoder": (
        Measure("clip_r2", "share of the variance of the teacher's clip means that is predicted"),
        Measure("recall", "unweighted average recall of CREMA-D's intended emotions, 6 categories", source=UAR),
        SCORE,
    ),
    "mouth_model": (
        *TALKING,
        Measure("phones", "phone frame accuracy, unseen speakers"),
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
        Measure("enrolled_<measure>", "with five other clips of the speaker enrolled"),
        Measure("held_<measure>", "of training speakers that were kept out"),
        SCORE,
    ),
    "published_diarizer": (
        Measure("frame_accuracy", "share of frames with the label of their utterance"),
        Measure("frame_weighted_f1", "F1 of frames, categories weighted by their share"),
        Measure("frame_macro_f1", "macro-F1 of frames"),
        SCORE,
    ),
    "backbone": (
        Measure("uar_<corpus>", "unweighted average recall of the clips of one corpus", source=UAR),
        SCORE,
    ),
    "landmarks": (
        Measure("landmark_error", "mean landmark error on fixed random views", "lower", "outer-eye distances"),
        Measure("face_accuracy", "share of views rightly called face or no face"),
    ),
}
"""Of each task's ``validate``, by the kind of its checkpoint."""
VALIDATION["frame_network"] = VALIDATION["diarizer"]  # the same clips and recordings
VALIDATION["corrected_decoder"] = (
    *VALIDATION["decoder"],
    *(replace(m, key=f"mouth_model_{m.key}", what=f"mouth model: {m.what}") for m in VALIDATION["mouth_model"]),
)

TEST: dict[str, tuple[Measure, ...]] = {
    "diarizer": DIARIZER,
    "speed": SPEED,
    "enrolment": ENROLMENT,
    "decoder": DECODER,
    "streaming": STREAMING,
    "cross-corpus": CROSS_CORPUS,
    "transfer": TRANSFER,
    "vertex-decoder": VERTEX_DECODER,
    "registration": REGISTRATION,
}
"""Of each ``sedtalker evaluate`` command."""


# --- Lookups and tables.


def find_measure(measures: Iterable[Measure], key: str) -> Measure | None:
    """The line about ``key``: the exact one, else the first family it belongs to."""
    every = list(measures)
    return next((m for m in every if m.key == key), None) or next((m for m in every if m.describes(key)), None)


def listed_metrics(measures: Iterable[Measure], metrics: Mapping[str, float]) -> list[tuple[Measure, float]]:
    """The metrics that ``docs/results.md`` shows, in the order of the table."""
    return [(m, metrics[m.key]) for m in measures if m.listed and m.key in metrics]


def card_table(kind: str, metrics: Mapping[str, float], digits: int = 3) -> str:
    """Markdown rows of a model card: every validation metric with what it is, in the order of the table of measures."""
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
