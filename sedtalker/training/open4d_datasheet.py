"""The datasheet written beside the open 4D set (after Gebru et al. 2018)."""

DATASHEET = """# Open 4D set, version {version}

Facial motion for speech under changing emotion, on 52 ARKit shapes at 50 frames a second. {recordings} recordings in
three scenes each: {takes_train} takes ({minutes_train} min) to train on, {takes_valid} ({minutes_valid} min) to
validate, {takes_test} ({minutes_test} min) to test. Built by `sedtalker data build open4d`; the same data give the
same bytes.

## Why
There is no freely licensed recording of emotional talking faces. EmoVOCA composed talking with expressions, one
constant emotion a clip; here the emotion changes inside the clip, and all parts are free.

## What is in it
- `takes.csv`: name, split, kind, corpus, speaker, language, scene, number of changes, peak intensity, length, audio
  file
  (relative to the training data: no sound is copied).
- `motion/<recording>.npz`: for each scene `<scene>_coefficients` (T, 52), `_posterior` (T, 7: neutral, happy, sad,
  angry,
  fear, disgust, surprise) and `_intensity` (T,), float16. Frame i is at (i + 1/2) / 50 s.
- Scenes: *neutral*; *constant*: one emotion at .33, .67 or 1 with an onset and an offset of .3 to 1 s; *changing*:
  spans
  of .8 s and more with eased changes, where possible at least two.

## How it was made
- *tracked*: lips and jaw of GRID talker s1 (Cooke et al. 2006), fitted shape weights, lip gap and width as tracked.
  Sound and picture of each clip are brought in step (since version 2): as recorded they are 20 ms apart (standard
  deviation), measured against motion made from phones aligned to the sound (`sedtalker/training/synchrony.py`).
- *phones*: speechocean762 and LJ Speech, phones by forced alignment, motion by a network taught by the tracked
  talker; lip
  width averaged with a co-articulation model of dominance functions (Cohen and Massaro 1993); the tongue tip in "th".
- Expressions: action-unit prototypes calibrated on published averages of 24 actors, another variant for loud than
  for soft
  voices. Brows and lids follow pitch accents; louder speech opens wider. Closures (p, b, m), lip-teeth contacts (f,
  v) and
  rounding are kept under every emotion.

## Splits
By sentence for the tracked talker (MD5 of the name), by speaker for read speech. No recording is in two splits.

## What it is not
The emotion is composed, not recorded: faces do not really do this. One tracked talker, English, and read speech
without
tracked faces; no head motion, gaze or blinks; both sides of the face are alike. Voices are neutral: what is heard and
what is shown do not correspond. Do not use it to judge how people look when they feel something.

## Licence
Motion of GRID, speechocean762: CC BY 4.0, credit their authors. LJ Speech: public domain. The expressions are ours;
the
averages they are calibrated on come from RAVDESS (CC BY-NC-SA 4.0) and are facts.
"""
