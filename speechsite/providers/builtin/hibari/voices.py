"""The voices of the package: one lies in its wheel, the others an operator may lay beside it.

Names, files and SHA-256 are those of hibari-tts 0.2; a file with another hash is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from speechsite.providers.types import VoiceInfo

FOLDER = "hibari"  # under the folder of voices
BUNDLED = "heart"


@dataclass(frozen=True, slots=True)
class Model:
    """One voice, which is a whole model; `file` is empty for the one in the wheel."""

    name: str
    tag: str
    gender: str
    description: str
    file: str = ""
    sha256: str = ""

    @property
    def is_british(self) -> bool:
        return self.tag == "en-GB"


MODELS = {
    model.name: model
    for model in (
        Model(BUNDLED, "en-US", "female", "Warm and clear, at home in stories and articles"),
        Model(
            "emma",
            "en-GB",
            "female",
            "Measured and friendly",
            "bf_emma.int8.onnx",
            "f709f0488ee63b583a22189a955aaf4257b9806dd330be3490661e53af0a89c1",
        ),
        Model(
            "fenrir",
            "en-US",
            "male",
            "Deep and steady",
            "am_fenrir_v2.int8.onnx",
            "f59fbd87908c91f827bc21b1b89443757b9a8580db9eee20aa948deb731321f4",
        ),
        Model(
            "fable",
            "en-GB",
            "male",
            "A teller of tales",
            "bm_fable.int8.onnx",
            "c28529302f2d27cd12f62625c24425888c4e3c2675583100ec530259136b8bc6",
        ),
        Model(
            "kore",
            "en-US",
            "female",
            "Bright and brisk",
            "af_kore.int8.onnx",
            "346885752673e45d42f9864c9e2432094bc4b6385df060d4b83273da764d2fa9",
        ),
    )
}
ACCENTS = {"en-US": "American", "en-GB": "British"}


def installed(folder: Path | None) -> Iterator[VoiceInfo]:
    """The voices whose model is there; a file is checked when it is loaded."""
    for model in MODELS.values():
        if not model.file or (folder is not None and path_of(model, folder).is_file()):
            yield _info(model)


def path_of(model: Model, folder: Path) -> Path:
    return folder / FOLDER / model.file


def _info(model: Model) -> VoiceInfo:
    return VoiceInfo(
        id=model.name,
        name=model.name.title(),
        languages=(model.tag,),
        gender=model.gender,
        accent=ACCENTS[model.tag],
        age="adult",
        description=f"{model.description}. Natural, on this machine: free of keys and networks",
        use_case="narration",
        labels={"engine": "hibari", "language": "English"},
    )
