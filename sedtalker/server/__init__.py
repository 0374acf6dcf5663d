"""``sedtalker serve``: recordings by HTTP, and by WebSocket many streams that are decoded together."""
