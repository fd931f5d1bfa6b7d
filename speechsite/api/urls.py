"""The paths of all dialects. They are listed one by one: no prefix takes everything below it.

Each is served with a slash at its end as well: some clients write one, and a redirect would
lose the body of a POST. Those forms come last, so that the usual ones do not pay for them.
"""

from collections.abc import Iterable, Iterator

from django.urls import URLPattern, URLResolver, include, path

from speechsite.api import model_list


def with_slashes(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    """The same paths with a slash at the end; without names, which belong to the usual forms."""
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from with_slashes(one.url_patterns)
        elif not (route := str(one.pattern)).endswith("/"):
            yield path(f"{route}/", one.callback, one.default_args)


_usual: list[URLPattern | URLResolver] = [
    path("v1/models", model_list.by_client),
    path("", include("speechsite.api.elevenlabs.urls")),
    path("", include("speechsite.api.kie.urls")),
    path("", include("speechsite.api.minimax.urls")),
    path("", include("speechsite.api.openai.urls")),
    path("", include("speechsite.api.native.urls")),
]
urlpatterns = [*_usual, *with_slashes(_usual)]
