"""MiniMax speech, spoken by us: tasks, files, the stream and the voice list."""
