"""The REST face: one folder per dialect."""
