"""Published measures of emotion and motion."""
