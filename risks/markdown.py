"""Markdown of comments as HTML that is safe to show.

Two things of ours in it: `@[12]`, which is what is kept of a typed `@Name`, names the person with that id,
and `VOICE-12` the risk with that code. Whoever shows a text says which people and risks there are.
No HTML of the writer's own, no images, no link definitions. Time and size grow with the text, not faster.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "hr", "li", "ol", "p", "pre", "s", "span", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
CODE = re.compile(r"(?<![A-Za-z0-9_-])[A-Z][A-Z0-9]{1,9}-[1-9][0-9]{0,8}(?![A-Za-z0-9_-])")
"""The code of a risk in a text."""

_HEADING = "h3"  # whatever its level: the page has an outline of its own, and a comment is deep down in it
_DEEPEST = 12  # lists and quotes in each other
_MOST_CELLS = 2_000  # of a table; a short text can ask for 65,000, since missing ones are added
_TOKEN = re.compile(r"@\[([1-9][0-9]{0,17})\]")
_BEFORE_MENTION = re.compile(r"(?<![A-Za-z0-9/@])")
_STRANGER = re.compile(r"[^\W\d_][\w·.'’-]{0,39}")
_CHINESE = "\u2e80"
_GOES_ON = re.compile(r"[^\W\u2e80-\U0003ffff]")
_ADDRESS = re.compile(
    r"https?://[^\s<>\"'（）【】《》，。；！？、”’]*[^\s<>\"'（）【】《》，。；！？、”’.,;:!?*_~)\]]"
)
_WHERE = re.compile("https?://|mailto:", re.IGNORECASE)
"""Where a link may lead; one that leads elsewhere stays as it was typed."""
_BOX = re.compile(r"\[([ xX])\] ")
_PLACE = re.compile(r'<span data-(person|risk)="([^"]*)"></span>')
_HIDDEN = dict.fromkeys(
    [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""Control characters; some turn the direction of what follows, so that it reads as something else."""


@dataclass(frozen=True)
class NamedRisk:
    """What a code becomes a link to."""

    url: str
    title: str

    def link(self, code: str) -> SafeString:
        return format_html('<a class="risk-code" href="{}" title="{}">{}</a>', self.url, self.title, code)


def render(
    text: str, people: Mapping[int, str], risks: Mapping[str, NamedRisk], reader: int | None = None
) -> SafeString:
    """The HTML. A person or risk that is not given stands as it was typed; `reader` is told apart."""

    def put(match: re.Match[str]) -> str:
        kind, key = match.groups()
        if kind == "risk":
            return risks[key].link(key) if key in risks else key
        name = people.get(int(key))
        if name is None:
            return f"@[{key}]"
        mine = " mentioned-me" if int(key) == reader else ""
        return f'<span class="mentioned{mine}">@{escape(name.translate(_HIDDEN))}</span>'

    return mark_safe(_PLACE.sub(put, _clean(text)))  # noqa: S308  # nosec B308 B703 - cleaned; names are escaped


def people_in(text: str) -> list[int]:
    """Ids of the people it mentions, in their order; not of those in code."""
    return [int(key) for kind, key in _PLACE.findall(_clean(text)) if kind == "person"]


def codes_in(text: str) -> list[str]:
    """Codes of risks it names, in their order; not of those in code or links."""
    return [key for kind, key in _PLACE.findall(_clean(text)) if kind == "risk"]


def link_codes(text: str, risks: Mapping[str, NamedRisk]) -> SafeString:
    """A plain text, not Markdown, with links for the codes in it."""
    parts, end = [], 0
    for match in CODE.finditer(text):
        if match[0] in risks:
            parts += [escape(text[end : match.start()]), risks[match[0]].link(match[0])]
            end = match.end()
    return mark_safe("".join([*parts, escape(text[end:])]))  # noqa: S308  # nosec B308 B703 - all is escaped


# --- mentions: typed by name, kept by id


def resolve_names(text: str, handles: Mapping[str, int | None]) -> tuple[str, list[str]]:
    """The text with each `@Name` as `@[id]`, and the names after an @ that cannot stay.

    `handles` are the names that count, in any case, None for one that could be several people; the longest
    that fits is meant. An @ in code, in an address or after a backslash is no mention.
    """
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(handles, key=len, reverse=True):
        names[name[0].lower()].append(name)
    parts: list[str] = []
    end, wrong = 0, list[str]()
    for place in _mention_places(text):
        first = place + 1
        if place < end:
            continue
        found = (name for name in names[text[first : first + 1].lower()] if _is_at(first, name, text))
        if name := next(found, ""):
            pk = handles[name]
            parts += [text[end:place], "@" + text[first : first + len(name)] if pk is None else f"@[{pk}]"]
            wrong += [] if pk else ["@" + name]
            end = first + len(name)
        elif token := _TOKEN.match(text, place):
            wrong += [] if int(token[1]) in handles.values() else [token[0]]
        elif stranger := _STRANGER.match(text, first):
            wrong.append("@" + stranger[0].rstrip(".'’-"))
    return "".join([*parts, text[end:]]), list(dict.fromkeys(wrong))


def _is_at(place: int, name: str, text: str) -> bool:
    """Whether the name stands there and ends there; Chinese goes on without a space."""
    end = place + len(name)
    if text[place:end].lower() != name.lower():
        return False
    return name[-1] >= _CHINESE or not _GOES_ON.match(text, end)


def _mention_places(text: str) -> list[int]:
    """Where an @ may mention somebody. Each gets a number, and the parser tells which are not code."""
    places = [match.start() for match in re.finditer("@", text)]
    numbers = count(1)
    numbered = re.sub("@", lambda _match: f"@[{next(numbers)}]", text)
    found = [places[number - 1] for number in people_in(numbered)]
    return [place for place in found if _BEFORE_MENTION.match(text, place)]


def name_people(text: str, names: Mapping[int, str]) -> str:
    """The other way round: as its writer would type it, with the names of today."""
    known = names.keys() & set(people_in(text))
    return _TOKEN.sub(lambda m: f"@{names[int(m[1])]}" if int(m[1]) in known else m[0], text)


# --- the parser


@lru_cache(maxsize=512)
def _clean(text: str) -> str:
    """HTML in which empty spans stand for people and risks."""
    return _CLEANER.clean(_PARSER.render(text)).translate(_HIDDEN).strip()


def _mention(state: StateInline, silent: bool) -> bool:
    match = _TOKEN.match(state.src, state.pos)
    if not match or not _BEFORE_MENTION.match(state.src, state.pos):
        return False
    if not silent:
        state.push("person", "", 0).content = match[1]
    state.pos = match.end()
    return True


def _small_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if not table(state, start, end, silent=True):
        return False
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    last = start + _MOST_CELLS // columns
    if last < end and not any(state.isEmpty(line) for line in range(start, last + 1)):
        return False
    return silent or table(state, start, end, silent)


def _find_things(state: StateCore) -> None:
    """Codes and addresses in the text, boxes of task lists; one level for all headings."""
    for index, token in enumerate(state.tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = _HEADING
        if token.type == "inline" and token.children:
            if index > 1 and state.tokens[index - 2].type == "list_item_open":
                token.children[0].content = _BOX.sub(_tick, token.children[0].content, count=1)
            token.children = list(_with_things(token.children))


def _tick(match: re.Match[str]) -> str:
    return match[0] if match.start() else ("☐ " if match[1] == " " else "☑ ")


def _with_things(tokens: list[Token]) -> Iterator[Token]:
    links = 0
    for token in tokens:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and not links:
            yield from _split(token.content)
        else:
            yield token


def _split(text: str) -> Iterator[Token]:
    end = 0
    for match in _THING.finditer(text):
        yield Token("text", "", 0, content=text[end : match.start()])
        if match["address"]:
            yield Token("link_open", "a", 1, attrs={"href": match[0]})
            yield Token("text", "", 0, content=match[0])
            yield Token("link_close", "a", -1)
        else:
            yield Token("risk", "", 0, content=match[0])
        end = match.end()
    yield Token("text", "", 0, content=text[end:])


_THING = re.compile(f"(?P<address>{_ADDRESS.pattern})|{CODE.pattern}")


def _render_place(self: Any, tokens: list[Token], index: int, *_: Any) -> str:
    return f'<span data-{tokens[index].type}="{escape(tokens[index].content)}"></span>'


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST})
    parser.validateLink = lambda url: bool(_WHERE.match(url))  # type: ignore[method-assign]
    parser.enable(["table", "strikethrough"]).disable(["image", "reference", "html_inline", "html_block"])
    parser.block.ruler.at("table", _small_table, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("link", "person", _mention)
    parser.core.ruler.push("things", _find_things)
    for name in ("person", "risk"):
        parser.add_render_rule(name, _render_place)
    return parser


_PARSER = _make_parser()
_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes={"*": set(), "a": {"href"}, "ol": {"start"}, "span": {"data-person", "data-risk"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer ugc",
)
