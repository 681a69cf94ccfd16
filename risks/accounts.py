"""How accounts are made, who may sign in, and what of it is told: allauth's adapters and receivers."""

from __future__ import annotations

import logging
from time import time
from typing import Any
from urllib.parse import urlsplit

from allauth.account import signals
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa import signals as mfa_signals
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.db import transaction
from django.dispatch import receiver
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, gettext_lazy, override
from django.utils.translation import gettext as _

from risks.enums import Secured
from risks.models import User
from risks.services import accounts
from risks.services.demo import DOMAIN
from risks.services.links import absolute_url, host

log = logging.getLogger(__name__)

# --- accounts


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": gettext_lazy("The address or the password is not right."),
        "too_many_login_attempts": gettext_lazy(
            "Too many attempts that failed. Wait five minutes, then try again."
        ),
        "rate_limited": gettext_lazy("Too many attempts. Wait a few minutes, then try again."),
        "incorrect_password": gettext_lazy("This is not your password."),
        "enter_current_password": gettext_lazy("This is not your present password."),
        "duplicate_email": gettext_lazy("This is your address already."),
    }

    def is_open_for_signup(self, request: Any) -> bool:
        """Accounts are made by invitation, by an administrator, or by single sign-on."""
        return bool(settings.OPEN_SIGNUP)

    def save_user(self, request: Any, user: Any, form: Any, commit: bool = True) -> Any:
        user.name = form.cleaned_data.get("name", "")
        user.language = get_language() or ""
        return super().save_user(request, user, form, commit)

    def is_safe_url(self, url: str) -> bool:
        """Only addresses of this very host."""
        return bool(url) and url_has_allowed_host_and_scheme(
            url, {self.request.get_host()}, self.request.is_secure()
        )

    # who it is

    def pre_login(self, request: Any, user: Any, **details: Any) -> Any:
        accounts.settle_address(user)
        return super().pre_login(request, user, **details)

    def post_login(self, request: Any, user: Any, **details: Any) -> Any:
        with transaction.atomic():
            sociallogin = (details["signal_kwargs"] or {}).get("sociallogin")
            if sociallogin:
                accounts.follow_groups(user, groups_of(sociallogin.account))
            accounts.record_sign_in(user)
        return super().post_login(request, user, **details)

    def logout(self, request: Any) -> None:
        accounts.record_sign_out(request.user)
        super().logout(request)

    def authentication_failed(self, request: Any, **credentials: Any) -> None:
        accounts.record_failed_sign_in(credentials.get("email", ""))

    def is_reauthentication_required(self, *, app: str, **details: Any) -> bool:
        """Not if the person proved who they are within the last minutes, be it by signing in."""
        proofs = get_authentication_records(self.request, self.request.user)
        if proofs and time() - proofs[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **details))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        words = {
            "reauthenticate": _("Use your password"),
            "mfa_reauthenticate": _("Use a code"),
            "mfa_reauthenticate:webauthn": _("Use a passkey"),
        }
        methods = super().get_reauthentication_methods(user)
        return [method | {"description": words[method["id"]]} for method in methods]

    # the address

    def confirm_email(self, request: Any, email_address: Any) -> bool:
        """An address that became somebody else's in the meantime is not confirmed."""
        taken = User.objects.filter(email=email_address.email).exclude(pk=email_address.user_id)
        if taken.exists():
            self.add_message(
                request,
                messages.ERROR,
                "account/messages/email_confirmation_failed.txt",
                {"email": email_address.email},
            )
            return False
        return bool(super().confirm_email(request, email_address))

    # mail: its links lead to our address, whatever host a request names

    def get_reset_password_from_key_url(self, key: str) -> str:
        return _at_our_address(super().get_reset_password_from_key_url(key))

    def get_email_confirmation_url(self, request: Any, emailconfirmation: Any) -> str:
        return _at_our_address(super().get_email_confirmation_url(request, emailconfirmation))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the language of who gets it. If the server takes no mail, the act is done all the same."""
        reader = context.get("user") or User.objects.filter(email=email.lower()).first()
        details = {"host": host(), "reset_url": absolute_url(reverse("account_reset_password"))}
        try:
            with override(getattr(reader, "language", "") or get_language()):
                super().send_mail(template_prefix, email, details | context)
        except OSError:  # an SMTPException is one
            log.exception("A mail could not be sent: %s", template_prefix)
            messages.error(self.request, _("A mail could not be sent. Try again later."))

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        super().send_notification_mail(template_prefix, user, {"user": user} | (context or {}), email)


def _at_our_address(url: str) -> str:
    return absolute_url(urlsplit(url)._replace(scheme="", netloc="").geturl())


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


# --- second factors


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy(
            "This code is not right. Codes change every 30 seconds and count once; try the next."
        ),
    }

    def get_totp_issuer(self) -> str:
        return "RiskReg"

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's name
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return _("Passkey %(number)s") % {"number": number}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return super().get_public_key_credential_rp_entity() | {"name": "RiskReg"}


# --- single sign-on


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def populate_user(self, request: Any, sociallogin: Any, data: Any) -> Any:
        """Keep of the claims what is needed; an address counts only if the issuer has confirmed it."""
        account = sociallogin.account
        claims = {**account.extra_data.get("id_token", {}), **account.extra_data.get("userinfo", {})}
        _check_issuer(account.extra_data)
        kept = ("sub", "email", "email_verified", "name", settings.OIDC_GROUPS)
        account.extra_data = {"userinfo": {name: claims[name] for name in kept if name in claims}}
        for address in sociallogin.email_addresses:
            address.verified = str(claims.get("email_verified", "")).lower() == "true"
        user = super().populate_user(request, sociallogin, data)
        user.name, user.language = (data.get("name") or "")[:100], get_language() or ""
        return user

    def pre_social_login(self, request: Any, sociallogin: Any) -> None:
        """Somebody new, or known by the address alone, is let in only with a confirmed address."""
        known = sociallogin.account.pk or sociallogin.state.get("process") == "connect"
        if not known and not any(address.verified for address in sociallogin.email_addresses):
            messages.error(request, _("Your sign-on service has not confirmed your e-mail address."))
            raise ImmediateHttpResponse(redirect("account_login"))
        if sociallogin.is_existing:
            accounts.settle_address(sociallogin.user)

    def is_open_for_signup(self, request: Any, sociallogin: Any) -> bool:
        """Whom the issuer vouches for has an account; groups or an administrator bring the teams."""
        return True


def _check_issuer(data: dict[str, Any]) -> None:
    """The token comes from the issuer of the settings, and the rest is about the same person."""
    token, info = data.get("id_token"), data.get("userinfo")
    if not token or str(token.get("iss", "")).rstrip("/") != settings.OIDC_ISSUER:
        raise OAuth2Error("The token is not the issuer's.")
    if info and info.get("sub") != token.get("sub"):
        raise OAuth2Error("The token is about somebody else.")


def groups_of(account: Any) -> list[str]:
    groups = account.extra_data.get("userinfo", {}).get(settings.OIDC_GROUPS, [])
    return [str(group) for group in groups] if isinstance(groups, list) else [str(groups)]


# --- what is told


_FACTORS = {
    (Authenticator.Type.TOTP, True): Secured.APP_ADDED,
    (Authenticator.Type.TOTP, False): Secured.APP_REMOVED,
    (Authenticator.Type.WEBAUTHN, True): Secured.PASSKEY_ADDED,
    (Authenticator.Type.WEBAUTHN, False): Secured.PASSKEY_REMOVED,
    (Authenticator.Type.RECOVERY_CODES, True): Secured.CODES_MADE,
    (Authenticator.Type.RECOVERY_CODES, False): Secured.CODES_REMOVED,
}


@receiver(user_logged_in)
def _signed_in(request: Any, user: Any, **kwargs: Any) -> None:
    accounts.settle_address(user)
    request.session[accounts.SEEN] = int(time())


@receiver([signals.password_changed, signals.password_set])
def _password_changed(request: Any, user: Any, **kwargs: Any) -> None:
    """Who has the old one is out."""
    accounts.end_other_sessions(user, request.session.session_key)
    accounts.record_secured(user, Secured.PASSWORD_CHANGED)


@receiver(signals.password_reset)
def _password_reset(request: Any, user: Any, **kwargs: Any) -> None:
    accounts.end_other_sessions(user, None)
    accounts.drop_pending_address(user)
    accounts.record_secured(user, Secured.PASSWORD_RESET)


@receiver(signals.email_changed)
def _address_changed(request: Any, user: Any, **kwargs: Any) -> None:
    accounts.record_secured(user, Secured.ADDRESS_CHANGED)


@receiver([mfa_signals.authenticator_added, mfa_signals.authenticator_reset])
def _factor_added(user: Any, authenticator: Any, **kwargs: Any) -> None:
    accounts.record_secured(user, _FACTORS[authenticator.type, True])


@receiver(mfa_signals.authenticator_removed)
def _factor_removed(user: Any, authenticator: Any, **kwargs: Any) -> None:
    accounts.record_secured(user, _FACTORS[authenticator.type, False])


@receiver(mfa_signals.authenticator_used)
def _factor_used(user: Any, authenticator: Any, **kwargs: Any) -> None:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        accounts.record_secured(user, Secured.CODE_USED)


@receiver(mfa_signals.authentication_failed)
def _factor_failed(user: Any, **kwargs: Any) -> None:
    accounts.record_failed_proof(user)


@receiver(social_account_added)
def _provider_added(sociallogin: Any, **kwargs: Any) -> None:
    accounts.record_secured(sociallogin.user, Secured.PROVIDER_ADDED)


@receiver(social_account_removed)
def _provider_removed(socialaccount: Any, **kwargs: Any) -> None:
    accounts.record_secured(socialaccount.user, Secured.PROVIDER_REMOVED)


# --- checks


@checks.register
def check_mail(**kwargs: Any) -> list[checks.CheckMessage]:
    if settings.MAIL_WORKS:
        return []
    return [
        checks.Warning(
            "No mail goes out: no invitations, notices or links that reset a password.",
            hint="Set RISKREG_EMAIL_URL and RISKREG_MAIL_FROM.",
            id="risks.W001",
        )
    ]


@checks.register
def check_cache(**kwargs: Any) -> list[checks.CheckMessage]:
    if not settings.CACHES["default"]["BACKEND"].endswith((".LocMemCache", ".DummyCache")):
        return []
    return [
        checks.Warning(
            "Limits on how often one may try to sign in do not hold for several processes.",
            hint="Leave out RISKREG_CACHE_URL, or set it to a cache that all processes share.",
            id="risks.W002",
        )
    ]
