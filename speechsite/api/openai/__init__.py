"""OpenAI's `/v1/audio/speech`, for the many programs that speak it."""
