"""The networks of a process that serves, opened when they are first needed."""

from __future__ import annotations

import threading

from sedtalker.animation.animator import Animator


class Models:
    """The networks, opened when they are first needed; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._animators: dict[str, Animator] = {}

    def animator(self, name: str = "decoder") -> Animator:
        """The built-in animator, or the one that streams."""
        with self._lock:
            if name not in self._animators:
                diarizer = self._animators["decoder"].diarizer if "decoder" in self._animators else "diarizer"
                self._animators[name] = Animator.from_pretrained(name, diarizer=diarizer)
            return self._animators[name]
