"""Markdown of comments: what it may become, whatever is thrown at it, and how names become people."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risks import markdown
from risks.markdown import NamedRisk, codes_in, link_codes, name_people, people_in, render, resolve_names

RISKS = {"VOICE-12": NamedRisk("/t/acme/risks/VOICE-12/", "A <b>title</b> \"x'")}
PEOPLE = {3: "Lin <Yue>"}
ATTRIBUTES = {
    "a": {"href", "rel", "class", "title"},
    "ol": {"start"},
    "span": {"class"},
}
REL = "nofollow noopener noreferrer ugc"


class Inspector(HTMLParser):
    """Collects what a browser would see, and refuses what must not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in markdown.TAGS:
            self.wrong.append(tag)
        values: dict[str, Any] = dict(attrs)
        self.wrong += [f"{tag} {name}" for name in values.keys() - ATTRIBUTES.get(tag, set())]
        if tag == "span" and values.get("class") not in ("mentioned", "mentioned mentioned-me"):
            self.wrong.append(f"span {values}")
        if tag == "a" and values.get("class") == "risk-code":
            if values["href"] != "/t/acme/risks/VOICE-12/":
                self.wrong.append(f"a {values}")
        elif tag == "a":
            href = values.get("href")
            if values.get("rel") != REL or "title" in values or "class" in values:
                self.wrong.append(f"a {values}")
            if href is not None and not re.match(r"(https?|mailto):", href):
                self.wrong.append(f"href {href}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(decl)

    handle_comment = handle_pi = unknown_decl = handle_decl


def wrong_in(html: str) -> list[str]:
    inspector = Inspector()
    inspector.feed(html)
    inspector.close()
    return inspector.wrong


def shown(text: str) -> str:
    return str(render(text, PEOPLE, RISKS, reader=3))


# --- what it is for


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("a\nb", "<p>a<br>\nb</p>"),
        ("**b** _i_ ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <s>s</s> <code>c</code></p>"),
        ("# Top", "<h3>Top</h3>"),
        ("###### Low", "<h3>Low</h3>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("7. a", '<ol start="7">\n<li>a</li>\n</ol>'),
        ("- [ ] a\n- [x] b", "<ul>\n<li>☐ a</li>\n<li>☑ b</li>\n</ul>"),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("```py\nx <y>\n```", "<pre><code>x &lt;y&gt;\n</code></pre>"),
        ("风险：**很高**，“真的”。", "<p>风险：<strong>很高</strong>，“真的”。</p>"),
        ("[l](https://a.example)", f'<p><a href="https://a.example" rel="{REL}">l</a></p>'),
        ('[l](https://a.example "t")', f'<p><a href="https://a.example" rel="{REL}">l</a></p>'),
        ("[y](/t/demo/risks/VOICE-1/)", "<p>[y](/t/demo/risks/VOICE-1/)</p>"),
        ("[y](//a.example) [z](#a)", "<p>[y](//a.example) [z](#a)</p>"),
        ("[y](ftp://a.example)", "<p>[y](ftp://a.example)</p>"),
        ("<mailto:a@b.example>", f'<p><a href="mailto:a@b.example" rel="{REL}">mailto:a@b.example</a></p>'),
        (
            "见https://a.example/x?a=1&b=2。",
            f'<p>见<a href="https://a.example/x?a=1&amp;b=2" rel="{REL}">https://a.example/x?a=1&amp;b=2</a>。</p>',
        ),
    ],
)
def test_markdown_is_rendered(text: str, html: str) -> None:
    assert shown(text) == html
    assert wrong_in(html) == []


def test_markdown_table_is_rendered_without_styles() -> None:
    html = shown("| a | b |\n|---|:-:|\n| 1 | 2 |")
    assert re.sub(r"\s", "", html) == (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"
    )


def test_markdown_names_people_and_risks() -> None:
    assert shown("@[3] see VOICE-12, not VOICE-13, @[4] or XVOICE-12x") == (
        '<p><span class="mentioned mentioned-me">@Lin &lt;Yue&gt;</span> see <a class="risk-code" '
        'href="/t/acme/risks/VOICE-12/" title="A &lt;b&gt;title&lt;/b&gt; &quot;x&#x27;">VOICE-12</a>, '
        "not VOICE-13, @[4] or XVOICE-12x</p>"
    )
    assert "mentioned-me" not in render("@[3]", PEOPLE, RISKS, reader=4)


def test_markdown_in_code_and_links_names_nobody() -> None:
    text = "`@[3] VOICE-12` [VOICE-12](https://a.example) https://a.example/VOICE-12 \\@[3] a@[3]"
    text += "\n\n    VOICE-12 @[3]"
    assert (people_in(text), codes_in(text)) == ([], [])
    assert "risk-code" not in shown(text)
    assert "mentioned" not in shown(text)


def test_codes_stand_among_chinese_and_are_kept_in_order() -> None:
    assert codes_in("见VOICE-2、TRANS-10。VOICE-2 voice-3 VOICE-03 GPT-4o A-1 VOICE-1-2") == [
        "VOICE-2", "TRANS-10", "VOICE-2",
    ]  # fmt: skip


def test_link_codes_escapes_and_links_known_codes_only() -> None:
    assert link_codes("<i> VOICE-12 & VOICE-1", RISKS) == (
        '&lt;i&gt; <a class="risk-code" href="/t/acme/risks/VOICE-12/" '
        'title="A &lt;b&gt;title&lt;/b&gt; &quot;x&#x27;">VOICE-12</a> &amp; VOICE-1'
    )


# --- attacks

ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi//xlink:href=\"data:x,<script>alert(4)</script>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<details open ontoggle=alert(1)>",
    "<form action=//evil.example><button>x</button></form>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?php echo 1 ?>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](ftp://a.example)",
    "[x](//evil.example)",
    "[x](/t/other/)",
    "[x](?logout)",
    "[x](#discussion)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "![x](https://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x][1]\n\n[1]: https://a.example",
    "[a](https://a.example\"onmouseover=\"alert(1))",
    "[a](<https://a.example\" onclick=alert(1)>)",
    "https://a.example/\"onmouseover=alert(1)",
    "`<img src=x onerror=alert(1)>`",
    "```<img src=x onerror=alert(1)>\n```",
    "~~~\" onmouseover=alert(1)\nx\n~~~",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <script> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "<span data-person=\"3\"></span><span data-risk=\"VOICE-12\"></span>",
    "&lt;span data-person=\"3\"&gt;&lt;/span&gt;",
    "@[3]\" onclick=\"alert(1)",
    "**<b onmouseover=alert(1)>**</b>",
    "\u202ealert(1)\u202c",
    "&#8238;x",
    "x\0y",
]  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS)
def test_attack_leaves_only_what_is_allowed(text: str) -> None:
    assert wrong_in(shown(text)) == []


def test_inspector_of_these_tests_sees_what_is_wrong() -> None:
    html = '<b onclick="x">x</b><a href="javascript:x" rel="x" target="_blank">x</a>'
    html += '<span class="x">y</span><!-- -->'
    assert len(wrong_in(html)) == 7


def test_spans_typed_by_hand_are_text_and_name_nobody() -> None:
    text = '<span data-person="3"></span> <span data-risk="VOICE-12"></span>'
    assert people_in(text) == []
    assert '<span class="mentioned' not in shown(text)
    assert "&lt;span data-person=" in shown(text)


def test_characters_that_turn_the_direction_are_taken_out() -> None:
    assert shown("\u202egnp.exe\u202c &#8238;x \u2066y&#x2069;") == "<p>gnp.exe x y</p>"
    assert render("@[1]", {1: "Lin\u202e"}, {}) == '<p><span class="mentioned">@Lin</span></p>'


HARD = {
    "angles": "<" * 10_000,
    "quotes": ">" * 10_000,
    "spaced quotes": "> " * 5_000,
    "brackets": "[" * 10_000,
    "closed brackets": "[" * 5_000 + "]" * 5_000,
    "open links": "[a](" * 2_500,
    "links in links": "[x" * 2_000 + "](u)" * 1_400,
    "images": "![" * 5_000,
    "stars": "*" * 10_000,
    "star words": "*a " * 3_333,
    "mixed marks": "*_~`[" * 2_000,
    "emphasis pairs": "a**b" * 2_500,
    "ticks": "`" * 10_000,
    "growing ticks": "".join("`" * size + "a" for size in range(1, 139)),
    "lists": "- " * 5_000,
    "deep list": "".join(" " * depth + "- a\n" for depth in range(138)),
    "entities": "&" * 10_000,
    "numbers": "&#1" * 3_333,
    "comments": "<!--" * 2_500,
    "declarations": "<![CDATA[" * 1_111,
    "wide table": "|a" * 1_000 + "\n" + "|-" * 1_000 + "\n" + "x\n" * 2_900,
    "long table": "|a" * 70 + "\n" + "|-" * 70 + "\n" + "x\n" * 4_800,
    "many tables": "a|b\n-|-\n" * 1_250,
    "definitions": "[a]: " + "x" * 5_000 + "\n" + "[a]" * 1_600,
    "mentions": "@[1]" * 2_500,
    "ats": "@a " * 3_333,
    "codes": "AB-" * 3_333,
    "addresses": "http://" * 1_428,
    "dots": "http://" + "." * 9_990,
    "strikes": "~~a" * 3_333,
    "backslashes": "\\" * 10_000,
    "lines": "x\n" * 5_000,
    "underlined": "a\n=\n" * 2_500,
    "overrides": "\u202e" * 10_000,
    "Chinese": "风险VOICE-1，" * 1_000,
    "emoji": "👩‍👩‍👧" * 2_000,
}


@pytest.mark.parametrize("name", HARD)
def test_hard_text_takes_bounded_time_and_room(name: str) -> None:
    text = HARD[name][:10_000]
    markdown._clean.cache_clear()
    began = time.process_time()
    html = shown(text)
    resolve_names(text, {f"Name {number}": number for number in range(1, 300)})
    assert time.process_time() - began < 2  # 0.1 s at most where nothing else runs
    assert len(html) < 16 * 10_000
    assert wrong_in(html) == []


def test_lists_and_quotes_go_only_so_deep() -> None:
    assert shown("> " * 5_000 + "x").count("<blockquote>") <= 12


PIECES = st.lists(
    st.one_of(
        st.sampled_from(ATTACKS),
        st.sampled_from(list("<>[]()!`*_~\\&#:|-@/\"'= \n\t")),
        st.sampled_from(["<span ", "data-person=", "@[3]", "VOICE-12", "https://", "javascript:"]),
        st.text(max_size=8),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(PIECES)
def test_no_text_becomes_more_than_what_is_allowed(pieces: list[str]) -> None:
    assert wrong_in(shown("".join(pieces))) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="@Lin Yue示例·`\\[]()*1\n", max_size=60))
def test_a_resolved_text_names_only_people_that_were_given(text: str) -> None:
    handles = {"Lin": 1, "Lin Yue": 12, "示例": 3}
    resolved, wrong = resolve_names(text, handles)
    if not wrong:
        assert set(people_in(resolved)) <= {1, 12, 3} | set(people_in(text))


# --- names


@pytest.mark.parametrize(
    ("typed", "kept", "wrong"),
    [
        ("@Lin Yue and @lin yue", "@[2] and @[2]", []),
        ("@Lin, @Lin.", "@[1], @[1].", []),
        ("@Linda", "@Linda", ["@Linda"]),
        ("请@示例·林看一下", "请@[3]看一下", []),
        ("（@Lin）", "（@[1]）", []),
        ("**@Lin**", "**@[1]**", []),
        ("a@Lin.example @@Lin /@Lin", "a@Lin.example @@Lin /@Lin", []),
        ("`@media` \\@Nobody\n\n    @property", "`@media` \\@Nobody\n\n    @property", []),
        ("@3pm @ @!", "@3pm @ @!", []),
        ("@[2] @[9]", "@[2] @[9]", ["@[9]"]),
        ("@Nobody @王五 @Nobody", "@Nobody @王五 @Nobody", ["@Nobody", "@王五"]),
        ("@Twin", "@Twin", ["@Twin"]),
        ("@Twin (a@b.example)", "@[5]", []),
        ("@mail@b.example!", "@[6]!", []),
    ],
)
def test_names_are_kept_as_ids(typed: str, kept: str, wrong: list[str]) -> None:
    handles = {
        "Lin": 1, "Lin Yue": 2, "示例·林": 3, "Twin": None, "Twin (a@b.example)": 5, "mail@b.example": 6,
    }  # fmt: skip
    assert resolve_names(typed, handles) == (kept, wrong)


def test_ids_are_shown_as_the_names_of_today() -> None:
    assert name_people("@[2] `@[3]` @[4]", {2: "New Name", 3: "Other"}) == "@New Name `@[3]` @[4]"
