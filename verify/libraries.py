"""dkimpy and pyspf, without the DNS client and the mail parser that they import.

That costs more than the rest of the start-up and is never asked: every answer comes through ``ask``.  While the two are
imported, empty modules stand in its place, so that a library which asked all the same would fail.  Nothing of that
stays in ``sys.modules``: these copies are ours alone, and who else imports the libraries gets them whole.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_APART = ("dkim", "spf", "dns", "email", "nacl", "authres")


def _stand_ins() -> dict[str, ModuleType]:
    """What pyspf and dkimpy look for in dnspython and in ``email`` when they are imported."""
    names = ("dns", "dns.resolver", "dns.exception", "dns.rdatatype", "email", "email.message")
    modules = {name: ModuleType(name, "Stands in for another.") for name in names}
    for name in names:
        package, _, part = name.partition(".")
        if part:
            setattr(modules[package], part, modules[name])
        else:
            modules[name].__path__ = []
    vars(modules["dns.rdatatype"])["SPF"] = 99  # else pyspf adds it (RFC 7208 3.1: the type is no longer used)
    vars(modules["email.message"])["Message"] = object
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
        sys.modules.update(others)


dkimpy, pyspf = _import("dkim", "spf")
