"""Where settings meet adapters: channels, offers, routing, health."""
