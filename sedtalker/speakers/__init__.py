"""Several speakers in one recording: who speaks when."""
