"""Who is asking: users, plans, API keys."""
