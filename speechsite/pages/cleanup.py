"""Cleaning a recording: choose it, see its price, send it.

The recording is uploaded first and measured here; the exact price is shown, and a
second step orders. What is held is never more than what was shown.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from jobs import files, placing, uploads
from jobs.errors import OrderError
from jobs.models import BULKY, Job, Upload
from speechsite.accounts.models import User
from speechsite.core.ids import new_token
from speechsite.credits import ledger, prices, welcome
from speechsite.credits.ledger import InsufficientCredits, RestrictedCredits
from speechsite.credits.models import Price
from speechsite.pages import planlimits
from speechsite.pages.priceline import PriceLine
from speechsite.pages.requests import SignedIn
from voices import library
from voices.models import SpeechModel

RECENT = 5
FORMATS = (
    ("mp3_44100_128", gettext_lazy("MP3, standard (128 kbit/s)")),
    ("mp3_44100_192", gettext_lazy("MP3, high (192 kbit/s)")),
    ("m4a_44100_128", gettext_lazy("M4A (AAC), for phones and films")),
    ("opus_48000_64", gettext_lazy("Opus, for messengers")),
    ("wav_44100", gettext_lazy("WAV, uncompressed")),
    ("flac_44100", gettext_lazy("FLAC, lossless")),
)
FIELD_OF_ERROR = {"format": "output_format"}


@dataclass(frozen=True, slots=True)
class Cleaner:
    """A model that cleans, its price, and its quote once a recording is there."""

    model: SpeechModel
    price: Price
    quote: prices.Quote | None
    is_restricted: bool  # not for welcome credits


class CleanupForm(forms.Form):
    """A new recording, or one that was uploaded a moment ago."""

    file = forms.FileField(
        required=False, allow_empty_file=True, max_length=255, label=gettext_lazy("Recording")
    )
    upload = forms.CharField(required=False, widget=forms.HiddenInput)
    model = forms.CharField(required=False, label=gettext_lazy("Model"))
    output_format = forms.ChoiceField(
        required=False, choices=FORMATS, label=gettext_lazy("File format")
    )
    key = forms.CharField(required=False, widget=forms.HiddenInput, initial=new_token)
    shown = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.upload_taken = self._find_upload()
        self.cleaners = _cleaners(user, self.upload_taken)
        self.chosen = self._find_cleaner()

    def keep(self, upload: Upload) -> None:
        """The recording is here; the page that follows need not ask for it again."""
        self.upload_taken = upload
        self.cleaners = _cleaners(self.user, upload)
        self.chosen = self._find_cleaner()

    def idempotency_key(self, upload: Upload) -> str:
        """The same form with the same recording names the same job."""
        key, form = self.cleaned_data["key"][:64], self.wanted_format()
        model = self.chosen.model.slug if self.chosen else ""
        return f"cleanup:{key}:{upload.sha256[:32]}:{model}:{form}"

    def wanted_format(self) -> str:
        return self.cleaned_data["output_format"] or placing.DEFAULT_FORMAT

    def _find_upload(self) -> Upload | None:
        try:
            wanted = uuid.UUID(self["upload"].value() or "")
        except ValueError:
            return None
        own = Upload.objects.filter(user=self.user, deleted_at__isnull=True)
        return own.filter(pk=wanted).first()

    def _find_cleaner(self) -> Cleaner | None:
        wanted = self["model"].value()
        for cleaner in self.cleaners:
            if cleaner.model.slug == wanted:
                return cleaner
        return self.cleaners[0] if self.cleaners else None


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cleanup(request: SignedIn) -> HttpResponse:
    if request.method != "POST":
        return _page(request, CleanupForm(initial=request.GET.dict(), user=request.user))
    form = CleanupForm(request.POST, request.FILES, user=request.user)
    upload = _take(request, form)
    if upload is None:
        return _page(request, form, status=422)
    if request.POST.get("do") == "price" or form.cleaned_data["shown"] is None:
        # A reload of the page with the price must not upload the recording once more.
        return redirect(f"{reverse('pages:cleanup')}?{_kept(form, upload)}")
    return _place(request, form, upload)


def comparison(job: Job) -> dict[str, Any]:
    """What the page of a cleaning shows beside what every job's page shows."""
    has_recording = job.upload is not None and job.upload.deleted_at is None
    return {"original_url": files.link(job, "original") if has_recording else ""}


def _take(request: SignedIn, form: CleanupForm) -> Upload | None:
    """The recording, stored; None when the form says what is wrong with it."""
    if not form.is_valid():
        return None
    if form.upload_taken is not None:
        return form.upload_taken
    file = form.cleaned_data["file"]
    if file is None:
        form.add_error("file", _("Choose a recording first."))
        return None
    try:
        upload = uploads.take(request.user, file)
    except OrderError as error:
        form.add_error("file", error.message)
        return None
    form.keep(upload)
    return upload


def _kept(form: CleanupForm, upload: Upload) -> str:
    """What the page with the price has to know of the form before it."""
    chosen = form.chosen.model.slug if form.chosen else ""
    told = {"upload": upload.pk, "model": chosen, "output_format": form.wanted_format()}
    return urlencode(told)


def _place(request: SignedIn, form: CleanupForm, upload: Upload) -> HttpResponse:
    if form.chosen is None:
        form.add_error("model", _("No cleaning is on offer at the moment."))
        return _page(request, form, status=422)
    try:
        planlimits.admit(request.user)
        job = placing.place_cleaning(
            request.user,
            model=form.chosen.model,
            upload=upload,
            title=PurePath(upload.name).stem,
            output_format=form.wanted_format(),
            origin=planlimits.origin(form.idempotency_key(upload), most=form.cleaned_data["shown"]),
        )
    except OrderError as error:
        field = FIELD_OF_ERROR.get(error.field, error.field)
        form.add_error(field if field in form.fields else None, error.message)
        return _page(request, form, status=planlimits.status_of(error))
    except RestrictedCredits as error:
        form.add_error("model", welcome.explanation())
        return _page(request, form, status=402, restricted=error)
    except InsufficientCredits as error:
        return _page(request, form, status=402, shortage=error)
    if job.upload_id != upload.pk:
        uploads.discard(upload)  # the same form came twice, each time with the recording
    return redirect("pages:job", job.pk)


def _page(request: SignedIn, form: CleanupForm, status: int = 200, **extra: Any) -> HttpResponse:
    recent = Job.objects.of(request.user).filter(kind=Job.Kind.ISOLATION)
    context = {
        "form": form,
        "upload": form.upload_taken,
        "line": _line(request.user, form.chosen),
        "recent": recent.select_related("voice").defer(*BULKY)[:RECENT],
        "largest": uploads.LARGEST,
        "largest_mb": uploads.LARGEST // 1024 // 1024,
        "longest_ms": uploads.LONGEST_MS,
        **extra,
    }
    return render(request, "cleanup/cleanup.html", context, status=status)


def _line(user: User, chosen: Cleaner | None) -> PriceLine:
    """The price line; it has no price before the recording is there."""
    available = ledger.open_wallet(user).available
    if chosen is None or chosen.quote is None:
        return PriceLine(available)
    return PriceLine.of(
        available, chosen.price, chosen.quote.millicredits, is_restricted=chosen.is_restricted
    )


def _cleaners(user: User, upload: Upload | None) -> list[Cleaner]:
    """Every model that cleans and has a price, with what this recording would cost."""
    wallet = ledger.open_wallet(user)
    found = []
    for model in library.models_of(SpeechModel.Kind.ISOLATION):
        try:
            price = prices.price_of(model.slug)
        except prices.NoPrice:
            continue
        quote = prices.quote(price, seconds=upload.duration_ms / 1000) if upload else None
        is_restricted = not welcome.pays_for(wallet, model.family)
        found.append(Cleaner(model, price, quote, is_restricted))
    return found
