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
    def user_can_authenticate(self, user: Any) -> bool:
        """Active people; those of the demonstration in demonstration mode only, also with an older session."""
        return bool(super().user_can_authenticate(user)) and (
            settings.DEMO or not user.email.endswith(DOMAIN)
        )
