"""The native REST API, a superset of Rivya's Public API v1."""
