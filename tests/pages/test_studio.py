"""The Studio: ordering, refusing, and never losing what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from speechsite.accounts.models import User
from speechsite.credits import ledger
from speechsite.credits.models import LedgerEntry, Price, Wallet
from voices.models import SpeechModel, Voice

DOUBTFUL = "Le garçon a mangé une pomme près de la forêt."


@pytest.fixture
def order(page: Client, voice: Voice, model: SpeechModel) -> Callable[..., HttpResponse]:
    def order(text: str = "Good morning.", **changes: Any) -> HttpResponse:
        told = {"text": text, "voice": voice.pk, "model": model.slug, "key": "form-1"}
        return page.post("/studio/", {**told, "do": "place", **changes})

    return order


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    answer = client.get("/studio/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


def test_the_page_offers_a_voice_and_shows_the_balance(page: Client) -> None:
    html = page.get("/studio/").content.decode()
    assert 'name="voice"' in html
    assert ">1,000</b>" in html


def test_generate_places_a_job_at_the_price_shown(order: Any, ada: User) -> None:
    answer = order("Good morning.")
    job = Job.objects.get(user=ada)
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert job.text == "Good morning."
    assert job.quoted == 13
    assert Wallet.objects.get(user=ada).held == 13


def test_the_same_form_sent_twice_is_one_job(order: Any) -> None:
    assert order()["Location"] == order()["Location"]
    assert Job.objects.count() == 1


def test_an_edited_form_sent_again_is_a_new_job(order: Any) -> None:
    order("One text.")
    order("Another text.")
    assert Job.objects.count() == 2


def test_line_ends_of_the_form_count_as_one_character(order: Any, ada: User) -> None:
    order("One.\r\nTwo.")
    assert Job.objects.get(user=ada).characters == len("One.\nTwo.")


def test_control_characters_are_dropped(order: Any, ada: User) -> None:
    order("Good\x00 mor\x07ning.")
    assert Job.objects.get(user=ada).text == "Good morning."


def test_what_draws_nothing_costs_nothing_and_stays_in_the_text(order: Any, ada: User) -> None:
    shown = order("Good\u200b mor\u00adning.", shown=12).content.decode()
    assert 'id="shown" value="13"' in shown
    assert '<output id="count">13</output>' in shown
    order("Good\u200b mor\u00adning.", shown=13)
    job = Job.objects.get(user=ada)
    assert (job.quoted, job.characters, job.text) == (13, 13, "Good\u200b mor\u00adning.")
    assert job.segments.get().text == "Good morning."
    assert Wallet.objects.get(user=ada).held == 13


@pytest.mark.parametrize("text", ["", "   \r\n\t ", "😀😀 🎉"], ids=["empty", "blank", "emoji"])
def test_a_text_without_words_gets_an_error_beside_it(order: Any, text: str) -> None:
    answer = order(text, title="My title")
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'role="alert"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="id_text_error"' in html
    assert "My title" in html
    assert not Job.objects.exists()


def test_a_text_over_the_limit_is_refused_and_kept(order: Any, settings: Any) -> None:
    settings.MAX_TEXT = 20
    answer = order("This text is longer than twenty characters.")
    assert answer.status_code == 422
    assert "This text is longer than twenty characters.</textarea>" in answer.content.decode()


def test_a_voice_that_went_away_is_named_and_nothing_is_lost(order: Any, voice: Voice) -> None:
    Voice.objects.filter(pk=voice.pk).update(retired_at=timezone.now())
    answer = order("Keep me.")
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "no longer available" in html
    assert "Keep me.</textarea>" in html
    assert not LedgerEntry.objects.filter(kind="hold").exists()


def test_a_voice_that_never_was_is_refused(order: Any) -> None:
    assert order(voice="987654").status_code == 422
    assert order(voice="no number").status_code == 422


def test_too_few_credits_says_what_is_needed_and_holds_nothing(
    order: Any, ada: User, wallet: Wallet
) -> None:
    ledger.adjust(wallet, -99_990, key="poor", reason="spent elsewhere", actor=ada)
    answer = order("This costs more than ten.")
    html = answer.content.decode()
    assert answer.status_code == 402
    assert "0.025" in html
    assert "0.01" in html
    assert "This costs more than ten.</textarea>" in html
    wallet.refresh_from_db()
    assert (wallet.available, wallet.held) == (10, 0)


def test_a_setting_out_of_bounds_is_refused_beside_its_field(order: Any) -> None:
    answer = order(set_speed="9")
    assert answer.status_code == 422
    assert 'id="id_set_speed_error"' in answer.content.decode()


def test_settings_reach_the_job(order: Any, ada: User) -> None:
    order(set_speed="1.25")
    assert Job.objects.get(user=ada).voice_settings["speed"] == 1.25


def test_an_unknown_format_is_refused(order: Any) -> None:
    assert order(output_format="mp3_1_1").status_code == 422


def test_a_file_is_read_where_the_box_is_empty(order: Any, ada: User) -> None:
    order("", upload=SimpleUploadedFile("a.txt", "Aus der Datei.".encode("utf-16")))
    assert Job.objects.get(user=ada).text == "Aus der Datei."


def test_a_file_beside_a_full_box_is_an_error_and_both_stay(order: Any) -> None:
    answer = order("In the box.", upload=SimpleUploadedFile("a.txt", b"In the file."))
    assert answer.status_code == 422
    assert 'id="id_upload_error"' in answer.content.decode()
    assert "In the box.</textarea>" in answer.content.decode()


def test_without_javascript_a_file_is_read_into_the_box(order: Any) -> None:
    text = "你好,世界。今天天气很好，我们一起去公园散步吧。"
    file = SimpleUploadedFile("a.txt", text.encode("gb18030"))
    answer = order("", upload=file, do="read")
    assert answer.status_code == 200
    assert f"{text}</textarea>" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_file_in_windows_1252_keeps_its_letters(order: Any) -> None:
    text = "Herr Müller fährt über die Brücke nach Köln."
    answer = order("", upload=SimpleUploadedFile("a.txt", text.encode("cp1252")), do="read")
    assert f"{text}</textarea>" in answer.content.decode()


def test_letters_in_doubt_are_asked_and_read_as_chosen_without_javascript(order: Any) -> None:
    file = SimpleUploadedFile("a.txt", DOUBTFUL.encode("cp1252"))
    html = order("", upload=file, do="read").content.decode()
    assert f"{DOUBTFUL}</textarea>" not in html
    assert 'name="encoding" value="cp1252" checked' in html
    assert DOUBTFUL in html
    held = html.split('name="held" value="')[1].split('"')[0]
    answer = order("", held=held, encoding="cp1252", do="read")
    assert f"{DOUBTFUL}</textarea>" in answer.content.decode()


def test_letters_in_doubt_are_never_ordered(order: Any) -> None:
    answer = order("", upload=SimpleUploadedFile("a.txt", DOUBTFUL.encode("cp1252")))
    assert answer.status_code == 422
    assert not Job.objects.exists()


def test_the_script_gets_text_or_question_or_problem(page: Client) -> None:
    def read(raw: bytes, **told: str) -> dict[str, str]:
        file = SimpleUploadedFile("a.txt", raw)
        return page.post("/studio/file/", {"upload": file, **told}).json()

    assert read("Größe über Köln".encode())["text"] == "Größe über Köln"
    told = read("Herr Müller fährt über die Brücke nach Köln.".encode("cp1252"))
    assert "Windows-1252" in told["note"]
    assert 'value="cp1252" checked' in read(DOUBTFUL.encode("cp1252"))["asks"]
    assert read(DOUBTFUL.encode("cp1252"), encoding="cp1252")["text"] == DOUBTFUL
    assert "not plain text" in read(b"\x89PNG\r\n\x1a\n\0\0")["problem"]
    assert "not plain text" in read(b"abc", encoding="rot13")["problem"]


def test_a_file_larger_than_any_text_is_no_text(page: Client, settings: Any) -> None:
    settings.MAX_TEXT = 10
    file = SimpleUploadedFile("a.txt", b"a" * 45)
    assert page.post("/studio/file/", {"upload": file}).status_code == 422


def test_without_javascript_searching_a_voice_keeps_the_text(order: Any, voice: Voice) -> None:
    answer = order("Keep me.", do="find", voice_q="emily")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "Keep me.</textarea>" in html
    assert "Emily" in html
    assert f'value="{voice.pk}" checked' in html


def test_the_picker_fragment_keeps_the_chosen_voice(page: Client, voice: Voice) -> None:
    answer = page.get("/studio/voices/", {"voice_q": "mei", "voice": voice.pk})
    html = answer.content.decode()
    assert f'value="{voice.pk}" checked' in html
    assert "Mei" in html
    assert "<html" not in html


def test_the_options_fragment_carries_the_price(page: Client, voice: Voice) -> None:
    html = page.get("/studio/options/", {"voice": voice.pk}).content.decode()
    assert 'data-rate="1"' in html
    assert 'data-counting="code_points"' in html


def test_use_this_text_again_brings_everything_back(page: Client, place: Any) -> None:
    job = place("The old text.", voice_settings={"speed": 1.5}, title="Old title")
    html = page.get("/studio/", {"again": job.pk}).content.decode()
    assert "The old text.</textarea>" in html
    assert "Old title" in html
    assert 'value="1.5"' in html


@pytest.mark.parametrize("again", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_use_again_of_an_unknown_job_is_an_empty_sheet(page: Client, again: str) -> None:
    assert page.get("/studio/", {"again": again}).status_code == 200


def test_eve_cannot_use_adas_text(eves_page: Client, place: Any) -> None:
    job = place("A secret text.")
    assert "secret" not in eves_page.get("/studio/", {"again": job.pk}).content.decode()


def test_a_million_characters_are_taken(page: Client, order: Any, ada: User) -> None:
    ledger.grant(ledger.open_wallet(ada), 10_000_000, key="rich")
    text = "The fox ran over the hill. " * 37_000
    assert order(text).status_code == 302
    assert Job.objects.get(user=ada).characters == len(text)


def test_welcome_credits_of_a_stranger_do_not_pay_a_provider(
    page: Client, voice: Voice, model: SpeechModel, ada: User
) -> None:
    EmailAddress.objects.filter(user=ada).update(verified=False)
    SpeechModel.objects.filter(pk=model.pk).update(family="elevenlabs")
    Voice.objects.filter(pk=voice.pk).update(family="elevenlabs")
    told = {"text": "Good morning.", "voice": voice.pk, "model": model.slug, "do": "place"}
    answer = page.post("/studio/", told)
    assert answer.status_code == 402
    html = answer.content.decode()
    assert "Welcome credits pay for the built-in voices" in html
    assert "Good morning." in html
    assert Wallet.objects.get(user=ada).held == 0
    ledger.grant(Wallet.objects.get(user=ada), 1, key="given")
    assert page.post("/studio/", told).status_code == 302


def test_never_more_is_held_than_was_shown(order: Any, ada: User) -> None:
    """The price rose, or the browser counted less, since the page was drawn."""
    answer = order("Good morning.", shown=12)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "The price is higher than what was shown." in html
    assert 'id="shown" value="13"' in html
    assert not Job.objects.exists()
    assert Wallet.objects.get(user=ada).held == 0
    order("Good morning.", shown=13)
    assert Job.objects.get().quoted == 13


def test_a_form_sent_again_after_the_price_rose_is_still_its_first_job(order: Any) -> None:
    first = order("Good morning.", shown=13)
    Price.objects.update(millicredits_per_unit=5)
    assert order("Good morning.", shown=13)["Location"] == first["Location"]


def test_another_voice_keeps_the_settings_that_it_has_too(page: Client, voice: Voice) -> None:
    kept = {"voice": voice.pk, "set_speed": "1.25", "output_format": "wav_44100"}
    html = page.get("/studio/options/", kept).content.decode()
    assert 'value="1.25"' in html
    assert '<option value="wav_44100" selected' in html


def test_a_setting_beyond_the_new_voice_becomes_its_nearest(page: Client, voice: Voice) -> None:
    html = page.get("/studio/options/", {"voice": voice.pk, "set_speed": "99"}).content.decode()
    assert 'value="99"' not in html
    assert "99.0" not in html


def test_voice_and_settings_come_back_on_another_device(
    page: Client, ada: User, order: Any
) -> None:
    other = Voice.objects.filter(family="builtin").exclude(external_id="en-us")[3]
    told = {"voice": other.pk, "set_speed": "1.5", "output_format": "flac_44100"}
    assert page.post("/studio/choice/", told).status_code == 204
    device = Client()
    device.force_login(User.objects.get(pk=ada.pk))
    html = device.get("/studio/").content.decode()
    assert f'value="{other.pk}" checked' in html
    assert 'value="1.5"' in html
    assert '<option value="flac_44100" selected' in html


def test_an_order_keeps_its_voice_and_settings_for_the_next(page: Client, order: Any) -> None:
    order("Good morning.", set_speed="1.75", output_format="wav_44100")
    html = page.get("/studio/").content.decode()
    assert 'value="1.75"' in html
    assert "Good morning.</textarea>" not in html


def test_a_kept_voice_that_went_away_is_replaced(page: Client, order: Any, voice: Voice) -> None:
    order("Good morning.", set_speed="1.75")
    Voice.objects.filter(pk=voice.pk).update(retired_at=timezone.now())
    html = page.get("/studio/").content.decode()
    assert f'value="{voice.pk}" checked' not in html
    assert "No voice chosen" not in html


def test_what_is_not_valid_is_not_kept(page: Client, ada: User, voice: Voice) -> None:
    told = {"voice": voice.pk, "set_speed": "9", "output_format": "mp3_1_1"}
    page.post("/studio/choice/", told)
    kept = User.objects.get(pk=ada.pk).preferences["studio"]
    assert (kept["settings"].get("speed"), kept["output_format"]) == (None, "")
