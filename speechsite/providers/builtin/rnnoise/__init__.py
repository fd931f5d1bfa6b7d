"""RNNoise: removes the noise behind a voice, in a child process of its own."""
