"""SEDTalker: speech in, an emotional talking 3D face out.

```python
from sedtalker import Animator, Diarizer, Face

track = Diarizer.from_pretrained()("speech.wav")
animation = Animator.from_pretrained()("speech.wav", face=Face.from_mesh("head.obj"), emotion=track)
animation.export("speech.glb")
```

Each noun is imported when it is first touched, so ``import sedtalker`` costs nothing (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sedtalker.version import __version__

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation as Animation
    from sedtalker.animation.animator import Animator as Animator
    from sedtalker.animation.conditioning import Style as Style
    from sedtalker.animation.gains import Gains as Gains
    from sedtalker.animation.performance import Motion as Motion
    from sedtalker.animation.performance import StreamSettings as StreamSettings
    from sedtalker.audio import Audio as Audio
    from sedtalker.emotion.diarizer import Diarizer as Diarizer
    from sedtalker.emotion.track import EmotionTrack as EmotionTrack
    from sedtalker.emotion.track import Segment as Segment
    from sedtalker.errors import InputError as InputError
    from sedtalker.face import Face as Face
    from sedtalker.mesh.mesh import Mesh as Mesh

_HOMES = {
    "Animation": "sedtalker.animation.animation",
    "Animator": "sedtalker.animation.animator",
    "Audio": "sedtalker.audio",
    "Diarizer": "sedtalker.emotion.diarizer",
    "EmotionTrack": "sedtalker.emotion.track",
    "Face": "sedtalker.face",
    "Gains": "sedtalker.animation.gains",
    "InputError": "sedtalker.errors",
    "Mesh": "sedtalker.mesh.mesh",
    "Motion": "sedtalker.animation.performance",
    "Segment": "sedtalker.emotion.track",
    "StreamSettings": "sedtalker.animation.performance",
    "Style": "sedtalker.animation.conditioning",
}
"""The module of each noun."""

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sedtalker' has no attribute '{name}'")
    from sedtalker.plugins import load

    return load(f"{_HOMES[name]}:{name}")


def __dir__() -> list[str]:
    return __all__
