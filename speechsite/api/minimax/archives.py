"""The archive that a finished task leaves: sound, sentence times and notes for each text."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jobs import disk
from jobs.models import Job, NumberedFile, Segment
from speechsite.api.minimax import answers
from speechsite.audio import formats
from speechsite.audio.join import Part, join
from speechsite.core import scratch


@dataclass(frozen=True, slots=True)
class Recording:
    """One text of a task as it is spoken, and the pieces that speak it."""

    stem: str
    text: str
    start: int  # where the text begins in what the job speaks
    segments: list[Segment]

    @property
    def milliseconds(self) -> int:
        return sum(segment.duration_ms for segment in self.segments)

    @property
    def words(self) -> list[tuple[int, int, int, int]]:
        """Timed words: positions in this text, milliseconds in this recording."""
        found, at = [], 0
        for segment in self.segments:
            shift = segment.start - self.start
            found += [
                (shift + start, shift + end, at + begins, at + ends)
                for start, end, begins, ends in segment.words
            ]
            at += segment.duration_ms
        return found


def write(numbered: NumberedFile, job: Job) -> IO[bytes]:
    """A tar in a temporary file. Blocks: large results are read and joined here."""
    file = tempfile.TemporaryFile(prefix="speechsite-")  # noqa: SIM115  (the caller sends it)
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for recording in recordings(numbered, job):
                _add(archive, numbered, job, recording)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def recordings(numbered: NumberedFile, job: Job) -> Iterator[Recording]:
    """The texts of a task that were spoken, in order."""
    done = list(job.segments.with_sound().order_by("index"))
    number, text = numbered.number, job.wording.spoken
    if not numbered.parts:
        yield Recording(f"{number}/content-{number}", text, 0, done)
        return
    start = 0
    for name, length in numbered.parts:
        mine = [segment for segment in done if start <= segment.start < start + length]
        if mine:
            folder, _, kind = name.partition("/")
            stem = f"{number}/{folder}/{kind}-{number}"
            yield Recording(stem, text[start : start + length], start, mine)
        start += length + 1  # the line break between two turns


def titles(job: Job) -> list[dict[str, Any]]:
    """Sentence times of a whole job, also while its parts are not joined yet."""
    done = list(job.segments.with_sound().order_by("index"))
    whole = Recording("", job.wording.spoken, 0, done)
    return answers.titles(whole.text, answers.sentences(whole.text, whole.words))


def _add(archive: tarfile.TarFile, numbered: NumberedFile, job: Job, recording: Recording) -> None:
    form = formats.parse(job.output_format)
    with tempfile.TemporaryDirectory(prefix=scratch.prefix()) as folder, ExitStack() as stack:
        path = _sound(job, numbered, recording, Path(folder), stack)
        size = path.stat().st_size
        with path.open("rb") as sound:
            info = _info(f"{recording.stem}.{form.extension}", size, job)
            archive.addfile(info, sound)
    sentences = answers.sentences(recording.text, recording.words)
    notes = answers.notes(
        milliseconds=recording.milliseconds,
        sound=form,
        size=size,
        codec=form.extension,
        text=recording.text,
    )
    for suffix, content in (
        ("titles", answers.titles(recording.text, sentences)),
        ("extra", notes),
    ):
        data = json.dumps(content, ensure_ascii=False).encode()
        archive.addfile(_info(f"{recording.stem}.{suffix}", len(data), job), io.BytesIO(data))


def _sound(
    job: Job, numbered: NumberedFile, recording: Recording, folder: Path, stack: ExitStack
) -> Path:
    if not numbered.parts:
        return disk.on_disk(job.audio, stack)
    parts = [
        Part(
            disk.on_disk(segment.audio, stack),
            segment.audio_format if formats.find(segment.audio_format) else None,
        )
        for segment in recording.segments
    ]
    path = folder / "sound"
    join(parts, job.output_format, path)
    return path


def _info(name: str, size: int, job: Job) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = int((job.finished_at or job.created_at).timestamp())
    return info
