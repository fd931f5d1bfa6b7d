"""hibari: natural English speech from a small neural model that lies in its wheel.

It runs in a child process of its own, which is started at the first use and leaves when
nobody has asked for some minutes. Nothing is ever fetched: further voices of the package
are there when an operator has laid their files into the folder of voices.
"""
