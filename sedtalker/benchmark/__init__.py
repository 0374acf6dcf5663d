"""How fast it is here: every stage, lengths from three seconds to an hour, start-up, streams, memory."""
