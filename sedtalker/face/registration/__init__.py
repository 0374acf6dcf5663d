"""Registration: the user's own mesh becomes a face with the built-in face's shapes."""

from sedtalker.face.face import RegistrationReport
from sedtalker.face.registration.register import register, register_cached

__all__ = ["RegistrationReport", "register", "register_cached"]
