"""The voices library."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

from speechsite.accounts.models import User
from speechsite.pages import picker
from voices.models import Voice


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/voices/")["Location"].startswith("/account/login/")


def test_a_search_narrows_the_list(page: Client) -> None:
    html = page.get("/voices/", {"voice_q": "emily"}).content.decode()
    assert "Emily" in html
    assert "Afrikaans" not in html.split('id="voices"')[1]


def test_language_and_gender_narrow_it_too(page: Client) -> None:
    context = page.get("/voices/", {"voice_language": "zh", "voice_gender": "female"}).context
    found = list(context["picker"].page)
    assert found
    assert {voice.gender for voice in found} == {"female"}
    assert all(voice.language.startswith("zh") for voice in found)


def test_no_match_offers_the_way_back(page: Client) -> None:
    assert "Show all voices" in page.get("/voices/", {"voice_q": "zzzz"}).content.decode()


def test_typing_gets_the_list_alone(page: Client) -> None:
    html = page.get("/voices/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert "voice-grid" in html


def test_a_page_that_is_no_number_is_the_first(page: Client) -> None:
    assert page.get("/voices/", {"page": "x"}).status_code == 200
    assert page.get("/voices/", {"page": "²"}).status_code == 200


def test_eve_neither_sees_nor_hears_adas_own_voice(
    eves_page: Client, ada: User, catalogue: None
) -> None:
    own = Voice.objects.create(family="builtin", external_id="own", name="Secret", owner=ada)
    assert "Secret" not in eves_page.get("/voices/", {"voice_q": "secret"}).content.decode()
    assert eves_page.get(f"/voices/{own.pk}/preview/").status_code == 404
    assert "Secret" not in eves_page.get("/studio/", {"voice": own.pk}).content.decode()


def test_a_retired_voice_has_no_preview(page: Client, voice: Voice) -> None:
    Voice.objects.filter(pk=voice.pk).update(retired_at=timezone.now())
    assert page.get(f"/voices/{voice.pk}/preview/").status_code == 404


def test_an_accent_is_not_told_twice(voice: Voice) -> None:
    told = picker.card(Voice(name="English (UK)", accent="UK", family="builtin"))
    assert told["accent"] == ""
    told = picker.card(Voice(name="Rachel", accent="American", family="elevenlabs"))
    assert told["accent"] == "American"


def test_the_library_costs_few_queries(page: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(9):
        page.get("/voices/")


def test_a_preview_is_sound_and_can_be_read_in_ranges(page: Client, voice: Voice) -> None:
    answer = page.head(f"/voices/{voice.pk}/preview/", headers={"Range": "bytes=0-99"})
    assert answer.status_code == 206
    assert answer["Content-Type"] == "audio/mpeg"
    assert answer["Content-Length"] == "100"
    assert "private" in answer["Cache-Control"]
