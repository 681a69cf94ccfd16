"""Variables that need more than a cast. What is wrong with one is said at start, and which it is."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROLES = ("reader", "contributor", "manager", "administrator")
_RULE = re.compile(rf"\s*([-\w]+):(.+?)=({'|'.join(ROLES)})\s*(?:,|\Z)")
_REPEATED = re.compile(r"(.{7,}).*\1")  # so much of random characters does not come twice


def is_strong(value: str, *, length: int = 16, distinct: int = 8) -> bool:
    """Whether it can be a secret: long enough, of enough different characters, and no word written twice."""
    return len(value) >= length and len(set(value)) >= distinct and not _REPEATED.search(value)


def strong(name: str, value: str) -> str:
    """The secret, if it is one and not the placeholder of some instructions."""
    if not is_strong(value):
        raise ImproperlyConfigured(
            f"{name} is too short or too simple for a secret: use at least 16 random characters."
        )
    return value


def check_password_in(name: str, address: str) -> None:
    """Refuse the address of a server with a weak password in it; one without any is the server's matter."""
    password = unquote(urlsplit(address).password or "")
    if password:
        strong(f"The password in {name}", password)


def secure_address(name: str, value: str, *, insecure: bool) -> str:
    """An https address without its last slash; http only for a trial."""
    parts = urlsplit(value)
    if parts.scheme not in ({"https", "http"} if insecure else {"https"}) or not parts.netloc:
        raise ImproperlyConfigured(f"{name} must be an https address, such as https://login.acme.example")
    return value.rstrip("/")


def group_roles(name: str, value: str) -> tuple[tuple[str, str, str], ...]:
    """Rules `team:group=role`, separated by commas; groups may have commas in them."""
    rules, position = [], 0
    while position < len(value.rstrip()):
        rule = _RULE.match(value, position)
        if rule is None:
            raise ImproperlyConfigured(
                f"{name} cannot be read from “{value[position:].strip()}”: write team:group=role, separated "
                f"by commas, where the role is one of {', '.join(ROLES)}."
            )
        rules.append((rule[1], rule[2].strip(), rule[3]))
        position = rule.end()
    return tuple(rules)
