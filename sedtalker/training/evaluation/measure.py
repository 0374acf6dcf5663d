"""Measures on test data: the key of each, what it is, its unit, which way is better, what is asked of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
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


# --- Emotion.

UAR = "Schuller et al., INTERSPEECH 2009 Emotion Challenge"
"""Source of unweighted average recall."""
EDER = "Wang et al., arXiv 2306.12991"
"""Source of the emotion diarization error rate."""

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
    Measure("valence_auc", "happy against sad, angry, fear and disgust, by the predicted valence"),
    Measure("arousal_auc", "happy, angry, fear and surprise against neutral and sad, by the predicted arousal"),
    Measure("enrol_gain", "recall gained with a minute of the speaker's neutral speech enrolled", asked=0.05),
    Measure("narration_false_alarm", "share of read speech shown as emotional at ≥ 0.4", "lower", asked=0.1),
    Measure(
        "eder4", "emotion diarization error rate, joined clips of unseen speakers, 4 categories", "lower", "", 0.42
    ),
    Measure("eder7", "the same, 7 categories, silence counted", "lower", "", 0.48),
    Measure("boundary_f1", "changes of emotion found within 0.25 s in the same recordings, F1", asked=0.6),
    Measure("drop_noise_5db", "recall lost with noise of kinds never met in training, at 5 dB", "lower", "", 0.1),
    Measure("drop_telephone", "recall lost over a telephone", "lower", "", 0.06),
    Measure("drop_mp3_32k", "recall lost as MP3 at 32 kbit/s", "lower", "", 0.06),
    Measure("drop_reverberation", "recall lost in a room, T60 0.6 s", "lower", "", 0.06),
    Measure("drop_louder_20db", "recall lost at a level 20 dB higher", "lower", "", 0.02),
    Measure("drop_quieter_20db", "recall lost at a level 20 dB lower", "lower", "", 0.02),
    Measure("drop_trimmed", "recall lost where up to 0.5 s of silence is cut from either end", "lower", "", 0.02),
    Measure("zero_shot_uar_<people>", "`zero_shot_uar` of the women or the men among the speakers", listed=False),
    Measure("development_uar", "`zero_shot_uar` of the corpora that the recipe was chosen on", "neither"),
)
"""Measures of ``evaluate_transfer``; only corpora that the weights were not trained on count."""

EXPRESSION = (
    Measure(
        "shown", "emotional clips whose face shows any emotion at half its strength or more, mean of six", asked=0.55
    ),
    Measure("shown_right", "those whose face shows the intended emotion", asked=0.28),
    Measure("shown_wrong", "those whose face shows another", "lower"),
    Measure("neutral_shown", "neutral clips whose face shows any emotion at half its strength or more", "lower"),
    Measure("narration_shown", "share of read speech with an emotion at .4 or more, mean of three", "lower", "", 0.1),
    Measure("narration_shown_worst", "the same of the corpus with most", "lower", "", 0.18),
    Measure("narration_called_neutral", "share of read speech whose segment is labelled neutral", asked=0.7),
    Measure("shown_ravdess", "`shown` of RAVDESS' strong clips", asked=0.8),
    Measure("scream", "mean strength of the strongest emotion in RAVDESS' strong anger and fear", asked=0.75),
    Measure("scream_right", "mean strength of the intended one in the same clips"),
    Measure("strength", "mean strength of the strongest emotion in emotional clips", "neither"),
    Measure("confidence", "mean confidence of their tracks and of the neutral clips'", "neither"),
    Measure("seen", "`shown` by MediaPipe, in a rendered frame of some of the clips"),
    Measure("seen_right", "`shown_right` by MediaPipe, in the same frames"),
    Measure("seen_agrees", "how often it names the emotion that the motion says, strong or not", "neither"),
    hidden("shown_<name>", "the same of one corpus or of one intended emotion"),
    hidden("seen_<name>", "the same of one corpus or of one intended emotion"),
    hidden("neutral_shown_<name>", "the same of one corpus", "lower"),
    hidden("narration_<what>_<corpus>", "the same of one corpus of read speech", "neither"),
    hidden("strength_<name>", "the same of one corpus or of one intended emotion", "neither"),
    hidden("confidence_<name>", "the same of one corpus or of one intended emotion", "neither"),
)
"""Measures of ``evaluate_expression``; only corpora that the weights were not trained on count."""

FINE = (
    Measure(
        "fine_pearson",
        "correlation of a kind's curve with bursts asked for it (1) or others (0), mean of 30",
        asked=0.42,
    ),
    Measure("fine_spearman", "the same of ranks, which 1 and 0 keep low", "neither"),
    Measure("fine_mae", "mean absolute error of a kind's curve, mean of 30", "lower"),
    Measure("fine_mae_of_share", "control: the same of a curve at the share of the kind", "neither"),
    Measure("fine_auc", "chance that a burst of the kind has the greater value than one of another, mean of 30"),
    Measure("fine_accuracy", "share of bursts whose greatest curve is the right one of thirty"),
    Measure("vote_pearson", "correlation with the share of CREMA-D's raters that chose a category, mean of six"),
    Measure("vote_ceiling", "what as many other raters would reach, mean of six", "neither"),
    Measure("vote_spearman", "the same correlation of ranks"),
    Measure("vote_mae", "mean absolute error of these shares", "lower"),
    Measure("vote_projected_recall", "recall of the intended emotion by the kinds projected to the seven categories"),
    Measure("rated_pearson", "correlation with the ratings of EmoNet-Voice's experts, mean of its kinds"),
    Measure("rated_mae", "mean absolute error of these ratings, 0 to 10", "lower"),
    hidden("fine_<measure>_<kind>", "the same of one kind, or the ends of the interval", "neither"),
    hidden("vote_<measure>_<category>", "the same of one category", "neither"),
    hidden("rated_<measure>_<kind>", "the same of one kind", "neither"),
    hidden("<part>_clips", "clips that were scored", "neither"),
    hidden("fine_speakers", "their speakers", "neither"),
)
"""Measures of ``evaluate_fine``."""

# --- Motion.

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
    Measure("lip_r_wild", "inner-lip height of 18 English talkers never trained on, each clip at its best lag"),
    Measure("lip_r_wild_energy", "control: `lip_r_wild` of log energy", "neither"),
    Measure("lip_r_wild_shuffled", "control: `lip_r_wild` with the motion of half a clip away", "neither"),
    Measure("lip_width_r_wild", "inner-lip width of these talkers"),
    Measure("lip_r_wild_w<…>", "`lip_r_wild` of one talker", listed=False),
    Measure("amplitude_ratio_wild", "their predicted over their tracked opening, 95th percentiles, median", "neither"),
    Measure("amplitude_within_wild", "share of these talkers for whom both differ by 25% at most"),
    Measure("amplitude_ratio_auto_wild", "`amplitude_ratio_wild` under `--style auto`", "neither"),
    Measure("amplitude_within_auto_wild", "`amplitude_within_wild` under `--style auto`"),
    Measure("head_speed_ratio_wild", "RMS speed of the head over that of these talkers' heads, medians", "neither"),
    Measure("brow_ratio_wild", "standard deviation of browInnerUp over that of these talkers, medians", "neither"),
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
)
"""Measures of ``evaluate_decoder``."""

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
"""Measures of ``evaluate_vertex_decoder``."""
