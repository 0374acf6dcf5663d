"""The model card that is written beside the weights of an ear."""

from __future__ import annotations

from collections.abc import Mapping

EAR_CARD = """# An ear for a decoder

Log-mels in, 50 frames a second; the coefficients of the talking mouth and phones out, both linear in a hidden vector.
`sedtalker checkpoint ears` gives it to a decoder.

## Training
One run of `sedtalker train experiment=ear`: the mouth of GRID talker s1, 780 sentences tracked on video (sound and
picture brought in step, both sides averaged, the rest pose removed, lip gap and width restored as tracked), in other
voices for a share of the time (WORLD: pitch and formants changed apart); 40 phone classes from forced alignment
(pocketsphinx) on GRID, speechocean762 and LJ Speech. Augmented by speed, band-axis warp, tempo, SpecAugment, room
responses, equalisation and environmental noise (ESC-10).

## Held-out figures
| figure | value |
|---|---|
| inner-lip height, mean correlation per GRID validation sentence, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| closures on p, b, m: recall | {closure_recall} |
| open vowels falsely closed | {closure_false} |
| closures on p, b, m of unseen speakers (speechocean762, phones aligned, lips untracked): recall | {unseen_closure} |
| their open vowels falsely closed | {unseen_false} |
| inner-lip height of a Mandarin talker never trained on (FACEGOOD, five takes), speech frames | {stranger_r} |
| the same, pauses included | {stranger_r_all} |
| phone frame accuracy, unseen speakers | {phones} |

## Licence
CC BY 4.0: trained on GRID (Cooke, Barker, Cunningham and Shao 2006; the licence was read from derivative data sets) and
speechocean762 (Zhang et al. 2021), both CC BY 4.0, and LJ Speech (public domain).

## Uses and limits
A part of a decoder with ears. Mouth motion was seen from one male British English talker.
"""


def ear_card(metrics: Mapping[str, float]) -> str:
    """The card of an ear with these held-out figures."""
    return EAR_CARD.format(**{name: f"{value:.3f}" for name, value in metrics.items()})
