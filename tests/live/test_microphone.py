"""Microphone and loudspeaker against a PortAudio of our own making, whose devices come and go."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.live import microphone
from sedtalker.live.microphone import MOST_BLOCKS, Loudspeaker, Microphone, list_devices


class PortAudioError(Exception):
    pass


class Stream:
    """A sound card's stream that the test drives."""

    def __init__(self, library: FakePortAudio, **options: Any):
        self.options, self.closed, self.started = options, False, False
        if library.busy:
            raise PortAudioError("Device unavailable [PaErrorCode -9985]\nsecond line")
        library.opened.append(self)

    def start(self) -> None:
        self.started = True

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True

    def speak(self, samples: np.ndarray) -> None:
        self.options["callback"](samples[:, None], len(samples), None, None)

    def play(self, count: int, dac: float) -> np.ndarray:
        out = np.full((count, 1), 9.0, np.float32)
        self.options["callback"](
            out, count, types.SimpleNamespace(currentTime=100.0, outputBufferDacTime=100.0 + dac), 0
        )
        return out[:, 0]


class FakePortAudio(types.ModuleType):
    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.opened: list[Stream] = []
        self.busy, self.rates = False, (16_000, 44_100, 48_000)
        self.default = types.SimpleNamespace(device=(0, 1))
        self.devices = [
            {"name": "Microphone", "max_input_channels": 2, "max_output_channels": 0, "default_samplerate": 48_000.0},
            {"name": "Loudspeaker", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 44_100.0},
        ]

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        usable = [d for d in self.devices if d[f"max_{kind}_channels"]]
        if device is None and usable:
            return usable[0]
        found = [
            d for k, d in enumerate(self.devices) if device == k or (isinstance(device, str) and device in d["name"])
        ]
        if len(found) != 1 or found[0] not in usable:
            raise ValueError("No input device matching")
        return found[0]

    def check_input_settings(self, device: Any, channels: int, samplerate: int) -> None:
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings

    def InputStream(self, **options: Any) -> Stream:  # noqa: N802
        return Stream(self, **options)

    OutputStream = InputStream


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePortAudio]:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_what_is_said_comes_out_in_pieces(library: FakePortAudio):
    opened = Microphone()
    (stream,) = library.opened
    assert stream.options["samplerate"] == 16_000
    assert stream.options["blocksize"] == 320
    for k in range(3):
        stream.speak(np.full(320, k / 10, np.float32))
    pieces = iter(opened)
    assert [float(next(pieces)[0]) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2])
    opened.close()
    assert list(pieces) == []
    assert stream.closed


def test_a_card_of_another_rate_is_resampled(library: FakePortAudio):
    library.rates = ()
    opened = Microphone("Micro")
    (stream,) = library.opened
    assert stream.options["samplerate"] == 48_000
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    for start in range(0, len(tone), 960):
        stream.speak(tone[start : start + 960])
    pieces, heard = iter(opened), []
    while sum(map(len, heard)) < 15_000:
        heard.append(next(pieces))
    opened.close()
    sound = np.concatenate(heard)
    spectrum = np.abs(np.fft.rfft(sound[2000:14_000]))
    assert spectrum.argmax() * 16_000 / 12_000 == pytest.approx(440, abs=2)


def test_a_microphone_that_disappears_is_one_line(library: FakePortAudio, monkeypatch: pytest.MonkeyPatch):
    opened = Microphone()
    library.opened[0].options["finished_callback"]()
    with pytest.raises(InputError, match="unplugged"):
        next(iter(opened))
    monkeypatch.setattr(microphone, "SILENT_SECONDS", 0.2)
    silent = Microphone()
    began = time.monotonic()
    with pytest.raises(InputError, match="unplugged"):
        next(iter(silent))
    assert time.monotonic() - began < 5.0


def test_nobody_who_reads_means_the_oldest_are_dropped(library: FakePortAudio):
    opened = Microphone()
    for k in range(MOST_BLOCKS + 50):
        library.opened[0].speak(np.full(320, float(k), np.float32))
    assert opened.dropped == 50
    assert next(iter(opened))[0] == 50.0


def test_closing_ends_a_reader_that_waits(library: FakePortAudio):
    opened = Microphone()
    reader = threading.Thread(target=lambda: list(opened))
    reader.start()
    opened.close()
    reader.join(5.0)
    assert not reader.is_alive()


def test_devices_are_listed(library: FakePortAudio):
    found = list_devices()
    assert [(d.number, d.name, d.inputs, d.usual_input, d.usual_output) for d in found] == [
        (0, "Microphone", 2, True, False),
        (1, "Loudspeaker", 0, False, True),
    ]


@pytest.mark.parametrize("device", ["7", "piano", "Loudspeaker", "-1"])
def test_no_such_microphone_is_one_line(library: FakePortAudio, device: str):
    with pytest.raises(InputError, match="list-devices") as caught:
        Microphone(device)
    assert "\n" not in str(caught.value)


def test_a_busy_microphone_is_one_line(library: FakePortAudio):
    library.busy = True
    with pytest.raises(InputError, match="cannot be opened: Device unavailable") as caught:
        Microphone()
    assert "second line" not in str(caught.value)
    library.devices = []
    with pytest.raises(InputError, match="there is none"):
        Microphone()


def test_without_portaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match=r"sedtalker\[live\]"):
        list_devices()


def test_the_loudspeaker_knows_what_is_heard(library: FakePortAudio, monkeypatch: pytest.MonkeyPatch):
    now = 50.0
    monkeypatch.setattr(microphone.time, "monotonic", lambda: now)
    sound = np.linspace(0.0, 1.0, 16_000, dtype=np.float32)
    playing = Loudspeaker(sound)
    (stream,) = library.opened
    playing.start()
    assert stream.started
    assert playing.played(now) is None
    assert np.array_equal(stream.play(8000, dac=0.1), sound[:8000])
    assert playing.played(50.1) == pytest.approx(0.0)
    assert playing.played(50.4) == pytest.approx(0.3)
    now = 50.5
    stream.play(4000, dac=0.1)
    assert playing.played(50.6) == pytest.approx(0.5)
    rest = stream.play(8000, dac=0.1)
    assert np.array_equal(rest[:4000], sound[12_000:])
    assert not rest[4000:].any()
    assert playing.played(51.0) is None, "what has ended is no clock"
    playing.close()
    assert stream.closed
