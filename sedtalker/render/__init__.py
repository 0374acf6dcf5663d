"""Offscreen rendering of faces, and video writing."""

from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.light import Light, Lighting, load_lighting
from sedtalker.render.renderer import Renderer, make_renderer
from sedtalker.render.video import write_video

__all__ = ["Camera", "Light", "Lighting", "Renderer", "frame_head", "load_lighting", "make_renderer", "write_video"]
