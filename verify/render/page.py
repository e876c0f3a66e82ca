"""The verdict as one self-contained page: no script, nothing remote, and a policy that forbids both.

Everything that is put into the page goes through ``terminal`` first, so that nothing in it is invisible or turns the
direction of writing, and is escaped after that.  The templates hold the layout; the words come from ``explain``.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from verify import explain
from verify.explain.words import CONCLUSIONS, PROOFS, RECORDED_STANDINGS, STANDINGS, WRITERS, duration
from verify.grammar.visible import terminal
from verify.model import Verdict
from verify.render import parts
from verify.render.header import authentication_results

_TONES = {
    "authenticated": "good",
    "pass": "good",
    "trusted": "good",
    "signed": "good",
    "failed": "bad",
    "fail": "bad",
    "permerror": "bad",
    "forged": "bad",
    "not signed": "bad",
    "unprotected": "warn",
    "undetermined": "warn",
    "softfail": "warn",
    "temperror": "warn",
    "policy": "warn",
    "inferred": "warn",
}


def to_html(verdict: Verdict) -> str:
    """The page as text; to be written as UTF-8."""
    return template("verdict.html").render(
        verdict=verdict,
        conclusion_word=CONCLUSIONS[verdict.conclusion],
        authentication_results=authentication_results(verdict),
    )


def template(name: str) -> Template:
    """A template of ours, with the style and the words that every page shares."""
    return _environment().get_template(name)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("verify.render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheet, sheet_hash = _style(made, "style.css")
    made.globals.update(
        explain=explain,
        parts=parts,
        duration=duration,
        tone=_tone,
        standings=STANDINGS,
        recorded_standings=RECORDED_STANDINGS,
        proofs=PROOFS,
        writers=WRITERS,
        tls_words={
            "?": "encryption not said",
            "yes": "encrypted",
            "local": "on the machine itself",
            "clear": "not encrypted",
        },
        style=sheet,
        style_hash=sheet_hash,
    )
    return made


def style(*names: str) -> tuple[Markup, str]:
    """Our style sheets one after the other, and the hash by which a page's policy admits them."""
    return _style(_environment(), *names)


def _style(environment: Environment, *names: str) -> tuple[Markup, str]:
    text = "".join(environment.get_template(name).render() for name in names).replace("\r\n", "\n")
    # our own files, without anything put into them
    return Markup(text), b64encode(sha256(text.encode()).digest()).decode()  # noqa: S704


def _visible(value: Any) -> Any:
    """What a template puts into the page; what a macro made has been through here already."""
    return terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _tone(word: str) -> str:
    """The end of a class name, ours whatever the word is."""
    return _TONES.get(word, "muted")
