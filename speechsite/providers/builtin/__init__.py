"""The built-in engine: speech by espeak-ng, cleaning by RNNoise; no key, no network.

espeak-ng is under the GPL, version 3 or later. It is never loaded into this
program: it runs in a child process of its own and is spoken to over a socket, with
text going in and samples coming out. Nothing here links to it.
"""

from speechsite.providers.builtin.adapter import Builtin

__all__ = ["Builtin"]
