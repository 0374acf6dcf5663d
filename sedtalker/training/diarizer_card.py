"""Model card of a diarizer checkpoint."""

from __future__ import annotations

from sedtalker.checkpoint import CheckpointConfig


def diarizer_card(checkpoint: CheckpointConfig) -> str:
    """The card's text (Markdown)."""
    return f"# Emotion diarizer\n\nLicence: {checkpoint.licence}\n"
