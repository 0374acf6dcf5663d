"""The model card that is written beside the weights of the encoder."""

CARD = """# Built-in speech encoder

Log-mels in, a 192-dimensional vector every 20 ms out; phone posteriors as a by-product. The diarizer is a head on it;
the decoder is another. 1.2 M parameters: a stride-2 convolution and six residual dilated
convolutions, receptive field ±0.8 s, non-causal.

## Training
One run of `sedtalker train experiment=speech_encoder`, three objectives at once:

- tracked mouth motion (lip features and blend shape weights) of GRID talker s1, 780 sentences;
- 40 phone classes from forced alignment (pocketsphinx) on GRID, speechocean762 and LJ Speech;
- log energy, pitch, voicing and spectral tilt on these, LibriSpeech and EmoGator.

Augmented by speed (×0.8–1.25, so pitch and formants move), band-axis warp ±15 %, tempo, SpecAugment, room responses,
equalisation and environmental noise (ESC-10).

## Held-out figures
| figure | value |
|---|---|
| inner-lip height, mean correlation per sentence, same talker, speech frames | {lip_r} |
| inner-lip width, same | {width_r} |
| jaw opening of an unseen Mandarin talker (FACEGOOD, not trained on) | {unseen_r} |
| phone frame accuracy, unseen speakers (speechocean762, validation) | {phones} |
| phone frame accuracy, GRID validation sentences | {phones_tracked} |

## Licence
CC BY 4.0: trained on GRID (Cooke, Barker, Cunningham and Shao 2006), LibriSpeech (Panayotov et al. 2015) and
speechocean762 (Zhang et al. 2021), all CC BY 4.0, LJ Speech (public domain) and EmoGator (Buhl 2023, Apache-2.0). The
licence of GRID was read from derivative data sets rather than from its own site.

## Uses and limits
For the heads of this package. Mouth motion was seen from one male British English talker reading six-word commands;
phones from read English, much of it by Mandarin speakers. Other languages, children, whispering, singing and overlapped
speech are untested or weak. It is not a speech recogniser and carries no text.
"""
