"""Copies of the whole site that can be trusted, and the way back: `manage.py backup`, `restore`."""
