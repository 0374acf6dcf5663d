"""The measurements themselves, on a second of sound."""

from __future__ import annotations

import pytest
from measures.stages import ANALYSIS, decoder_throughput, measure_pipeline, measure_stream

from sedtalker.nn import torch_threads


def test_every_stage_of_a_recording_is_timed() -> None:
    row = measure_pipeline(1.0, 1)
    assert {"reading the audio", *ANALYSIS, "writing npz", "writing glb"} <= set(row["stages"])
    assert row["frames"] == 30
    assert row["peak_bytes"] > 1e8


def test_a_stream_is_timed_by_piece() -> None:
    row = measure_stream(3.0)
    assert row["frames"] == 180
    assert 0.0 < row["piece_ms"]["median"] <= row["piece_ms"]["p95"] <= row["piece_ms"]["most"]
    assert 0.1 < row["first_frame_s"] < 1.5


def test_batches_are_counted_in_frames() -> None:
    with torch_threads(1):
        row = decoder_throughput(2, 1.0, "cpu")
    assert row["frames_a_second"] == pytest.approx(2 * 50 / row["seconds"])
