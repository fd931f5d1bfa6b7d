"""The built-in engines: speech by hibari and espeak-ng, cleaning by RNNoise; no key, no network.

Each is a program in a child process of its own and is spoken to over a socket. espeak-ng
is under the GPL, version 3 or later, and is loaded there alone: nothing here links to it.
"""

from speechsite.providers.builtin.adapter import Builtin

__all__ = ["Builtin"]
