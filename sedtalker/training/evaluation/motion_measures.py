"""Measures of motion: lips, vertices of the open 4D set, obedience to the emotion track, registration of heads."""

from __future__ import annotations

from sedtalker.training.evaluation.measure import Measure, hidden

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
