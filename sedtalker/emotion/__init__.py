"""Emotion as a dense signal over time: tracks, their files, and the diarizer that predicts them."""
