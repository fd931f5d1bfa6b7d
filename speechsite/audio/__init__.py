"""Sound as data: codecs, captions, peaks, splitting. Pure functions; no Django, no network."""
