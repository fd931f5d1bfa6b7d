"""Under which names this site is called, and what its own links begin with.

The `Host` header is the visitor's word. A link that leaves the site, in a mail or in an
answer of the API, begins with SITE_URL; where that is not set, with the host of the
request, which is one of ALLOWED_HOSTS by then.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest

LOOPBACK = ("localhost", ".localhost", "127.0.0.1", "[::1]")


def default_hosts(site_url: str) -> list[str]:
    """What is answered unless ALLOWED_HOSTS says otherwise: SITE_URL's host alone, or this
    machine by any of its names and addresses."""
    if site_url:
        host = _host_of(site_url)
        return [host] if host else []
    return list(dict.fromkeys((*LOOPBACK, *_names(), *_addresses())))


def origin_of(request: HttpRequest) -> str:
    """Scheme and host that links to this site begin with, without a slash at the end."""
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"


def at_home(url: str) -> str:
    """An absolute address of this site, moved to SITE_URL if there is one."""
    if not settings.SITE_URL:
        return url
    home, parts = urlsplit(settings.SITE_URL), urlsplit(url)
    return urlunsplit(parts._replace(scheme=home.scheme, netloc=home.netloc))


def _host_of(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""  # `checks` says what is wrong with it
    return f"[{host}]" if ":" in host else host


def _names() -> list[str]:
    """The machine's own name; other machines of a home network add .local to it."""
    name = socket.gethostname().lower()
    return [name, f"{name.partition('.')[0]}.local"] if name else []


def _addresses() -> list[str]:
    """Every address of every network that the machine is in."""
    import psutil  # only where nobody said under which name the site is known

    found = []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET:
                found.append(one.address)
            elif one.family == socket.AF_INET6:
                found.append(f"[{one.address.partition('%')[0]}]")
    return found
