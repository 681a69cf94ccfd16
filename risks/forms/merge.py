"""Forms of rows that somebody else may be editing too: what both have typed is merged field by field."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from risks.forms.renderer import StyledMixin
from risks.models import User
from risks.services.merge import Merged, Part, merge, print_of, who_changed

SEEN = "seen"
CHOICE = "choose_"
"""Begins the name of the radio buttons that choose between two versions."""
_WORDS = re.compile(r"\s+|[A-Za-z0-9À-ɏ']+|.", re.DOTALL)
_SENTENCES = re.compile(r"[^\n.!?。！？]*[\n.!?。！？]*")
_MANY_WORDS = 2_000


def typed(form: forms.BaseForm, name: str) -> str:
    """A field's value as it stands in its input."""
    value = form[name].value()
    return "" if value is None else str(value)


def shown(form: forms.BaseForm, name: str) -> str:
    """A field's value as a person reads it."""
    text = typed(form, name)
    choices = getattr(form.fields[name], "choices", None)
    if choices is None:
        return text
    for key, label in choices:
        options = label if isinstance(label, list | tuple) else [(key, label)]
        for each, words in options:
            if str(each) == text:
                return str(words)
    return text


def differences(text: str, other: str) -> SafeString:
    """The text, with what the other one does not say marked."""
    split = _WORDS if len(text) + len(other) < _MANY_WORDS * 4 else _SENTENCES
    ours, theirs = split.findall(text), split.findall(other)
    parts = []
    for same, start, end in _runs(ours, theirs):
        piece = conditional_escape("".join(ours[start:end]))
        parts.append(piece if same or not piece.strip() else f"<mark>{piece}</mark>")
    return mark_safe("".join(parts))  # noqa: S308  # nosec B308 B703 - every piece is escaped


def _runs(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[bool, int, int]]:
    for tag, start, end, _start, _end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        yield tag == "equal", start, end


@dataclass(frozen=True)
class Clash:
    """A part of which two versions exist: the inputs that hold mine, and theirs in words.

    `mine` are the words of mine with the differences marked, where marks help.
    """

    name: str
    label: str
    fields: list[forms.BoundField]
    theirs: list[tuple[str, SafeString]]
    mine: SafeString | None
    who: str


UNSEEN = gettext_lazy(
    "It is not known which version this form was made from. Compare it with what is saved now, then save."
)


class MergeForm(StyledMixin, forms.ModelForm):
    """Carries what its row was when it was shown, and merges what is posted with what the row is by then.

    `together` names fields that are taken together; `sources` tells where other columns come from.
    """

    together: ClassVar[tuple[Part, ...]] = ()
    sources: ClassVar[Mapping[str, str]] = {}
    known = True
    """Whether it can be told what the person saw."""
    merged: Merged | None = None
    now: MergeForm
    """The unbound form of the row as it was when this one was merged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields[SEEN] = forms.CharField(
                required=False, widget=forms.HiddenInput, initial=self.seal, label=""
            )

    # --- what was seen

    @property
    def _salt(self) -> str:
        return f"seen {self.instance._meta.label} {self.instance.pk}"

    @property
    def _names(self) -> list[str]:
        return [name for name in self.fields if name != SEEN]

    @property
    def parts(self) -> list[Part]:
        grouped = {name: part for part in self.together for name in part}
        return list(dict.fromkeys(grouped.get(name, (name,)) for name in self._names))

    def seal(self) -> str:
        """What this unbound form shows, as a mark that only we can have made."""
        prints = {name: print_of(typed(self, name)) for name in self._names}
        return signing.dumps([self.instance.version, prints], salt=self._salt)

    def unseal(self, token: str) -> Mapping[str, str]:
        """The prints of what was shown; none if that cannot be told."""
        try:
            _version, prints = signing.loads(token, salt=self._salt)
        except (signing.BadSignature, ValueError):
            return {}
        return prints

    # --- what becomes of it

    def merge(self, posted: Mapping[str, Any]) -> Merged:
        """Called on the unbound form of the row as it is now."""
        return merge(
            self.parts,
            seen=self.unseal(posted.get(SEEN, "")),
            now={name: typed(self, name) for name in self._names},
            typed={name: posted[name] for name in self._names if name in posted},
            theirs=[name for name in self._names if posted.get(CHOICE + name) == "theirs"],
        )

    def data_after(self, merged: Merged, posted: Mapping[str, Any]) -> dict[str, str]:
        """What is posted, with what is saved in place of what the person did not change or gave up."""
        kept = {name for part in merged.kept for name in part}
        given = {name: posted[name] for name in self._names if name in posted and name not in kept}
        return {name: given.get(name, typed(self, name)) for name in self._names} | {SEEN: self.seal()}

    def mine(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of the columns' values those that the person changed."""
        changed = self.merged.mine if self.merged else frozenset()
        return {name: value for name, value in values.items() if self.sources.get(name, name) in changed}

    # --- in words

    @cached_property
    def clashes(self) -> list[Clash]:
        return [self._clash(part) for part in self.merged.asked] if self.merged else []

    def _clash(self, part: Part) -> Clash:
        name = part[0]
        theirs, mine = shown(self.now, name), typed(self, name)
        is_text = len(part) == 1 and isinstance(self.fields[name].widget, forms.Textarea | forms.TextInput)
        marked = bool(is_text and theirs and mine)
        return Clash(
            name=name,
            label=_list(self._label(each) for each in part),
            fields=[self[each] for each in part],
            theirs=[
                ("" if len(part) == 1 else self._label(each), self._their_words(each, marked))
                for each in part
            ],
            mine=differences(mine, theirs) if marked else None,
            who=_list(dict.fromkeys(self._who(each) for each in part)),
        )

    def _their_words(self, name: str, marked: bool) -> SafeString:
        words = shown(self.now, name)
        if not words:
            return format_html('<span class="muted">{}</span>', _("empty"))
        return differences(words, typed(self, name)) if marked else conditional_escape(words)

    def _label(self, name: str) -> str:
        return str(self[name].label)

    @property
    def unasked(self) -> list[tuple[str, str]]:
        """The fields that nobody has to decide about, with their values, for the page that asks."""
        asked = {field.name for clash in self.clashes for field in clash.fields}
        return [(name, typed(self, name)) for name in self.fields if name not in asked]

    @property
    def kept_lines(self) -> list[str]:
        """What others changed, and is kept: a sentence for each of them."""
        by_person: defaultdict[str, list[str]] = defaultdict(list)
        for part in self.merged.kept if self.merged else ():
            by_person[self._who(part[0])].append(self._label(part[0]))
        sentence = _("%(person)s changed this meanwhile, and it is kept: %(fields)s.")
        return [sentence % {"person": who, "fields": _list(labels)} for who, labels in by_person.items()]

    def _who(self, name: str) -> str:
        columns = [column for column, source in self.sources.items() if source == name]
        return str(self._changers[(columns or [name])[0]] or _("The system"))

    @cached_property
    def _changers(self) -> dict[str, User | None]:
        """One query, made only where there is something to tell."""
        return who_changed(self.instance, [*self._names, *self.sources])


def _list(words: Iterable[str]) -> str:
    return pgettext("between the items of a list", ", ").join(words)
