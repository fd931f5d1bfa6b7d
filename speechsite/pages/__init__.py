"""The browser face: one module per screen."""
