"""The user, the subscription, and what was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from speechsite.api.elevenlabs.schema import Field

USAGE_QUERY = {
    "start_unix": Field("integer", is_required=True),
    "end_unix": Field("integer", is_required=True),
    "include_workspace_metrics": Field("boolean", default=False),
    "breakdown_type": Field(default="none"),
    "aggregation_interval": Field(default="day"),
    "aggregation_bucket_size": Field("integer"),
    "metric": Field(default="credits"),
}
VOICE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks, and what is left; counts are whole credits."""

    user_id: str
    name: str
    created_unix: int
    tier: str
    used: int
    limit: int
    voices: int
    key_preview: str
    resets_unix: int


def subscription(account: Account) -> dict[str, Any]:
    """Both the part of a user and the answer of its own path."""
    return {
        "tier": account.tier,
        "character_count": account.used,
        "character_limit": account.limit,
        "max_character_limit_extension": 0,
        "max_credit_limit_extension": 0,
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "next_character_count_reset_unix": account.resets_unix,
        "voice_slots_used": account.voices,
        "professional_voice_slots_used": 0,
        "professional_voice_slots_used_in_workspace": 0,
        "voice_limit": VOICE_LIMIT,
        "max_voice_add_edits": VOICE_LIMIT,
        "voice_add_edit_counter": account.voices,
        "professional_voice_limit": 0,
        "can_extend_voice_limit": False,
        "can_use_instant_voice_cloning": True,
        "can_use_professional_voice_cloning": False,
        "current_overage": {"amount": "0", "currency": "usd"},
        "currency": "usd",
        "status": "active",
        "billing_period": None,
        "character_refresh_period": None,
    }


def full_subscription(account: Account) -> dict[str, Any]:
    """The answer of the subscription's own path."""
    return {
        **subscription(account),
        "next_invoice": None,
        "open_invoices": [],
        "has_open_invoices": False,
        "pending_change": None,
    }


def user(account: Account) -> dict[str, Any]:
    """The answer about the owner of a key."""
    return {
        "user_id": account.user_id,
        "workspace_id": account.user_id,
        "subscription": subscription(account),
        "is_new_user": False,
        "xi_api_key_preview": account.key_preview,
        "is_api_key_hashed": True,
        "can_use_delayed_payment_methods": False,
        "is_onboarding_completed": True,
        "is_onboarding_checklist_completed": True,
        "first_name": account.name or None,
        "created_at": account.created_unix,
        "seat_type": "workspace_admin",
    }
