"""The voices library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from speechsite.accounts.models import Plan, User
from speechsite.audio import probe
from speechsite.credits.models import Wallet
from speechsite.pages import picker
from speechsite.providers.types import VoiceInfo
from voices import library, listing
from voices.models import Voice


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get("/voices/")["Location"].startswith("/account/login/")


def test_a_search_narrows_the_list(page: Client) -> None:
    html = page.get("/voices/", {"voice_q": "emily"}).content.decode()
    assert "Emily" in html
    assert "Afrikaans" not in html.split('id="voices"')[1]


def test_language_and_gender_narrow_it_too(page: Client) -> None:
    context = page.get("/voices/", {"voice_language": "zh", "voice_gender": "female"}).context
    found = list(context["picker"].shown.voices)
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


@pytest.mark.parametrize("path", ["/voices/", "/voices/?voice_q=english", "/voices/?page=2"])
def test_the_library_costs_few_queries(
    page: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    keep(page, "en-gb-emily")
    page.get(path)  # the first look after a change reads the public voices
    with django_assert_max_num_queries(8):
        page.get(path)


def keep(page: Client, *names: str) -> list[Voice]:
    """Voices that Ada keeps."""
    voices = [Voice.objects.get(external_id=name) for name in names]
    for voice in voices:
        page.post(f"/voices/{voice.pk}/favourite/", {"keep": "on"})
    return voices


def found(browser: Client, **told: str) -> list[str]:
    context = browser.get("/voices/", told).context
    return [voice.external_id for voice in context["picker"].shown.voices]


def counts(page: Client, name: str, **told: str) -> dict[str, int]:
    """What a filter offers, with how many voices each choice leaves."""
    options = page.get("/voices/", told).context["picker"].filters[name].options
    return {option.value: option.count for option in options}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("British", "en-gb-emily"),
        ("français", "fr-camille"),
        ("francais", "fr-camille"),
        ("fem", "de-lena"),
        ("female german", "de-lena"),
        ("zh-CN", "zh-cn-mei"),
        ("中文", "zh-cn-mei"),
        ("en-gb-emily", "en-gb-emily"),
        ("mil", "en-gb-emily"),
        ("DEUTSCH", "de-lena"),
        ("narration", "heart"),
    ],
)
def test_a_voice_is_found_by_whatever_is_said_of_it(page: Client, query: str, name: str) -> None:
    assert name in found(page, voice_q=query)


def test_what_a_provider_says_of_a_voice_finds_it(page: Client) -> None:
    told = {"description": "A deep and warm voice.", "use_case": "audiobooks", "age": "old"}
    Voice.objects.create(family="builtin", external_id="otto", name="Otto", language="de", **told)
    for query in ("deep", "audiobook", "old otto"):
        assert found(page, voice_q=query) == ["otto"]


def test_ones_own_languages_come_first(page: Client) -> None:
    page.defaults["HTTP_ACCEPT_LANGUAGE"] = "de-DE,de;q=0.9,sw;q=0.5"
    page.post("/preferences/", {"language": "en"})
    groups = page.get("/voices/").context["picker"].groups
    assert [group.title for group in groups[:3]] == ["English", "German", "Swahili"]
    assert [group.title for group in groups[3:6]] == ["Afrikaans", "Albanian", "Amharic"]


def test_the_recommended_comes_first_in_its_language(page: Client) -> None:
    assert found(page, voice_language="en")[0] == "heart"
    Voice.objects.filter(external_id="en-gb-emily").update(is_recommended=True)
    Voice.objects.filter(external_id="heart").update(is_recommended=False)
    assert found(page, voice_language="en")[0] == "en-gb-emily"


def test_a_filter_counts_what_its_choices_would_leave(page: Client) -> None:
    everything = counts(page, "gender")
    assert everything["female"] + everything["male"] == Voice.objects.count()
    german = counts(page, "gender", voice_language="de")
    assert german == {"female": 2, "male": 3}
    # Its own choice does not hide the others; the other filters do.
    assert counts(page, "gender", voice_language="de", voice_gender="female") == german
    assert counts(page, "language", voice_gender="female")["de"] == 2
    assert len(counts(page, "language", voice_gender="female")) < len(counts(page, "language"))


def test_a_choice_that_leaves_nothing_can_be_undone(page: Client) -> None:
    assert counts(page, "accent", voice_language="de", voice_accent="UK") == {"UK": 0}


def test_each_page_has_other_voices_and_the_last_one_ends(page: Client) -> None:
    seen: list[str] = []
    pages = page.get("/voices/").context["picker"].shown.pages
    for number in range(1, pages + 1):
        seen += found(page, page=str(number))
    assert len(seen) == len(set(seen)) == Voice.objects.count()
    assert found(page, page="999") == found(page, page=str(pages))


def _saved(voice: Voice) -> None:
    voice.name = "Xaver"
    voice.save()


def _saved_in_part(voice: Voice) -> None:
    voice.name = "Xaver"
    voice.save(update_fields=["name"])


def _updated_with_others(voice: Voice) -> None:
    voice.name = "Xaver"
    voice.make_findable()
    Voice.objects.bulk_update([voice], ["name", "search"])


def _listed(voice: Voice) -> None:
    infos = [VoiceInfo("xaver", "Xaver", ("de",), "male")]
    listing.store("another", "builtin", infos)


@pytest.mark.parametrize("change", [_saved, _saved_in_part, _updated_with_others, _listed])
def test_a_change_is_found_at_once(
    page: Client, voice: Voice, change: Callable[[Voice], None]
) -> None:
    assert found(page, voice_q="xaver") == []
    change(voice)
    assert len(found(page, voice_q="xaver")) == 1
    Voice.objects.filter(name="Xaver").update(retired_at=timezone.now())
    assert found(page, voice_q="xaver") == []


def test_what_is_deleted_is_gone(page: Client, voice: Voice) -> None:
    assert "en-us" in found(page, voice_q="david")
    Voice.objects.filter(pk=voice.pk).delete()
    assert found(page, voice_q="david") == []


def test_a_change_that_is_taken_back_was_none(page: Client, voice: Voice) -> None:
    with transaction.atomic():
        _saved(voice)
        assert len(found(page, voice_q="xaver")) == 1
        transaction.set_rollback(True)
    assert found(page, voice_q="xaver") == []
    assert "en-us" in found(page, voice_q="david")


def test_a_voice_is_kept_and_let_go(page: Client, eves_page: Client) -> None:
    [emily] = keep(page, "en-gb-emily")
    keep(page, "en-gb-emily")  # once more is no mistake
    assert found(page, voice_shelf="favourites") == ["en-gb-emily"]
    assert "Your favourites" in page.get("/voices/").content.decode()
    assert counts(page, "shelf")["favourites"] == 1
    assert found(eves_page, voice_shelf="favourites") == []
    star = page.post(
        f"/voices/{emily.pk}/favourite/", {"keep": "off"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert 'aria-pressed="false"' in star
    assert found(page, voice_shelf="favourites") == []


def test_the_studio_shows_favourites_first_and_each_voice_once(page: Client, finished: Any) -> None:
    finished()  # by David, who was used lately then
    keep(page, "sw", "heart")
    choices = page.get("/studio/").context["picker"].choices
    assert [group.title for group in choices[:3]] == ["", "Your favourites", "Used lately"]
    names = [row["voice"].external_id for group in choices for row in group.rows]
    assert len(names) == len(set(names))
    assert {"sw", "heart", "en-us"} <= set(names[:3])


def test_more_voices_can_be_had_in_the_studio(page: Client) -> None:
    html = page.get("/studio/voices/", {"page": "2"}).content.decode()
    assert "?page=3" in html
    assert "checked" not in html


def test_a_voice_has_a_page(page: Client, voice: Voice, finished: Any) -> None:
    job = finished(title="Made with it")
    html = page.get(f"/voices/{voice.pk}/").content.decode()
    for words in ("David", "English (United States)", "en-us", "Basic", "Speed"):
        assert words in html, words
    assert f"/jobs/{job.pk}/" in html


def test_what_others_made_is_not_on_it(eves_page: Client, voice: Voice, finished: Any) -> None:
    finished(title="Of Ada")
    html = eves_page.get(f"/voices/{voice.pk}/").content.decode()
    assert "Nothing yet" in html
    assert "Of Ada" not in html


def test_ones_own_words_are_heard_for_nothing(page: Client, voice: Voice, wallet: Wallet) -> None:
    answer = page.get(f"/voices/{voice.pk}/hear/", {"text": "Good morning. " * 100})
    assert answer["Content-Type"] == "audio/mpeg"
    assert "no-store" in answer["Cache-Control"]
    heard = probe.probe(answer.content).duration_ms
    assert 3_000 < heard < 25_000  # two hundred characters, not fourteen hundred
    wallet.refresh_from_db()
    assert wallet.available == 100_000
    assert not Job.objects.exists()


def test_nothing_to_say_is_not_heard(page: Client, voice: Voice) -> None:
    assert page.get(f"/voices/{voice.pk}/hear/", {"text": "  "}).status_code == 404


def test_a_providers_voice_is_tried_in_the_studio(page: Client) -> None:
    rachel = Voice.objects.create(family="builtin", external_id="x", name="Rachel", language="en")
    Voice.objects.filter(pk=rachel.pk).update(family="elevenlabs")
    assert page.get(f"/voices/{rachel.pk}/hear/", {"text": "Hello."}).status_code == 404
    html = page.get(f"/voices/{rachel.pk}/").content.decode()
    assert f'name="voice" value="{rachel.pk}"' in html
    html = page.get("/studio/", {"voice": rachel.pk, "text": "My own words."}).content.decode()
    assert "My own words." in html


def test_a_hidden_voice_is_listed_nowhere(page: Client, voice: Voice) -> None:
    Voice.objects.filter(pk=voice.pk).update(is_hidden=True)
    assert "en-us" not in found(page, voice_q="david")
    assert page.get(f"/voices/{voice.pk}/").status_code == 404


def test_a_voice_of_a_plan_is_for_its_accounts(page: Client, voice: Voice, ada: User) -> None:
    other = Plan.objects.exclude(pk=ada.plan_id).first()
    assert other is not None
    Voice.objects.filter(pk=voice.pk).update(for_plans=f",{other.pk},")
    assert page.get(f"/voices/{voice.pk}/").status_code == 404
    assert library.voice_of_id("en-us", ada) is None
    User.objects.filter(pk=ada.pk).update(plan=other)
    assert page.get(f"/voices/{voice.pk}/").status_code == 200
    assert library.voice_of_id("en-us", User.objects.get(pk=ada.pk)) == voice


def test_a_preview_is_sound_and_can_be_read_in_ranges(page: Client, voice: Voice) -> None:
    answer = page.head(f"/voices/{voice.pk}/preview/", headers={"Range": "bytes=0-99"})
    assert answer.status_code == 206
    assert answer["Content-Type"] == "audio/mpeg"
    assert answer["Content-Length"] == "100"
    assert "private" in answer["Cache-Control"]
