"""The story of one piece of work, from order to sound."""
