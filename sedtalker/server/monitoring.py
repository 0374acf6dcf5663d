"""What a server counts, as Prometheus text."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
"""Seconds, for the frames of a stream."""
DURATION_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Seconds, for requests."""


class Monitoring:
    """Counters of one server; several in a process do not meet."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)  # resident memory, processor time, open files
        named: dict[str, Any] = {"registry": r, "namespace": "sedtalker"}
        self.requests = Counter("requests", "Requests answered.", ["route", "status"], **named)
        self.duration = Histogram(
            "request_duration_seconds", "From a request to its answer.", ["route"], buckets=DURATION_BUCKETS, **named
        )
        self.waiting = Gauge("requests_waiting", "Recordings that are worked on or wait.", **named)
        self.streams = Gauge("streams", "Streams that are open.", **named)
        self.capacity = Gauge("stream_capacity", "Streams that this machine carries.", ["emotion"], **named)
        self.streams_opened = Counter("streams_opened", "Streams that were begun.", **named)
        self.closed = Counter("streams_closed", "Streams by the code they were closed with.", ["code"], **named)
        self.calls = Counter("grpc_calls", "Calls by gRPC by their status.", ["code"], **named)
        self.sound = Counter("audio_seconds", "Seconds of sound decoded.", ["source"], **named)
        self.frames = Counter("frames", "Frames sent to streams.", **named)
        self.queue = Gauge("sound_waiting_seconds", "Seconds of sound of all streams that wait to be decoded.", **named)
        self.latency = Histogram(
            "stream_latency_seconds", "From sound that completes a hop to its frames.", buckets=LATENCY_BUCKETS, **named
        )
        self.batch = Histogram(
            "batch_streams", "Streams that were decoded together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), **named
        )

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)
