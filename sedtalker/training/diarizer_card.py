"""Model card of a diarizer checkpoint."""

from __future__ import annotations

from sedtalker.checkpoint import CheckpointConfig

LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0",
    "nemo": "CC BY-NC-SA 4.0",
    "emotiontts_ko": "CC BY-NC-SA 4.0",
    "indian_emospeech": "CC BY-NC-SA 4.0",
    "emogator": "Apache-2.0",
}


def diarizer_card(checkpoint: CheckpointConfig) -> str:
    """The card's text (Markdown)."""
    return f"# Emotion diarizer\n\nLicence: {checkpoint.licence}\n"
