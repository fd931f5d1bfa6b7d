"""Which hosts are answered, and what the site's own links begin with."""

from __future__ import annotations

import ipaddress
import socket

import psutil
import pytest
from django.test import Client, RequestFactory, override_settings

from speechsite.core import addresses

EVIL = {"Host": "evil.example"}


def test_with_an_address_of_its_own_the_site_answers_to_its_host_alone() -> None:
    assert addresses.default_hosts("https://speech.example.com:8443") == ["speech.example.com"]
    assert addresses.default_hosts("http://[2001:db8::1]:8000") == ["[2001:db8::1]"]


def test_an_address_that_is_none_opens_nothing() -> None:
    assert addresses.default_hosts("https://[half") == []


def test_without_one_it_answers_to_this_machine_by_every_name_and_address() -> None:
    hosts = addresses.default_hosts("")
    assert {"localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()} <= set(hosts)
    of_networks = {
        one.address
        for found in psutil.net_if_addrs().values()
        for one in found
        if one.family == socket.AF_INET
    }
    assert of_networks <= set(hosts)
    assert "*" not in hosts
    for host in hosts:
        if host.startswith("["):
            ipaddress.IPv6Address(host.strip("[]"))


def test_links_begin_with_the_sites_own_address(rf: RequestFactory) -> None:
    request = rf.get("/", headers={"Host": "testserver:1"})
    assert addresses.origin_of(request) == "http://testserver:1"
    with override_settings(SITE_URL="https://speech.example.com"):
        assert addresses.origin_of(request) == "https://speech.example.com"
        assert addresses.at_home("http://testserver:1/a/?b=c") == (
            "https://speech.example.com/a/?b=c"
        )


@pytest.mark.parametrize("path", ["/", "/account/login/", "/static/css/site.css"])
def test_a_foreign_host_gets_a_page_that_names_the_setting(client: Client, path: str) -> None:
    answer = client.get(path, headers=EVIL)
    assert answer.status_code == 400
    html = answer.content.decode()
    assert "ALLOWED_HOSTS" in html
    assert "SITE_URL" in html


def test_a_host_cannot_write_into_the_page(client: Client) -> None:
    answer = client.get("/", headers={"Host": "<script>alert(1)</script>"})
    assert b"<script>" not in answer.content


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/models", lambda body: body["error"]["message"]),
        ("/v1/models", lambda body: body["detail"]["message"]),
        ("/minimax/v1/t2a_v2", lambda body: body["base_resp"]["status_msg"]),
    ],
)
def test_a_program_is_told_in_its_dialect(client: Client, path: str, told: object) -> None:
    answer = client.get(path, headers=EVIL)
    assert answer.status_code == 400
    assert "ALLOWED_HOSTS" in told(answer.json())  # type: ignore[operator]


def test_a_balancer_may_ask_by_any_name(client: Client) -> None:
    assert client.get("/healthz", headers=EVIL).status_code == 200


def test_every_answer_forbids_the_browser_what_no_page_needs(client: Client, db: None) -> None:
    for path in ("/", "/healthz", "/static/css/site.css", "/api/v1/models", "/no-such-page"):
        policy = client.get(path)["Permissions-Policy"]
        assert "camera=()" in policy
        assert "microphone=()" in policy
