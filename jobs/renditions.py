"""Other forms of a result, made when first asked for and kept beside it.

A rendition's name is derived from its source's, so two requests at once make the
same file and a deleted source leaves nothing behind.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from django.core.files import File
from django.core.files.storage import default_storage

from jobs import disk
from jobs.models import Job, Segment, Upload
from speechsite.audio import captions, decode, encode, formats
from speechsite.audio.captions import TimedWord
from speechsite.audio.outline import Outline
from speechsite.core import scratch

POINTS = 640  # of an outline; another number is that of an older kind


def of_job(job: Job, wanted: str) -> str:
    """The stored name of a job's audio in a format."""
    if wanted == job.output_format:
        return job.audio
    return _made(job.audio, job.output_format, wanted)


def of_segment(segment: Segment) -> str:
    """The stored name of a piece as the player takes it."""
    if segment.audio_format.startswith("mp3"):
        return segment.audio
    return _made(segment.audio, segment.audio_format, formats.PLAYER_FORMAT)


def of_upload(upload: Upload) -> str:
    """The stored name of a recording as a browser plays it."""
    if _plays(upload):
        return upload.file
    return _made(upload.file, "", formats.PLAYER_FORMAT)


def upload_type(upload: Upload) -> str:
    """The media type of what `of_upload` names."""
    if _plays(upload):
        return upload.media_type
    return formats.parse(formats.PLAYER_FORMAT).media_type


def upload_extension(upload: Upload) -> str:
    """How the name of what `of_upload` names should end."""
    if _plays(upload):
        return PurePosixPath(upload.file).suffix.lstrip(".") or "audio"
    return formats.parse(formats.PLAYER_FORMAT).extension


def outline_of(job: Job) -> list[int]:
    """The outline of a job's sound, made and kept when first asked for; empty without a sound."""
    if len(job.peaks) == POINTS or not job.audio:
        return job.peaks
    collector = Outline(formats.parse(job.output_format).rate)
    try:
        with ExitStack() as stack:
            path = disk.on_disk(job.audio, stack)
            for block in decode.decode(path, hint(job.output_format), rate=collector.rate):
                collector.add(block)
    except (FileNotFoundError, decode.NotAudio):
        return job.peaks
    job.peaks = collector.levels(POINTS)
    Job.objects.filter(pk=job.pk, audio=job.audio).update(peaks=job.peaks)
    return job.peaks


def names_beside(stored: str) -> list[str]:
    """The renditions that may have been made of a stored file."""
    return [_name(stored, form) for form in formats.FORMATS]


def captions_of(job: Job, kind: str) -> str:
    """Captions of the whole job as SRT, VTT or JSON."""
    said, duration_ms, exact = timeline(job)
    words = job.wording.words_sent(said)
    if kind == "json":
        return captions.to_json(job.text, words, "exact" if exact else "estimated")
    cues = captions.cues(job.text, words, duration_ms, job.language)
    return captions.to_srt(cues) if kind == "srt" else captions.to_vtt(cues)


def timeline(job: Job) -> tuple[list[TimedWord], int, bool]:
    """Words that the job speaks, timed in the joined audio; its length; whether all are exact.

    Their places are those of what is spoken: see `Job.wording`.
    """
    words: list[TimedWord] = []
    at, exact = 0, True
    heard = job.segments.with_sound().order_by("index")
    for segment in heard.only("start", "words", "duration_ms", "words_are_exact"):
        exact = exact and segment.words_are_exact
        words += [
            TimedWord(segment.start + start, segment.start + end, at + begins, at + ends)
            for start, end, begins, ends in segment.words
        ]
        at += segment.duration_ms
    return words, job.duration_ms or at, exact


def hint(name: str) -> str | None:
    """What a decoder must be told of a stored sound: only headerless bytes need their name."""
    form = formats.find(name)
    return name if form is not None and form.is_raw else None


def _plays(upload: Upload) -> bool:
    # Containers that browsers do not know were given no audio type when they came in.
    return upload.media_type.startswith("audio/")


def _made(source: str, source_format: str, wanted: str) -> str:
    name = _name(source, wanted)
    if default_storage.exists(name):
        return name
    form = formats.parse(wanted)
    with tempfile.TemporaryDirectory(prefix=scratch.prefix()) as folder, ExitStack() as stack:
        path = Path(folder, f"rendition.{form.extension}")
        blocks = decode.decode(disk.on_disk(source, stack), hint(source_format), rate=form.rate)
        encode.encode_file(blocks, wanted, form.rate, path)
        with path.open("rb") as file:
            return _put(name, file)


def _put(name: str, file: object) -> str:
    """Store under exactly this name: a second maker's copy is the same and gives way."""
    stored = default_storage.save(name, File(file))  # type: ignore[arg-type]
    if stored != name:
        default_storage.delete(stored)
    return name


def _name(source: str, wanted: str) -> str:
    path = PurePosixPath(source)
    return str(path.with_name(f"{path.stem}.{wanted}.{formats.parse(wanted).extension}"))
