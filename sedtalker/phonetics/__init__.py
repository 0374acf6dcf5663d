"""From words to the phones of a recording, and from phones to visemes."""
