"""Offscreen rendering of faces, and video writing."""

from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.light import STUDIO, Light, Lighting
from sedtalker.render.renderer import Renderer, make_renderer
from sedtalker.render.video import write_video

__all__ = ["STUDIO", "Camera", "Light", "Lighting", "Renderer", "frame_head", "make_renderer", "write_video"]
