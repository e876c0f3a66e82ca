"""dkimpy and pyspf, without the DNS client, the mail parser and the logging that they import.

That costs more than the rest of the start-up and is never asked: every answer comes through ``ask``.  While the two are
imported, empty modules stand in its place, so that a library which asked all the same would fail; and of their many
patterns each is compiled when it is first used.  Nothing of that stays in ``sys.modules``: these copies are ours alone,
and who else imports the libraries gets them whole.
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType
from typing import Any

_APART = ("dkim", "spf", "dns", "email", "logging", "nacl", "authres")


class _Pattern:
    """A regular expression that is compiled when something is asked of it."""

    def __init__(self, pattern: Any, flags: int = 0) -> None:
        self._arguments = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._arguments), name)
        setattr(self, name, value)
        return value


def _stand_ins() -> dict[str, ModuleType]:
    """What pyspf and dkimpy look for in dnspython, ``email`` and ``logging`` when they are imported; ``re``."""
    names = ("dns", "dns.resolver", "dns.exception", "dns.rdatatype", "email", "email.message", "logging")
    modules = {name: ModuleType(name, "Stands in for another.") for name in names}
    for name in names:
        package, _, part = name.partition(".")
        if part:
            setattr(modules[package], part, modules[name])
        else:
            modules[name].__path__ = []
    vars(modules["dns.rdatatype"])["SPF"] = 99  # else pyspf adds it (RFC 7208 3.1: the type is no longer used)
    vars(modules["email.message"])["Message"] = object
    vars(modules["logging"])["NullHandler"] = object
    modules["re"] = ModuleType("re")
    vars(modules["re"]).update(vars(re), compile=_Pattern)
    return modules


def _apart() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in _APART]


def _import(*names: str) -> tuple[Any, ...]:
    others = {name: sys.modules.pop(name) for name in _apart()}
    sys.modules.update(_stand_ins())
    absent: dict[str, Any] = {"nacl": None, "authres": None}  # dkimpy does without them
    sys.modules.update(absent)
    try:
        return tuple(importlib.import_module(name) for name in names)
    finally:
        for name in _apart():
            del sys.modules[name]
        sys.modules.update(others, re=re)


dkimpy, pyspf = _import("dkim", "spf")
