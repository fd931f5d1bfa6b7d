"""Byte ranges: the cases that players and attackers send."""

import asyncio
import io

import pytest
from django.test import RequestFactory

from jobs import ranges
from jobs.ranges import ByteRange

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=0-499", ByteRange(0, 499)),
        ("bytes=500-", ByteRange(500, 999)),
        ("bytes=999-", ByteRange(999, 999)),
        ("bytes=-1", ByteRange(999, 999)),
        ("bytes=-5000", ByteRange(0, 999)),
        ("bytes=990-5000", ByteRange(990, 999)),
    ],
)
def test_one_range_is_read_exactly(header: str, wanted: ByteRange) -> None:
    assert ranges.parse(header, SIZE) == wanted


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-6",
        "bytes=" + "0-1," * 10_000,
        "bytes=5-1",
        "bytes=-",
        "items=0-5",
        "bytes=a-b",
        "bytes=0x10-20",
        "bytes=１-２",
        "bytes=" + "9" * 5000 + "-",
        "",
    ],
)
def test_what_cannot_be_read_means_the_whole_file(header: str) -> None:
    assert ranges.parse(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_past_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(ranges.NotSatisfiable):
        ranges.parse(header, SIZE)


def answer(method: str = "get", **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = getattr(RequestFactory(), method)("/", headers=headers)
    content = bytes(index % 251 for index in range(SIZE))
    response = ranges.respond(
        request, io.BytesIO(content), size=SIZE, media_type="audio/mpeg", etag='"x"'
    )

    async def body() -> bytes:
        return b"".join([part async for part in response])

    data = asyncio.run(body()) if response.streaming else response.content
    return response.status_code, dict(response.items()), data


def test_the_whole_file_says_that_it_can_be_cut() -> None:
    status, headers, body = answer()
    assert (status, len(body)) == (200, SIZE)
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == "1000"


def test_a_part_has_its_exact_length_and_bytes() -> None:
    status, headers, body = answer(range="bytes=10-19")
    assert status == 206
    assert headers["Content-Range"] == "bytes 10-19/1000"
    assert headers["Content-Length"] == "10"
    assert body == bytes(range(10, 20))


def test_head_promises_the_same_without_a_body() -> None:
    status, headers, body = answer("head", range="bytes=10-19")
    assert (status, body) == (206, b"")
    assert headers["Content-Length"] == "10"


def test_past_the_end_is_416_with_the_size() -> None:
    status, headers, _ = answer(range="bytes=1000-")
    assert status == 416
    assert headers["Content-Range"] == "bytes */1000"


def test_an_old_copy_makes_the_range_void() -> None:
    status, _, body = answer(range="bytes=0-9", if_range='"old"')
    assert (status, len(body)) == (200, SIZE)


def test_a_known_copy_is_not_sent_again() -> None:
    assert answer(if_none_match='"x"')[0] == 304
