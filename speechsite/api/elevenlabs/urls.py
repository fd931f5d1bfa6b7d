"""ElevenLabs' paths, one by one, without a slash at their ends, as its clients call them."""

from __future__ import annotations

from django.urls import path

from speechsite.api.elevenlabs import (
    dictionaries,
    history,
    isolation,
    speech,
    usage,
    user,
    voices,
)

app_name = "elevenlabs"
DICTIONARIES = "v1/pronunciation-dictionaries"

urlpatterns = [
    *(
        path(f"v1/text-to-speech/<str:voice_id>{ending}", view)
        for ending, view in speech.speech_forms.items()
    ),
    *(path(f"v1/text-to-dialogue{ending}", view) for ending, view in speech.dialogue_forms.items()),
    path("v1/audio-isolation", isolation.cleaning),
    path("v1/audio-isolation/stream", isolation.cleaning_stream),
    path("v1/audio-isolation/history", isolation.cleaned),
    path("v1/audio-isolation/history/<str:item>", isolation.cleaned_item),
    path("v1/voices", voices.voices),
    path("v2/voices", voices.voices_v2),
    path("v1/voices/add", voices.adding),
    path("v1/voices/settings/default", voices.settings_default),
    path("v1/voices/<str:voice>", voices.voice),
    path("v1/voices/<str:voice>/edit", voices.editing),
    path("v1/voices/<str:voice>/settings", voices.settings),
    path("v1/voices/<str:voice>/settings/edit", voices.settings_editing),
    path("v1/voices/<str:voice>/samples/<str:sample>", voices.sample),
    path("v1/voices/<str:voice>/samples/<str:sample>/audio", voices.sample_audio),
    path("v1/shared-voices", voices.shared),
    path("v1/user", user.user),
    path("v1/user/subscription", user.subscription),
    path("v1/history", history.items),
    path("v1/history/download", history.downloads),
    path("v1/history/<str:item>", history.item),
    path("v1/history/<str:item>/audio", history.audio),
    path("v1/usage/character-stats", usage.usage),
    path(DICTIONARIES, dictionaries.everything),
    path(f"{DICTIONARIES}/add-from-rules", dictionaries.from_rules),
    path(f"{DICTIONARIES}/add-from-file", dictionaries.from_file),
    path(f"{DICTIONARIES}/<str:dictionary>", dictionaries.one),
    path(f"{DICTIONARIES}/<str:dictionary>/set-rules", dictionaries.setting),
    path(f"{DICTIONARIES}/<str:dictionary>/add-rules", dictionaries.adding),
    path(f"{DICTIONARIES}/<str:dictionary>/remove-rules", dictionaries.removing),
    path(f"{DICTIONARIES}/<str:dictionary>/<str:version>/download", dictionaries.lexicon),
]
