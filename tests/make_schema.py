"""Writes ``verify/verdict.schema.json`` anew from the types: ``python -m tests.make_schema``."""

from __future__ import annotations

import json
from pathlib import Path

from verify import render
from verify.render.data import schema

STORED_SCHEMA = Path(render.__file__).parent.parent / "verdict.schema.json"

if __name__ == "__main__":
    STORED_SCHEMA.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
