"""The portal's addresses."""

from __future__ import annotations

from django.urls import include, path

from speechsite.pages import (
    account,
    cleanup,
    history,
    job,
    landing,
    library,
    preferences,
    studio,
    wallet,
)

app_name = "pages"
urlpatterns = [
    path("", landing.landing, name="landing"),
    path("shortcuts/", landing.shortcuts, name="shortcuts"),
    path("preferences/", preferences.choose, name="preferences"),
    path("studio/", studio.studio, name="studio"),
    path("studio/voices/", studio.voices, name="studio-voices"),
    path("studio/choice/", studio.choose, name="studio-choice"),
    path("studio/file/", studio.read_file, name="studio-file"),
    path("studio/options/", studio.options, name="studio-options"),
    path("voices/", library.voices, name="voices"),
    path("voices/<int:voice_id>/", library.voice, name="voice"),
    path("voices/<int:voice_id>/hear/", library.hear, name="voice-hear"),
    path("voices/<int:voice_id>/favourite/", library.favourite, name="voice-favourite"),
    path("voices/<int:voice_id>/preview/", library.preview, name="voice-preview"),
    path("jobs/<uuid:job_id>/", job.job, name="job"),
    path("jobs/<uuid:job_id>/status/", job.status, name="job-status"),
    path("jobs/<uuid:job_id>/text/", job.text, name="job-text"),
    path("jobs/<uuid:job_id>/cancel/", job.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/delete/", job.delete, name="job-delete"),
    path("jobs/<uuid:job_id>/segments/<int:index>/", job.segment, name="job-segment"),
    path(
        "jobs/<uuid:job_id>/segments/<int:index>/audio/",
        job.segment_audio,
        name="job-segment-audio",
    ),
    path("cleanup/", cleanup.cleanup, name="cleanup"),
    path("history/", history.history, name="history"),
    path("history/selected/", history.selected, name="history-selected"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("developers/", include("speechsite.pages.developers.urls")),
    path("account/profile/", account.profile, name="profile"),
]
