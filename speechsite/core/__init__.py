"""Plumbing that knows nothing of speech: environment, ids, queue, safe HTTP, signing."""
