"""Webhooks that exist: changed, switched off and on, removed."""

from __future__ import annotations

import pytest

from jobs import endpoints, outbound
from jobs.errors import OrderError
from jobs.webhook_models import EVENTS, Delivery, WebhookEndpoint
from speechsite.accounts.models import User

URL = "https://hooks.example.com/in"


@pytest.fixture
def endpoint(ada: User) -> WebhookEndpoint:
    return outbound.add_endpoint(ada, url=URL)[0]


def claimed() -> int:
    return len(outbound._claim())


def test_what_is_not_given_stays(endpoint: WebhookEndpoint) -> None:
    endpoints.change(endpoint, name="Orders")
    assert (endpoint.name, endpoint.url, endpoint.event_types) == ("Orders", URL, sorted(EVENTS))


def test_a_private_address_changes_nothing(endpoint: WebhookEndpoint) -> None:
    with pytest.raises(OrderError) as refused:
        endpoints.change(endpoint, name="Orders", url="http://10.0.0.1/")
    assert refused.value.field == "url"
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.url) == ("", URL)


def test_nothing_is_sent_while_it_is_off_and_all_when_it_is_on_again(
    endpoint: WebhookEndpoint,
) -> None:
    outbound.send_test(endpoint)
    endpoints.change(endpoint, is_enabled=False)
    assert claimed() == 0
    endpoints.change(endpoint, is_enabled=True)
    assert claimed() == 1


def test_switching_on_forgets_old_failures(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(
        is_enabled=False, failure_count=9, failing_since=endpoint.created_at, disabled_reason="old"
    )
    endpoint.refresh_from_db()
    endpoints.change(endpoint, is_enabled=True)
    assert (endpoint.failure_count, endpoint.failing_since, endpoint.disabled_reason) == (
        0,
        None,
        "",
    )


def test_a_removed_webhook_gets_nothing_more(ada: User, endpoint: WebhookEndpoint) -> None:
    waiting = outbound.send_test(endpoint)
    endpoints.remove(endpoint)
    assert claimed() == 0
    waiting.refresh_from_db()
    assert waiting.state == Delivery.State.FAILED
    assert not endpoints.of(ada).exists()


def test_removing_twice_keeps_the_first_moment(endpoint: WebhookEndpoint) -> None:
    endpoints.remove(endpoint)
    first = endpoint.deleted_at
    endpoints.remove(endpoint)
    assert endpoint.deleted_at == first


def test_a_user_has_only_their_own(ada: User, eve: User, endpoint: WebhookEndpoint) -> None:
    assert list(endpoints.of(ada)) == [endpoint]
    assert not endpoints.of(eve).exists()


def test_the_preview_shows_only_the_end_of_the_secret(ada: User) -> None:
    endpoint, secret = outbound.add_endpoint(ada, url=URL)
    preview = endpoints.secret_preview(endpoint)
    assert preview == f"whsec_…{secret[-4:]}"
