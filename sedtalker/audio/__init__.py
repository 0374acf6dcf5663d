"""Sound in, on one clock."""

from sedtalker.audio.audio import (
    LONGEST_SECONDS,
    SAMPLE_RATE,
    Audio,
    FrameClock,
    as_audio,
    find_recording,
    from_samples,
    leave_out,
    load_audio,
    load_channels,
    readable,
    resample_frames,
)

__all__ = [
    "LONGEST_SECONDS",
    "SAMPLE_RATE",
    "Audio",
    "FrameClock",
    "as_audio",
    "find_recording",
    "from_samples",
    "leave_out",
    "load_audio",
    "load_channels",
    "readable",
    "resample_frames",
]
