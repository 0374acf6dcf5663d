"""The studio: a page in the browser where emotion over time is seen, played and changed; needs the extra ``studio``."""
