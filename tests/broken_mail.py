"""A mail server that cannot be reached."""

from typing import Never

from django.core.mail.backends.base import BaseEmailBackend


class Backend(BaseEmailBackend):
    def send_messages(self, messages: object) -> Never:
        raise ConnectionRefusedError
