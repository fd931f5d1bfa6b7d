"""Sound as data: codecs, captions, outlines, splitting. Pure functions; no Django, no network."""
