"""The settings a voice can take, once, for forms, API and adapters alike.

Bounds are the widest that any family accepts; a model narrows them in the
catalogue. An adapter lists the names it understands in `Adapter.controls`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """A number between two bounds, a switch, or a choice of words."""

    name: str
    kind: str  # "number", "integer", "switch" or "choice"
    default: float | int | bool | str
    minimum: float = 0
    maximum: float = 1
    step: float = 0.01
    choices: tuple[str, ...] = ()


CONTROLS: dict[str, Control] = {
    control.name: control
    for control in (
        Control("speed", "number", 1.0, 0.5, 2.0, 0.05),
        Control("pitch", "integer", 0, -12, 12, 1),
        Control("volume", "number", 1.0, 0.1, 10.0, 0.1),
        Control("stability", "number", 0.5, 0, 1, 0.01),
        Control("similarity", "number", 0.75, 0, 1, 0.01),
        Control("style", "number", 0.0, 0, 1, 0.01),
        Control("speaker_boost", "switch", True),
        Control(
            "emotion",
            "choice",
            "",
            choices=(
                "", "happy", "sad", "angry", "fearful", "disgusted",
                "surprised", "calm", "fluent", "whisper",
            ),
        ),
    )
}  # fmt: skip
