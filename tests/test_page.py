"""The page: what it says, that it is whole in itself, and that nothing hostile becomes markup."""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verdicts import fill, full, verdict
from verify import explain
from verify.grammar.visible import terminal
from verify.model import ConclusionReason, Verdict, replace
from verify.render.header import authentication_results
from verify.render.page import to_html

VERDICTS = [*(verdict(reason) for reason in ConclusionReason), full()]
IDS = [*(reason.value for reason in ConclusionReason), "full"]
VOID = {"meta", "br", "path", "circle", "rect"}
TAGS = VOID | {
    "html",
    "head",
    "title",
    "style",
    "body",
    "main",
    "footer",
    "header",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "dl",
    "dt",
    "dd",
    "ul",
    "ol",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "span",
    "strong",
    "details",
    "summary",
    "div",
    "svg",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "id",
    "class",
    "aria-labelledby",
    "aria-label",
    "role",
    "tabindex",
    "scope",
    "viewbox",
    "d",
    "x",
    "y",
    "rx",
    "cx",
    "cy",
    "r",
    "width",
    "height",
}


class Page(HTMLParser):
    """A page as a browser would take it apart: tags, attributes, text; tags must be closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _is_ours(page: Page) -> bool:
    """Only our own elements and attributes, no script, no handler, no address to fetch."""
    return all(tag in TAGS and set(attributes) <= ATTRIBUTES for tag, attributes in page.tags)


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_the_page_is_whole_in_itself(made: Verdict) -> None:
    source = to_html(made)
    assert _is_ours(Page(source))
    assert not re.search(r"(?i)https?:|//\w|url\(|@import|<script|javascript:", source)


def test_the_policy_forbids_everything_but_the_one_style() -> None:
    source = to_html(verdict())
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = next(a["content"] for tag, a in Page(source).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert source.index("Content-Security-Policy") < source.index("<style>")


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_the_page_begins_with_the_conclusion(made: Verdict) -> None:
    page = Page(to_html(made))
    assert next(tag for tag, _ in page.tags if tag.startswith("h") and tag[1:].isdigit()) == "h1"
    assert explain.summary(made) in page.text
    assert (explain.next_step(made) or "") in page.text
    assert page.text.index(made.conclusion_reason.value) < page.text.index("The message")
    assert "None" not in page.text


def test_every_part_of_the_verdict_has_its_place() -> None:
    made = full()
    text = Page(to_html(made)).text
    for expected in (
        "s2026._domainkey.shop.example",
        "ed._domainkey.list.example",
        "_dmarc.shop.example",
        "v=DMARC1; p=reject",
        "v=spf1 ip4:192.0.2.0/24 -all",
        str(explain.diagnosis(made.dkim[0])),
        *(explain.anomaly(item) for item in made.anomalies),
        *(str(explain.comparison(item)) for item in made.recorded),
        "Not signed: Reply-To and 120 octets of the body.",
        "slow.example A: server failure",
        authentication_results(made),
        "X-Originating-IP",
        made.source.sha256,
    ):
        assert expected in text


def test_the_picture_shows_the_border_and_the_encryption_of_each_hop() -> None:
    text = Page(to_html(full())).text
    order = [
        "Not encrypted [10.0.0.7]",
        "Border all above this line is the other side's word",
        "Encrypted out.shop.example [192.0.2.25]",
        "Encrypted mx.receiver.example [198.51.100.1]",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    alone = Page(to_html(verdict(hops=full().hops[:2]))).text
    assert "Border the message came in here" in alone
    assert "The way it came" not in Page(to_html(verdict(hops=()))).text


def test_an_author_that_cannot_be_told_has_every_reading_listed() -> None:
    text = Page(to_html(verdict(ConclusionReason.AUTHOR_AMBIGUOUS))).text
    assert "What mail programs may show as the author" in text
    assert "a@attack.example" in text


def test_the_page_can_be_read_without_seeing_it() -> None:
    page = Page(to_html(full()))
    assert page.tags[0] == ("html", {"lang": "en"})
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert len([1 for tag, _ in page.tags if tag == "svg"]) == len(full().hops)
    assert [tag for tag, _ in page.tags].count("title") == 1 + len(full().hops)  # an icon has its title too
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(identifiers)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' autofocus onfocus=alert(1) x='",
    "<!--",
    "]]>&lt;b&gt;&#x1b;",
    "\x1b[31m\u202e\u200b\x00",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("made", [full(), verdict(ConclusionReason.AUTHOR_AMBIGUOUS)], ids=["full", "ambiguous"])
def test_nothing_hostile_becomes_markup_or_stays_invisible(made: Verdict, hostile: str) -> None:
    source = to_html(replace(fill(made, hostile), authserv_id=made.authserv_id))
    page = Page(source)
    assert _is_ours(page)
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert all(terminal(word.replace("\n", " ")) == word.replace("\n", " ") for word in page.words)


@given(st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_any_text_anywhere_leaves_the_page_ours(hostile: str) -> None:
    made = full()
    page = Page(to_html(replace(fill(made, hostile), authserv_id=made.authserv_id)))
    assert _is_ours(page)
    assert all(terminal(word.replace("\n", " ")) == word.replace("\n", " ") for word in page.words)
