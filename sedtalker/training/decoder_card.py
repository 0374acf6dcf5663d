"""The model card that is written beside the decoder's weights."""

from __future__ import annotations

from collections.abc import Mapping

CARD = """# {title}

Speech features and a dense emotion track in, coefficients of the 52 ARKit shapes out, 50 frames a second.
Mamba blocks and local attention (MMAMMA, width 128), adaptive norms driven frame by frame by the mixture of category
embeddings × intensity and by a style code (articulation, rounding, dynamics, crispness). It reads the built-in speech
encoder, frozen. {look_ahead}

## Training
{runs}
The mouth is learned from real motion: 780 sentences of GRID talker
s1, tracked on video (sound and picture brought in step, both sides averaged, the rest pose removed, lip gap and width
restored exactly as tracked). So
that other voices move the lips as far, a small network taught by that talker turns the aligned phones of read speech
(speechocean762, LJ Speech) into motion, opened a little more where the voice is louder: learned habits of one talker
on many voices, not measurements of those speakers; their lip width is averaged with a rule of dominance functions.
Half of the tracked crops are heard in another voice (WORLD: pitch and formants changed apart). There is no free
recording of emotional talking faces, so the expressions are **constructed**: action-unit prototypes with strengths of
our own, plus the published average differences of 24 actors (RAVDESS), composed with the talking mouth under random
tracks whose emotion changes inside the clip; loud voices get another variant of an expression than soft ones, brows
follow pitch accents, the tongue tip shows in "th". Crops are swapped: the same speech under two emotions must differ
in the lips as its targets do, the same emotion over two sentences in the upper face. Where the talker closes the lips
(p, b, m), touches the teeth (f, v) or rounds, the expression gives way. Noise and silence are trained to a resting
mouth. Blinks, gaze and head motion are not learned here.

## Held-out figures (validation sentences, the built-in face)
| figure | value |
|---|---|
| inner-lip height, mean correlation per sentence, neutral track, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| closures on p, b, m: recall | {closure_recall} |
| open vowels falsely closed | {closure_false} |
| closure F1 | {closure_f1} |
| closures on p, b, m of unseen speakers (speechocean762, phones aligned, lips untracked): recall | {unseen_closure} |
| their open vowels falsely closed | {unseen_false} |
| coefficient error under random emotion tracks, RMS | {emotional_rmse} |

`sedtalker evaluate decoder` measures the test sentences, an unseen Mandarin talker, and the controls. On that unseen
talker, pauses included, loudness alone predicts the lips better than this decoder does: his rig moves with loudness.

## Licence
CC BY 4.0, as GRID (Cooke, Barker, Cunningham and Shao 2006; the licence was read from derivative data sets) and
speechocean762 (Zhang et al. 2021). Of RAVDESS (Livingstone and Russo 2018) only averaged measurements were used, no
recording.

## Uses and limits
Animating faces from speech, as a preview or a first pass that an animator edits. One male British English talker
taught all mouth motion: other talkers' habits, other languages, shouting, singing, laughter and crying are weaker, and
on unseen voices the amplitude tends to be cautious. Expressions are conventional and even on both sides; they show what
the track says is *expressed*, never what a person feels. Not for judging people.
"""

RUNS = (
    "One run of `sedtalker train experiment=decoder`.",
    "A run of `sedtalker train experiment=decoder`, then a short one of `experiment=decoder_closures`.",
)
LOOK_AHEAD = "Its attention sees {seconds:.2f} s beyond a frame."
CAUSAL = """Its blocks look at nothing that comes later: `sedtalker stream` runs it while somebody
speaks. It was trained on from the built-in decoder (`task.start=DIR task.model.future=0`)."""
TITLES = ("Built-in streaming decoder", "Built-in decoder")
"""Without and with a look-ahead."""


def decoder_card(look_ahead: float | None, closures: bool, metrics: Mapping[str, float]) -> str:
    """The card of a decoder whose blocks look so many seconds ahead (None: at the whole recording).

    ``closures``: it went on from another, to learn to close lips.
    """
    told = "" if look_ahead is None else LOOK_AHEAD.format(seconds=look_ahead) if look_ahead else CAUSAL
    words = {"title": TITLES[look_ahead is None or look_ahead > 0], "look_ahead": told, "runs": RUNS[closures]}
    return CARD.format(**words, **{name: f"{value:.3f}" for name, value in metrics.items()})
