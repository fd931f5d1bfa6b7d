"""Adapters: one provider's API in, our words out. Plain data; no Django, no database."""
