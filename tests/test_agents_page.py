"""The code of docs/agents.md runs as it stands: a tiny voice, Pipecat's test pipeline, a session without a room."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_voice import save_tiny_voice
from tests.test_readme import blocks

ROOT = Path(__file__).parents[1]
SAY, PIPECAT, LIVEKIT = blocks(ROOT / "docs" / "agents.md", "python")


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, "recipe", "exec"), names)
    return names


@pytest.mark.slow
def test_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kokoro_onnx", reason="the extra tts is not installed")
    from sedtalker.phonetics.synthesis import VOICE

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    VOICE.path.mkdir(parents=True)
    for made, path in zip(save_tiny_voice(tmp_path), VOICE.paths, strict=True):
        shutil.move(made, path)
    run(SAY)
    assert (tmp_path / "hello.wav").stat().st_size > 10_000
    assert (tmp_path / "hello.glb").is_file()


@pytest.mark.slow
def test_pipecat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pipecat", reason="the extra pipecat is not installed")
    import soundfile

    samples, rate = soundfile.read(ROOT / "data/samples/four_moods.wav", dtype="int16")
    soundfile.write(tmp_path / "speech.wav", samples[: 2 * rate], rate)
    monkeypatch.chdir(tmp_path)
    run(PIPECAT)
    said = capsys.readouterr().out
    assert "frames; the widest mouth: 0." in said
    assert "the agent sounds" in said


@pytest.mark.slow
def test_livekit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session cannot start without a server: its start is replaced, everything else is LiveKit's own."""
    pytest.importorskip("livekit.agents", reason="the extra livekit is not installed")
    from livekit.agents import AgentSession
    from livekit.agents.voice.avatar import QueueAudioOutput

    from sedtalker.live.livekit_face import FaceOutput

    started = list[Any]()

    async def start(self: Any, agent: Any, *, room: Any) -> None:
        self.output.audio = QueueAudioOutput(sample_rate=24000)
        started.append(self)

    class Context:
        room = object()

    monkeypatch.setattr(AgentSession, "start", start)
    asyncio.run(run(LIVEKIT)["entrypoint"](Context()))
    output = started[0].output.audio
    assert isinstance(output, FaceOutput)
    assert output.sample_rate == 24000
