"""ElevenLabs' API as its own clients speak it, over REST and WebSocket.

A frozen promise of ours: it shares no code with the adapter that calls ElevenLabs.
"""
