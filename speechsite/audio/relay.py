"""MP3 on all cores: even stretches of a long sound, encoded side by side.

Without a bit reservoir an MP3 frame owes nothing to the frames before it but what the
encoder still remembers, and that is short. An encoder that begins a little early, and
leaves those first frames out, goes on as one for the whole sound would: the frames fit
together, and of speech they are the same to the bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from speechsite.audio.decode import Samples

Packets = list["av.Packet[Any]"]

RATE = 44_100
FRAME = 1152  # samples
# At 44.1 kHz the lengths of frames, in bytes, repeat after so many: all stretches keep step.
WARM_UP = 49
STRETCH = 16 * WARM_UP
LOOK_AHEAD = 4  # frames that an encoder holds back
CORES = min(os.cpu_count() or 1, 4)
_MOST_SAMPLES = 65_536

# One for the process: several sounds at once take turns instead of crowding the cores.
_hands = ThreadPoolExecutor(CORES, thread_name_prefix="encode")


class Relay:
    """Samples in, packets out, in order; only a few stretches are in memory at a time."""

    def __init__(self, new_encoder: Callable[[], AudioCodecContext]) -> None:
        self._new_encoder = new_encoder
        self._held: list[Samples] = []
        self._size = 0
        self._begin = 0  # frame with which the held samples begin
        self._early = 0  # frames of them that only warm the encoder up
        self._under_way: deque[Future[Packets]] = deque()

    def write(self, samples: Samples) -> Packets:
        """Take samples; give the packets that are ready. Waits when too much is under way."""
        self._held.append(samples)
        self._size += len(samples)
        while self._size >= (self._early + STRETCH + LOOK_AHEAD) * FRAME:
            self._hand_over()
        return self._taken(leave=CORES)

    def finish(self) -> Packets:
        """The packets that are left; the last stretch is encoded here."""
        last = self._encoded(self._all_held(), self._begin, ends=True)[self._early :]
        return self._taken(leave=0) + last

    def drop(self) -> None:
        """Begin nothing more of what is waiting."""
        for one in self._under_way:
            one.cancel()

    def _taken(self, *, leave: int) -> Packets:
        packets: Packets = []
        while len(self._under_way) > leave:
            packets += self._under_way.popleft().result()
        return packets

    def _hand_over(self) -> None:
        whole = self._all_held()
        first, end = self._early, self._early + STRETCH
        samples = whole[: (end + LOOK_AHEAD) * FRAME]
        begin = self._begin
        self._under_way.append(
            _hands.submit(lambda: self._encoded(samples, begin, ends=False)[first:end])
        )
        self._begin += end - WARM_UP
        self._early = WARM_UP
        self._held = [whole[(end - WARM_UP) * FRAME :].copy()]
        self._size = len(self._held[0])

    def _all_held(self) -> Samples:
        return np.concatenate(self._held) if self._held else np.zeros(0, dtype=np.int16)

    def _encoded(self, samples: Samples, begin: int, *, ends: bool) -> Packets:
        encoder = self._new_encoder()
        packets: Packets = []
        for start in range(0, len(samples), _MOST_SAMPLES):
            block = np.ascontiguousarray(samples[start : start + _MOST_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block[np.newaxis, :], format="s16p", layout="mono")
            frame.sample_rate = RATE
            frame.pts = begin * FRAME + start
            packets += encoder.encode(frame)
        return packets + encoder.encode(None) if ends else packets
