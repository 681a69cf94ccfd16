"""What may be sent: checked before it is read, and while it is read, so that nobody fills memory or disk."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

AT_ONCE = 5
"""Files of the greatest size that one request may hold."""


class TooLarge(RequestDataTooBig):
    """More is announced than one request may hold. Nothing of it has been read."""


def request_limit(signed_in: bool) -> int:
    """Bytes of a form with files. Strangers have no files to send."""
    fields: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return fields + (AT_ONCE * settings.ATTACHMENT_MAX_BYTES if signed_in else 0)


class LimitedUploadHandler(FileUploadHandler):
    """The first of FILE_UPLOAD_HANDLERS; what it lets through is kept by those after it.

    A file above the limit is read past and dropped, and its name put into `request.too_large`, so that the
    form around it can be shown again with all else that was typed.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: Any = None,
    ) -> None:
        user = getattr(self.request, "user", None)
        if content_length > request_limit(user is not None and user.is_authenticated):
            raise TooLarge("more is announced than one request may hold")

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.ATTACHMENT_MAX_BYTES:
            request: Any = self.request
            request.too_large = [*getattr(request, "too_large", []), self.file_name]
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leaves the file to the next handler."""
