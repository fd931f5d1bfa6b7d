"""Reading text files: proof first, then a guess, and never other letters in silence."""

from __future__ import annotations

import pytest

from speechsite.core import encodings
from voices.greetings import GREETINGS

GERMAN = "Herr Müller fährt über die Brücke nach Köln."
FRENCH = "Le garçon a mangé une pomme près de la forêt. Ça va très bien, merci."
CHINESE = "你好，世界。今天天气很好，我们一起去公园散步吧。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_files_are_certain(encoding: str) -> None:
    raw = (GERMAN + CHINESE).encode(encoding)
    found = encodings.guess(raw)
    assert found.is_certain
    assert encodings.decode(raw, found.best) == GERMAN + CHINESE


def test_marks_of_either_byte_order_are_read() -> None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        raw = mark + GERMAN.encode(encoding)
        assert encodings.decode(raw, encodings.guess(raw).best) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (CHINESE, "gb18030"),
        ("你好，世界。今天天氣很好，我們一起去公園散步吧。", "big5"),
        ("おはようございます。今日は天気がいいので、公園を散歩しましょう。", "shift_jis"),
        ("おはようございます。今日は天気がいいので、公園を散歩しましょう。", "iso2022_jp"),
        ("Доброе утро! Сегодня хорошая погода, и мы идём гулять в парк.", "cp1251"),
        ("Zażółć gęślą jaźń. Dzień dobry, wszystko w porządku.", "cp1250"),
    ],
)
def test_what_leaves_no_doubt_is_read_right(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    found = encodings.guess(raw)
    assert found.is_certain
    assert encodings.decode(raw, found.best) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(FRENCH, "cp1252"), ("读吧。", "gb18030"), ("Καλή", "cp1253"), (GERMAN, "mac_roman")],
)
def test_what_leaves_doubt_is_asked_and_the_right_one_is_offered(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    found = encodings.guess(raw)
    assert not found.is_certain
    assert text in [encodings.decode(raw, one) for one in found.encodings]


# Nobody writes Estonian in the encodings of East Asia, which could spell its letters out.
FAR_EAST = {"gb18030": "cmn", "big5hkscs": "yue", "cp932": "ja", "euc_jp": "ja", "cp949": "ko"}


@pytest.mark.parametrize("encoding", encodings.LEGACY)
def test_no_language_gets_other_letters_in_silence(encoding: str) -> None:
    only = FAR_EAST.get(encoding)
    for greeting in [GREETINGS[only]] if only in GREETINGS else GREETINGS.values():
        for text in (greeting, (greeting + "\n") * 5):
            raw = text.encode(encoding, "ignore")
            if raw.isascii():
                continue
            found = encodings.guess(raw)
            if found.is_certain:
                assert encodings.decode(raw, found.best) == raw.decode(encoding)


def test_the_western_guess_comes_first_where_two_read_alike() -> None:
    assert encodings.guess(FRENCH.encode("cp1252")).best == "cp1252"


def test_utf8_with_one_broken_byte_is_never_certain_and_offered_as_such() -> None:
    raw = (GERMAN * 3).encode().replace("ü".encode(), b"\xfc", 1)
    found = encodings.guess(raw)
    assert not found.is_certain
    assert "M\ufffdller fährt über" in encodings.decode(raw, found.best)


def test_utf16_without_a_mark_is_offered_not_assumed() -> None:
    raw = GERMAN.encode("utf-16-le")
    found = encodings.guess(raw)
    assert (found.encodings, found.is_certain) == (("utf-16-le",), False)


@pytest.mark.parametrize("raw", [b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xd8\xff\xe0\x01\x02", b"a\0\0b"])
def test_pictures_are_no_text(raw: bytes) -> None:
    with pytest.raises(encodings.NotText):
        encodings.guess(raw)


def test_letters_far_into_a_long_file_decide() -> None:
    raw = ("Plain words. " * 20_000 + "\n" + GERMAN * 3).encode("cp1252")
    found = encodings.guess(raw)
    assert found.is_certain
    assert GERMAN in encodings.decode(raw, found.best)
    assert "Müller" in encodings.excerpt(raw, found.best)


def test_an_encoding_that_nobody_offers_is_refused() -> None:
    for name in ("rot13", "zip", "", "idna"):
        with pytest.raises(encodings.NotText):
            encodings.decode(b"abc", name)
