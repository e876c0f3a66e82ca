"""Provider profiles: ``profiles.toml`` -> ``Profile``.

The packaged file and a user's own have the same form: a table for each provider, its keys the fields of ``Profile``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from verify.grammar import names
from verify.model import Network, Profile

_WORDS = {
    "results_slot": ("above-border", "below-border", "either", "after-author"),
    "return_path_slot": ("top", "below-border"),
}


class ProfileError(ValueError):
    """A file of profiles that cannot be used; the text names the table and the key."""


def load_profiles(text: str) -> tuple[Profile, ...]:
    """The profiles of a TOML text, in its order; ``ProfileError`` for anything that is none."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"not TOML: {error}") from None
    return tuple(_profile(name, table) for name, table in tables.items())


@cache
def builtin_profiles() -> tuple[Profile, ...]:
    """The profiles that come with the program."""
    return load_profiles(Path(__file__).with_name("profiles.toml").read_text("utf-8"))


def _profile(name: str, table: Any) -> Profile:
    if not isinstance(table, dict):
        raise ProfileError(f"{name}: expected a table for each provider")
    if not name or name in ("auto", "none") or name != name.lower():
        raise ProfileError(f"{name!r} cannot be a profile's name")
    values: dict[str, Any] = {"name": name}
    for key, value in table.items():
        if key not in _DEFAULTS or key == "name":
            raise ProfileError(f"{name}.{key}: unknown key")
        values[key] = _networks(name, value) if key == "networks" else _value(f"{name}.{key}", key, value)
    return Profile(**values)


_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Profile)}


def _value(where: str, key: str, value: Any) -> str | bool | tuple[str, ...]:
    """A value of the kind that the field's default has: a truth value, a list of texts, or a text."""
    default = _DEFAULTS[key]
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ProfileError(f"{where}: expected true or false")
        return value
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
            raise ProfileError(f"{where}: expected a list of texts")
        return tuple(value)
    if not isinstance(value, str):
        raise ProfileError(f"{where}: expected a text")
    if key in _WORDS and value not in _WORDS[key]:
        raise ProfileError(f"{where}: expected one of {', '.join(_WORDS[key])}")
    return value


def _networks(name: str, texts: Any) -> tuple[Network, ...]:
    if not isinstance(texts, (list, tuple)):
        raise ProfileError(f"{name}.networks: expected a list")
    found: list[Network] = []
    for text in texts:
        network = names.network(text) if isinstance(text, str) else None
        if network is None:
            raise ProfileError(f"{name}.networks: {text!r} is no network")
        found.append(network)
    return tuple(found)
