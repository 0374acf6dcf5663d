"""The services of NVIDIA's Audio2Face-3D by gRPC, for clients that were written for it.

``A2FControllerService/ProcessAudioStream`` is a stream as by WebSocket: a header, sound with emotions at time codes,
the end; back come a header with the names of the shapes, frames with their sound, an event and a status. What cannot
be used ends with a status code and one line. The authoring service is in ``authoring``. Methods take and give bytes, so
that nothing is read before the token and the limits were looked at.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import numpy as np

from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio.pipe import PcmStream
from sedtalker.emotion.face_streams import LateEmotions, TrackStream
from sedtalker.emotion.formats.keys import WORDS
from sedtalker.emotion.shown import from_strengths
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.server import streams
from sedtalker.server.access import bearer, is_among
from sedtalker.server.ace_messages import ACE_FPS, AceRequest, Finish, GivenEmotions, checked_sound, made, read, wanted
from sedtalker.server.authoring import Authoring, NoSuchClip
from sedtalker.server.pool import StreamFailed
from sedtalker.server.service import MOST_STREAMS, Busy, Service
from sedtalker.server.streams import Ended, exchanged, in_time, tidied
from sedtalker.server.work import Cancelled

log = logging.getLogger(__name__)

CONTROLLER = "nvidia_ace.services.a2f_controller.v1.A2FControllerService"
"""The service of streams."""
AUTHORING = "nvidia_ace.services.a2f_authoring.v1.A2FAuthoringService"
"""The service of single poses."""
LARGEST = 4 * 2**20
"""Bytes of a message, as gRPC has it where nobody says another."""
HOP = 0.16
"""Seconds of sound between results of a stream: half the work of the usual hop, so that two cores carry eight streams
whose emotion is recognised."""
AGGREGATE = "com.nvidia.ace.services.audio2face_3d.v1.EmotionAggregate"
"""Name of the message with the emotion of a frame, which clients unpack."""
CODES = {
    streams.GOING_AWAY: grpc.StatusCode.UNAVAILABLE,
    streams.REFUSED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    streams.WRONG: grpc.StatusCode.INVALID_ARGUMENT,
}
"""Status codes for the close codes of a WebSocket."""
SOUND = ("audio_with_emotion", "end_of_audio")
"""What messages hold after the header of a stream."""
Context = Any
"""A ``grpc.aio.ServicerContext`` over bytes."""


def status_of(error: Exception) -> tuple[grpc.StatusCode, str]:
    """Status code and line of what ends a call; the log says more of what is unexpected."""
    if isinstance(error, Ended):
        return CODES[error.code], error.why
    kinds = {
        InputError: grpc.StatusCode.INVALID_ARGUMENT,
        NoSuchClip: grpc.StatusCode.NOT_FOUND,
        Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Cancelled: grpc.StatusCode.UNAVAILABLE,
        StreamFailed: grpc.StatusCode.INTERNAL,
    }
    for kind, code in kinds.items():
        if isinstance(error, kind):
            return code, str(error)
    if isinstance(error, (grpc.aio.BaseError, grpc.aio.UsageError)):  # sending to who has gone
        return grpc.StatusCode.CANCELLED, "the client has gone"
    log.error("a call failed", exc_info=error)
    return grpc.StatusCode.INTERNAL, f"something went wrong ({type(error).__name__}); the server's log says more"


class Ace:
    """The methods of both services.

    Args:
        token: that clients send as ``authorization: Bearer TOKEN``; None: nobody needs one.
    """

    def __init__(self, service: Service, token: str | None):
        self.service, self.token = service, token
        self.authoring = Authoring(service)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """What gRPC calls, by service and method."""
        stream = grpc.stream_stream_rpc_method_handler(self._guarded(self.process_audio_stream))
        controller = {"ProcessAudioStream": stream}
        authoring = {
            name: grpc.stream_stream_rpc_method_handler(self._guarded(self._single(call)))
            for name, call in (
                ("UploadAudioClip", self.authoring.upload_audio_clip),
                ("GetAvatarFacePose", self.authoring.get_avatar_face_pose),
            )
        }
        return (
            grpc.method_handlers_generic_handler(CONTROLLER, controller),
            grpc.method_handlers_generic_handler(AUTHORING, authoring),
        )

    def _guarded(self, call: Callable[[Context], Awaitable[None]]) -> Callable[[Any, Context], Awaitable[None]]:
        """A method that asks for the token, and whose errors are status codes."""

        async def guarded(requests: Any, context: Context) -> None:
            given = bearer(str(dict(context.invocation_metadata() or ()).get("authorization", "")))
            if self.token is not None and not is_among(self.token, given):
                line = "a token is needed: send the metadata 'authorization: Bearer TOKEN'"
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, line)
            code, line = grpc.StatusCode.CANCELLED, ""
            try:
                await call(context)
                code = grpc.StatusCode.OK
            except Exception as error:
                code, line = status_of(error)
                await context.abort(code, line)
            finally:
                self.service.monitoring.calls.labels(code.name).inc()

        return guarded

    def _single(self, call: Callable[[Context, bytes], Awaitable[Any]]) -> Callable[[Context], Awaitable[None]]:
        """A method of one message, which is read once the call is admitted, to one message."""

        async def answered(context: Context) -> None:
            with self.service.admitted():
                data = await in_time(context.read(), self.service.limits.idle, "no message came for")
                if data is grpc.aio.EOF:
                    raise InputError("no message came")
                await context.write((await call(context, data)).SerializeToString())

        return answered

    # --- Streams.

    async def process_audio_stream(self, context: Context) -> None:
        try:
            with self.service.streaming():
                await self._stream(context)
        finally:
            await tidied(self.service)

    async def _stream(self, context: Context) -> None:
        service = self.service
        first = await self._next(context, "audio_stream_header")
        header = first.audio_stream_header
        rate = checked_sound(header.audio_header)
        asked = wanted(
            header.face_params, header.emotion_post_processing_params, header.blendshape_params, header.emotion_params
        )
        given = GivenEmotions(asked.transition, asked.beginning if asked.share else None)
        spoken = await self._next(context)  # what the first sound expresses may make the diarizer unnecessary
        if spoken is not None:
            given.add(spoken.audio_with_emotion.emotions)
        stream = await service.opened(self._opened, asked, given)
        emotions = stream.face.emotions
        assert isinstance(emotions, TrackStream)
        sound, reply = PcmStream("s16le", rate), AceReply(header.audio_header, rate, asked.finish)
        await context.write(reply.header())

        async def receive() -> bytes | None:
            nonlocal spoken
            message, spoken = spoken or await self._next(context), None
            if message is None or message.HasField("end_of_audio"):
                return None
            said = message.audio_with_emotion
            if given.add(said.emotions, reply.sent / ACE_FPS) and asked.share:
                emotions.given = given.track()
            reply.sound += said.audio_buffer
            return bytes(said.audio_buffer)

        if spoken is None or spoken.HasField("end_of_audio"):
            raise InputError("the stream is empty: send audio_with_emotion before end_of_audio")
        with service.carrying(stream):
            await exchanged(service, sound, service.member(stream), receive, reply.messages, context.write)
        if not sound.count:
            raise InputError("the stream is empty: no audio_buffer holds a sample")
        for message in reply.ending():
            await context.write(message)

    async def _next(self, context: Context, field: str | None = None) -> Any:
        """The next message of a stream; None: the client has sent all.

        Args:
            field: what it must hold; default: anything but a header.

        Raises:
            InputError: it holds something else, or there is none.
        """
        data = await in_time(context.read(), self.service.limits.idle, "no message came for")
        message = None if data is grpc.aio.EOF else read("AudioWithEmotionStream", data)
        known = message is not None and any(map(message.HasField, [field] if field else SOUND))
        if field is not None and not known:
            raise InputError(f"the first message of a stream is its {field}")
        if message is not None and not known:
            raise InputError("after the header come audio_with_emotion and end_of_audio")
        return message

    def _opened(self, asked: AceRequest, given: GivenEmotions) -> AnimationStream:
        """A fresh stream; without a diarizer where all of the emotion is given."""
        animator = self.service.models.animator()
        settings = StreamSettings(fps=ACE_FPS, hop=HOP, **asked.motion)
        track = given.track() if asked.share else None
        if asked.share == 1.0 and given.from_beginning:
            return animator.open_stream(settings, track)
        stream = animator.open_stream(settings)
        emotions = stream.face.emotions
        assert isinstance(emotions, LateEmotions)
        emotions.given, emotions.share = track, asked.share
        emotions.onset = asked.onset or emotions.onset
        if asked.beginning is not None and not asked.share:
            posterior, intensity = from_strengths(np.array([asked.beginning]))
            emotions.begin(posterior[0], float(intensity[0]))
        return stream


class AceReply:
    """Messages to the client of a stream.

    Args:
        audio: the header of its sound, which comes back beside the frames.
        rate: samples a second.
    """

    def __init__(self, audio: Any, rate: int, finish: Finish):
        self.audio, self.rate, self.finish = audio, rate, finish
        self.sound = bytearray()
        """Sound that has not been sent back."""
        self.sent, self._samples = 0, 0

    def header(self) -> bytes:
        """The first message."""
        held = made(
            "A2F3DAnimationDataStreamHeader",
            audio_header=self.audio,
            skel_animation_header=made("SkelAnimationHeader", blend_shapes=ARKIT_52),
            start_time_code_since_epoch=time.time(),
        )
        return _packed(animation_data_stream_header=held)

    def messages(self, frames: list[StreamedFrame]) -> Iterator[bytes]:
        """One for all frames that became final together, with the sound until the next and the emotions."""
        for start in range(0, len(frames), streams.MOST_FRAMES):
            part = frames[start : start + streams.MOST_FRAMES]
            self.sent += len(part)
            rows = self.finish(np.stack([frame.weights for frame in part]))
            weights = [
                made("FloatArrayWithTimeCode", time_code=frame.time, values=row)
                for frame, row in zip(part, rows, strict=True)
            ]
            yield _packed(
                animation_data=made(
                    "AnimationData",
                    skel_animation=made("SkelAnimation", blend_shape_weights=weights),
                    audio=self._sound(2 * (round(self.sent / ACE_FPS * self.rate) - self._samples)),
                    metadata={"emotion_aggregate": _aggregate(part)},
                )
            )

    def ending(self) -> Iterator[bytes]:
        """What follows the last frame: the rest of the sound, the event, and that all went well."""
        if self.sound:
            yield _packed(animation_data=made("AnimationData", audio=self._sound(len(self.sound))))
        yield _packed(event=made("Event", event_type=0))
        yield _packed(status=made("Status", code=0, message=""))

    def _sound(self, size: int) -> Any:
        """The next bytes of the sound."""
        begin, part = self._samples / self.rate, bytes(self.sound[:size])
        del self.sound[:size]
        self._samples += len(part) // 2
        return made("AudioWithTimeCode", time_code=begin, audio_buffer=part)


def _packed(**part: Any) -> bytes:
    return bytes(made("A2F3DAnimationDataStream", **part).SerializeToString())


def _aggregate(frames: list[StreamedFrame]) -> Any:
    """The emotions of frames in NVIDIA's words."""
    shown = [
        made(
            "EmotionWithTimeCode",
            time_code=frame.time,
            emotion={WORDS[frame.emotion]: frame.intensity} if frame.emotion in WORDS else {},
        )
        for frame in frames
    ]
    held = made("EmotionAggregate", a2f_smoothed_output=shown)
    return made("Any", type_url=f"type.googleapis.com/{AGGREGATE}", value=held.SerializeToString())


@contextlib.asynccontextmanager
async def serving(service: Service, token: str | None, host: str, port: int, grace: float) -> AsyncIterator[int]:
    """Serve both services while the block runs; gives the port.

    Args:
        port: 0 for any that is free.
        grace: seconds that calls have to end.

    Raises:
        InputError: the port cannot be used.
    """
    idle = round(1000 * service.limits.idle)
    options = {
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": LARGEST,
        "grpc.max_connection_idle_ms": idle,
        "grpc.server_handshake_timeout_ms": 10_000,  # until it speaks HTTP/2
    }
    most = (service.limits.clients or MOST_STREAMS) + service.limits.requests
    server = grpc.aio.server(options=tuple(options.items()), maximum_concurrent_rpcs=2 * most)
    server.add_generic_rpc_handlers(Ace(service, token).handlers())
    try:
        number = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError:
        number = 0
    if not number:
        raise InputError(f"port {port} cannot be used for gRPC: choose another with --grpc, or --grpc 0")
    await server.start()
    try:
        yield number
    finally:
        await server.stop(grace)
