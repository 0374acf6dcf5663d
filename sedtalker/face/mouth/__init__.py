"""Opening a sealed mouth: the line where the lips meet, the cut along it, and what is behind it."""

from sedtalker.face.mouth.opening import open_mouth

__all__ = ["open_mouth"]
