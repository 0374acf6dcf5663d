"""Sound in, on one clock."""

from sedtalker.audio.audio import (
    SAMPLE_RATE,
    Audio,
    FrameClock,
    as_audio,
    find_recording,
    from_samples,
    load_audio,
    resample_frames,
)

__all__ = [
    "SAMPLE_RATE",
    "Audio",
    "FrameClock",
    "as_audio",
    "find_recording",
    "from_samples",
    "load_audio",
    "resample_frames",
]
