"""Writing animations in the formats of other programs, a module a format: see ``sedtalker.export.formats``."""
