"""How accounts are made and who may sign in."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings

from risks.services.demo import DOMAIN


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: Any) -> bool:
        """Accounts are made by an administrator, never by signing up."""
        return False


class Backend(AuthenticationBackend):
    """Accounts of the demonstration are nobody's outside demonstration mode, also with an older session."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:
        if not settings.DEMO and str(credentials.get("email", "")).lower().strip().endswith(DOMAIN):
            self._mitigate_timing_attack(credentials.get("password", ""))
            return None
        return super().authenticate(request, **credentials)

    def user_can_authenticate(self, user: Any) -> bool:
        ghost = user.email.endswith(DOMAIN) and not settings.DEMO
        return not ghost and bool(super().user_can_authenticate(user))
