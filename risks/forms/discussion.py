"""The form of a comment, new or changed."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from risks.forms.attachment import FilesField, FilesMixin
from risks.forms.renderer import Form


class CommentForm(Form):
    """`text` as typed; what is wrong with it the service says. `version` is the one that was seen."""

    text = forms.CharField(
        label=_("Your comment"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto"}),
        help_text=_("Markdown. @ mentions a member, a code such as VOICE-12 links a risk. Ctrl+Enter sends."),
    )
    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def see(self, version: int) -> None:
        """What is saved now has been shown: saving again replaces it."""
        self.data = {**self.data.dict(), "version": str(version)}  # type: ignore[attr-defined]  # a QueryDict


class NewCommentForm(FilesMixin, CommentForm):
    """With files, which belong to the comment."""

    files = FilesField(label=_("Add files"))  # type: ignore[assignment]  # a form's own `files` stays
