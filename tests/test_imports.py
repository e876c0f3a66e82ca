"""Who may import what: read from the source, so that a wrong edge is seen before anything runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "verify"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Part of the program -> what of ours it may import.  A part is a module of verify/ or a folder; its own is its own.
COMMON = {"model", "grammar"}
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "grammar": {"model"},
    "mailboxes": COMMON | {"reading.message"},
    "reading": COMMON,
    "lookup": COMMON,
    "checks": COMMON | {"libraries"},
    "libraries": set(),
    "render": COMMON | {"explain", "rollup"},
    "explain": COMMON | {"rollup"},
    "disposition": COMMON,
    "rollup": COMMON,
    "store": COMMON | {"rollup"},
    "profiles": COMMON,
    "suffixes": COMMON,
    "conclusion": COMMON,
    "config": COMMON | {"profiles", "suffixes"},
    "serving": COMMON | {"config", "disposition"},
    "evaluate": COMMON | {"reading", "checks", "conclusion", "verdict"},
    "verdict": COMMON | {"reading", "checks", "conclusion"},
    "fronts": COMMON
    | {"config", "disposition", "evaluate", "explain", "lookup", "mailboxes", "reading", "render", "rollup"}
    | {"profiles", "serving", "store", "version"},
}
# Front ends know each other only so far; cli imports a command when it is used.
EVERY_FRONT = {"session", "console", "options", "output", "sinks"}
_MILTER = {"milter_message", "milter_report", "milter_server", "milter_service", "milter_sockets", "milter_wire"}
FRONTS = {
    "filter": {"pipe"},
    "cli": {"windows"},
    "sinks": {"journal", "outfile", "finished"},
    "finished": {"outfile"},
    "outfile": {"journal"},
    **dict.fromkeys({"milter", *_MILTER}, _MILTER),
    "batch": {"batch_run", "outfile", "progress"},
    "batch_run": {"batch", "processes", "progress", "repeated", "run", "worker"},
    "worker": {"many"},
}

# Library -> the modules that wrap it.  No one else knows it.
WRAPPED_BY = {
    "dkim": {"checks"},
    "spf": {"checks"},
    "dns": {"lookup", "grammar.names"},
    "authres": {"render.header"},
    "cryptography": {"checks"},
    "nacl": set(),
    "click": {"fronts"},
    "rich": {"render", "fronts"},
    "jinja2": {"render"},
    "publicsuffixlist": {"suffixes"},
    "email": set(),  # its parser is not ours
}
# Without clock, file, environment, socket and chance.
PURE = {
    "model",
    "grammar",
    "reading",
    "checks",
    "conclusion",
    "disposition",
    "evaluate",
    "verdict",
    "explain",
    "render",
    "rollup",
}
IMPURE = {
    *("asyncio", "os", "pathlib", "random", "secrets", "shutil", "socket", "subprocess", "sys"),
    *("tempfile", "threading", "time", "multiprocessing", "signal", "select", "fileinput", "uuid"),
}
CLOCK_CALLS = {"now", "utcnow", "today"}


def name_of(path: Path) -> str:
    """Dotted name below verify; "" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Absolute names imported, and whether that happens when the module itself is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    here = ["verify", *filter(None, name_of(path).split("."))]
    package = here if path.name == "__init__.py" else here[:-1]
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            late |= {id(n) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield (full if is_module(full) else source), id(node) not in late


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return name.startswith("verify.") and (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())


def inside(name: str, parts: set[str]) -> bool:
    return any(name == part or name.startswith(part + ".") for part in parts)


def each_import(*, ours: bool) -> Iterator[tuple[str, str, bool]]:
    """Importing module, imported module (ours without ``verify.``), and whether at once."""
    for path in MODULES:
        for imported, at_once in imports_of(path):
            if (imported.split(".")[0] == "verify") == ours:
                yield name_of(path), imported.removeprefix("verify").removeprefix(".") if ours else imported, at_once


def test_the_reader_of_imports_sees_them() -> None:
    edges = set(each_import(ours=True))
    assert ("config", "grammar.names", True) in edges
    assert ("reading.message", "model", True) in edges
    assert any(imported == "msgspec" for _, imported, _ in each_import(ours=False))


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path)], ids=name_of)
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    name = name_of(path)
    if name == "__main__":
        assert {imported for imported, _ in imports_of(path)} == {"__future__", "gc", "verify.fronts.cli"}
        return
    part = name.split(".")[0]
    assert part in MAY_IMPORT, f"{part} is a new part of the program: say here what it may import"
    for imported, _ in imports_of(path):
        if imported.split(".")[0] == "verify" and imported != "verify":
            target = imported.removeprefix("verify.")
            assert inside(target, MAY_IMPORT[part] | {part}), f"{name} imports {imported}"


def test_front_ends_know_each_other_only_so_far() -> None:
    for importer, imported, at_once in each_import(ours=True):
        if inside(importer, {"fronts"}) and inside(imported, {"fronts"}) and imported != "fronts":
            front, target = importer.partition(".")[2], imported.split(".")[1]
            allowed = target in EVERY_FRONT or target in FRONTS.get(front, set())
            assert allowed or (front == "cli" and not at_once), f"{importer} imports {imported}"


@pytest.mark.parametrize("library", sorted(WRAPPED_BY))
def test_a_library_is_known_only_to_what_wraps_it(library: str) -> None:
    for importer, imported, _ in each_import(ours=False):
        if imported.split(".")[0] == library and importer:
            assert inside(importer, WRAPPED_BY[library]), f"{importer} imports {imported}"


def test_what_decides_has_no_clock_file_environment_socket_or_chance() -> None:
    for importer, imported, _ in each_import(ours=False):
        if inside(importer, PURE):
            assert imported.split(".")[0] not in IMPURE, f"{importer} imports {imported}"


@pytest.mark.parametrize("path", [path for path in MODULES if inside(name_of(path), PURE)], ids=name_of)
def test_what_decides_never_asks_what_time_it_is_or_opens_a_file(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                assert node.func.attr not in CLOCK_CALLS, f"line {node.lineno}"
            elif isinstance(node.func, ast.Name):
                assert node.func.id not in {"open", "input", "exec", "eval", "__import__"}, f"line {node.lineno}"


def test_our_modules_never_hide_the_libraries_of_the_same_name() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    assert (alias.name, alias.asname) not in {("dkim", None), ("spf", None)}, (
                        f"{path}: as dkimpy, pyspf"
                    )
