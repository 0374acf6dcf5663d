"""Sound in and out through PortAudio (``sounddevice``): the microphone, and the loudspeaker that plays a file."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import soxr

from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE
from sedtalker.audio.audio import Resampler
from sedtalker.errors import InputError, extra

BLOCK_SECONDS = 0.02
"""Seconds of sound between two calls of the sound card."""
MOST_BLOCKS = 100
"""Blocks that may wait to be read; the oldest makes room."""
SILENT_SECONDS = 2.0
"""A microphone that gives no block for so long has gone."""


def portaudio() -> Any:
    """The module ``sounddevice``.

    Raises:
        InputError: it is not installed, or PortAudio is not.
    """
    try:
        with extra("live"):
            import sounddevice
    except OSError:
        how = "apt install libportaudio2" if sys.platform.startswith("linux") else "reinstall sounddevice"
        raise InputError(f"PortAudio is not installed, which gives access to sound cards: {how}") from None
    return sounddevice


class Device(NamedTuple):
    """A device that ``--list-devices`` shows: number, name, channels in and out, and whether it is the usual one."""

    number: int
    name: str
    inputs: int
    outputs: int
    usual_input: bool
    usual_output: bool


def list_devices() -> list[Device]:
    """All sound devices of the machine."""
    library = portaudio()
    usual_input, usual_output = (int(number) for number in library.default.device)
    return [
        Device(
            number,
            str(found["name"]),
            int(found["max_input_channels"]),
            int(found["max_output_channels"]),
            number == usual_input,
            number == usual_output,
        )
        for number, found in enumerate(library.query_devices())
    ]


def chosen_device(name: str | None, kind: str) -> int | str | None:
    """What ``--device`` says: a number, a part of a name, or None for the usual one.

    Raises:
        InputError: no such device, or none at all.
    """
    library = portaudio()
    number: int | str | None = int(name) if name is not None and name.lstrip("-").isdigit() else name
    try:
        library.query_devices(number, kind)
    except (ValueError, library.PortAudioError):
        what = {"input": "microphone", "output": "loudspeaker"}[kind]
        which = "there is none" if name is None else f"{name}: no such device, or more than one"
        raise InputError(f"no {what}: {which}; sedtalker live --list-devices shows what there is") from None
    return number


def device_rate(library: Any, number: int | str | None, kind: str) -> int:
    """16 kHz where the device takes it, else its usual rate."""
    check = library.check_input_settings if kind == "input" else library.check_output_settings
    try:
        check(device=number, channels=1, samplerate=SAMPLE_RATE)
    except (ValueError, library.PortAudioError):
        return round(library.query_devices(number, kind)["default_samplerate"])
    return SAMPLE_RATE


@contextmanager
def opening(library: Any, what: str) -> Iterator[None]:
    """What PortAudio says against opening a device becomes an ``InputError`` of one line."""
    try:
        yield
    except library.PortAudioError as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        raise InputError(f"the {what} cannot be opened: {reason}") from None


class Microphone:
    """Samples as they are spoken; iterate over it.

    Args:
        device: see ``chosen_device``.

    Raises:
        InputError: no such microphone, or it cannot be opened.
    """

    def __init__(self, device: str | None = None):
        self.library = library = portaudio()
        number = chosen_device(device, "input")
        self.rate = device_rate(library, number, "input")
        self.blocks: queue.Queue[Floats] = queue.Queue(MOST_BLOCKS)
        self.dropped, self.gone, self.closed = 0, False, False
        with opening(library, "microphone"):
            self.stream = library.InputStream(
                samplerate=self.rate,
                blocksize=round(BLOCK_SECONDS * self.rate),
                device=number,
                channels=1,
                dtype="float32",
                latency="low",
                callback=self._spoken,
                finished_callback=self._finished,
            )
            self.stream.start()

    def __iter__(self) -> Iterator[Floats]:
        """Pieces (N,), mono at 16 kHz, until it is closed.

        Raises:
            InputError: the microphone has gone.
        """
        resampler = Resampler(self.rate)
        since = time.monotonic()
        while not self.closed:
            try:
                block = self.blocks.get(timeout=0.1)
            except queue.Empty:
                if not self.closed and (self.gone or time.monotonic() - since > SILENT_SECONDS):
                    raise InputError("the microphone gives no more sound: was it unplugged?") from None
                continue
            since = time.monotonic()
            yield resampler.push(block)

    def close(self) -> None:
        self.closed = True
        self.stream.close(ignore_errors=True)

    def _spoken(self, samples: Floats, frames: int, when: Any, status: Any) -> None:
        """From PortAudio's own thread: never waits."""
        while True:
            try:
                self.blocks.put_nowait(samples[:, 0].copy())
                return
            except queue.Full:
                self.dropped += 1
                try:
                    self.blocks.get_nowait()
                except queue.Empty:
                    continue

    def _finished(self) -> None:
        self.gone = True


class Loudspeaker:
    """Plays samples, and knows which of them is played.

    Args:
        samples: (N,) mono at 16 kHz.
        device: see ``chosen_device``.

    Raises:
        InputError: no such loudspeaker, or it cannot be opened.
    """

    def __init__(self, samples: Floats, device: str | None = None):
        self.library = library = portaudio()
        number = chosen_device(device, "output")
        self.rate = device_rate(library, number, "output")
        self.samples = samples if self.rate == SAMPLE_RATE else soxr.resample(samples, SAMPLE_RATE, self.rate)
        self.given = 0
        self.mark: tuple[float, float] | None = None
        """A moment of ``time.monotonic``, and the second of the sound that is played then."""
        with opening(library, "loudspeaker"):
            self.stream = library.OutputStream(
                samplerate=self.rate, device=number, channels=1, dtype="float32", callback=self._give
            )

    def start(self) -> None:
        with opening(self.library, "loudspeaker"):
            self.stream.start()

    def played(self, now: float) -> float | None:
        """Second of the sound played at a time of ``time.monotonic``; None before the first and after the last."""
        if self.mark is None or self.given >= len(self.samples):
            return None
        when, second = self.mark
        return second + now - when

    def close(self) -> None:
        self.stream.close(ignore_errors=True)

    def _give(self, out: Floats, frames: int, when: Any, status: Any) -> None:
        """From PortAudio's own thread: the next samples."""
        moment = time.monotonic() + when.outputBufferDacTime - when.currentTime
        self.mark = (moment, self.given / self.rate)
        part = self.samples[self.given : self.given + frames]
        out[: len(part), 0] = part
        out[len(part) :] = 0.0
        self.given += frames
