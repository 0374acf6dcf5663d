"""The studio: a page in the browser where emotion over time is seen, heard and changed; needs the extra ``studio``."""
