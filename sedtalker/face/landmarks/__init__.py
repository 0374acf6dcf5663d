"""Our own facial landmark detector: 68 points on plain geometry, no textures, nothing to download."""

from sedtalker.face.landmarks.detector import Detection, LandmarkDetector, load_detector

__all__ = ["Detection", "LandmarkDetector", "load_detector"]
