"""EMAIL_URL: what it means, and what is refused in one sentence."""

from __future__ import annotations

import pytest

from speechsite.core.env import BadSetting
from speechsite.core.mailurl import email_settings


@pytest.mark.parametrize(
    ("url", "port", "is_ssl", "is_tls"),
    [
        ("smtp://mail.example", 587, False, True),
        ("smtp://mail.example:25/?tls=0", 25, False, False),
        ("smtps://mail.example", 465, True, False),
    ],
)
def test_the_scheme_decides_port_and_encryption(
    url: str, port: int, is_ssl: bool, is_tls: bool
) -> None:
    found = email_settings(url)
    assert (found["EMAIL_PORT"], found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]) == (
        port, is_ssl, is_tls,
    )  # fmt: skip


def test_a_password_may_hold_any_sign() -> None:
    found = email_settings("smtp://me%40example.com:p%3A%2Fw@mail.example")
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("me@example.com", "p:/w")


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://a:b"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="EMAIL_URL must look like"):
        email_settings(url)
