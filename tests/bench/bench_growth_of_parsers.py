"""Each parser over hostile text of many shapes: twice the input takes at most twice the CPU, with some slack.

    python tests/bench/bench_growth_of_parsers.py [NAME...]

The limits are out of reach, so that they hide nothing.  Prints ratios and ends with status 1 when one is over its
limit.  ``NAME``: only the shapes whose names begin so.  The values that come out are tested beside the other values of
each parser, from where the shapes come.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import (
    test_attached,
    test_author,
    test_dates,
    test_diagnose,
    test_mbox,
    test_origin,
    test_received,
    test_recording,
    test_results,
    test_single,
    test_taglist,
)
from tests.bench.growth import FREE, Build, Shape, report
from verify.checks.canonical import relax
from verify.grammar.dates import parse_date
from verify.grammar.results import claimed_authserv_id, parse_received_spf, parse_results
from verify.grammar.taglist import parse_tag_list
from verify.lookup.recording import read_recording
from verify.mailboxes.attached import attached
from verify.mailboxes.single import read_single
from verify.model import Envelope, Settings, replace
from verify.reading.author import read_author
from verify.reading.message import parse_message
from verify.reading.origin import read_origin
from verify.reading.received import parse_received


def over(make: Callable[[int], Any], read: Callable[[Any], object]) -> Build:
    """Of what is made, only the reading counts."""

    def build(size: int) -> Callable[[], object]:
        made = make(size)
        return lambda: read(made)

    return build


def results(value: bytes) -> None:
    parse_results(value, FREE)
    parse_received_spf(value, FREE)
    claimed_authserv_id(value, FREE)


def shapes(folder: Path) -> Iterator[Shape]:
    for name, text in test_author.SHAPES.items():
        made = over(
            lambda n, text=text: parse_message(f"From: {text(n)}\r\n\r\n".encode(), None, FREE),
            lambda message: read_author(message, FREE),
        )
        yield Shape(f"From, {name}", 10_000, made)
    for piece in test_attached.SHAPES:
        made = over(
            lambda n, piece=piece: parse_message(test_attached.many(piece, n), None, FREE),
            lambda message: list(attached(message, FREE)),
        )
        yield Shape(f"attached, {piece!r}", 10_000, made)
    for piece in test_diagnose.PIECES:
        made = over(lambda n, piece=piece: test_diagnose.changed(piece, n), test_diagnose.judged)
        yield Shape(f"diagnosis, {piece!r}", 100_000, made)
    for name in test_mbox.SHAPES:
        made = over(lambda n, name=name: test_mbox.hostile(name, n), lambda octets: test_mbox.readings(folder, octets))
        yield Shape(f"mailbox, {name}", 10_000, made)
    for name in test_single.TAILS:
        yield Shape(f"one message, {name}", 10_000, over(lambda n, name=name: written(folder, name, n), single))
    for name, given in (("configured", test_origin.OURS), ("auto", Settings(profiles=test_origin.ALL))):
        settings = replace(given, limits=FREE)
        made = over(origin_of, lambda message, settings=settings: read_origin(message, Envelope(), settings))
        yield Shape(f"origin, {name}", 1_000, made)
    for piece in test_received.PIECES:
        for name, before in (("Received", "from a (b [203.0.113.5]) "), ("Received, open", "from a (b [203.0.113.5] ")):
            made = over(
                lambda n, before=before, piece=piece: (before + piece * n).encode(),
                lambda value: parse_received(value, 0, 0),
            )
            yield Shape(f"{name}, {piece!r}", 10_000, made)
    for piece in test_results.PIECES:
        made = over(lambda n, piece=piece: test_results.long_results(piece, n), results)
        yield Shape(f"recorded results, {piece!r}", 10_000, made)
    for piece in test_taglist.PIECES:
        made = over(lambda n, piece=piece: b"v=" + piece * n, lambda text: parse_tag_list(text, 1 << 30))
        yield Shape(f"tag list, {piece!r}", 20_000, made)
    for name, text in test_dates.SHAPES.items():
        yield Shape(f"date, {name}", 50_000, over(text, parse_date))
    yield Shape("relaxed, blanks", 100_000, over(lambda n: b"x" + b" " * n + b"x\r\n", relax))
    yield Shape("relaxed, tabs and blanks", 100_000, over(lambda n: b"x" + b"\t " * n + b"\r\n", relax))
    yield Shape("recording, lines", 5_000, over(test_recording.lines_of_many, read_recording))


def written(folder: Path, name: str, size: int) -> str:
    file = folder / "one.eml"
    file.write_bytes(test_single.lone(name, size))
    return str(file)


def single(path: str) -> None:
    read_single(path, FREE)


def origin_of(size: int) -> Any:
    fields = test_origin.received("a ([10.0.0.1])", "mx.r.example") * size
    return parse_message((fields + test_origin.SENDER).encode(), None, FREE)


def main(names: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        wanted = (shape for shape in shapes(Path(folder)) if not names or shape.name.startswith(names))
        return 1 if report(wanted) else 0


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
