"""What can be spoken with: models and voices."""
