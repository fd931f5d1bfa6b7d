"""espeak-ng: 111 languages, small and quick, and plainly a machine.

It is under the GPL, version 3 or later, and is never loaded into this program: it runs
in a child process of its own and is spoken to over a socket, with text going in and
samples coming out. Nothing here links to it.
"""
