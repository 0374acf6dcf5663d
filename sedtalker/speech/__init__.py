"""Features of speech: log-mels, prosody and encoders, 50 frames a second."""
