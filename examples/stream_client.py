"""Send a 16-bit mono WAV to a sedtalker server as a microphone would, and print the frames that come back."""

import asyncio
import json
import sys
import wave

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException


async def main(url: str, token: str, path: str) -> None:  # noqa: D103
    with wave.open(path) as sound:
        rate, pcm = sound.getframerate(), sound.readframes(sound.getnframes())
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2), f"{path} is not 16-bit mono"
    address, headers = url.replace("http", "ws", 1) + "/v1/stream", {"Authorization": f"Bearer {token}"}
    async with connect(address, additional_headers=headers, ping_interval=None) as socket:
        await socket.send(json.dumps({"rate": rate, "shapes": ["jawOpen", "mouthSmileLeft"]}))

        async def speak() -> None:
            for start in range(0, len(pcm), 6400):
                await socket.send(pcm[start : start + 6400])
            await socket.send('{"type": "end"}')

        speaking = asyncio.create_task(speak())
        async for message in socket:
            for frame in json.loads(message).get("frames", []):
                print(f"{frame['time']:7.3f} {frame['emotion']:<9} {frame['weights']}")
        await speaking


if len(sys.argv) != 4:
    sys.exit("usage: python stream_client.py URL TOKEN SPEECH.wav")
try:
    asyncio.run(main(*sys.argv[1:]))
except (AssertionError, EOFError, wave.Error, OSError, WebSocketException) as error:  # the sound, the server, the token
    sys.exit(f"stream_client: {error}")
