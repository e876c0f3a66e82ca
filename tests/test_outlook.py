"""Outlook files: only what the format kept of the message is judged, and nothing is made up."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.mailboxes_maker import write, zipped
from verify.mailboxes import outlook
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Candidate, Form, Octets, Refusal
from verify.mailboxes.single import NoMessage, read_single
from verify.mailboxes.sources import open_sources
from verify.model import Fidelity, FidelityNote, Limits, Source

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEADER = "Received: from x\r\n\tby y\r\nFrom: a@example.com\r\nSubject: x\r\n"
MICROSOFT = "Microsoft Mail Internet Headers Version 2.0\r\n"
BARE = (FidelityNote.NO_ORIGINAL_BYTES, FidelityNote.NO_TRANSPORT_HEADERS)


def outlook_file(header: str | None) -> bytes:
    """A ``.msg`` of a message with a subject, a body, a display sender, and that transport header."""
    pytest.importorskip("extract_msg", reason="the extra outlook is not installed")
    from extract_msg.ole_writer import OleWriter

    writer = OleWriter()
    properties = struct.pack("<8xLLLL8x", 0, 0, 0, 0)
    texts = {0x001A: "IPM.Note", 0x0037: "x", 0x1000: "the body", 0x0C1A: "Boss", 0x0C1F: "boss@bank.example"}
    if header is not None:
        texts[0x007D] = header
    for tag, text in texts.items():
        octets = text.encode("utf-16-le")
        writer.addEntry(f"__substg1.0_{tag:04X}001F", octets)
        properties += struct.pack("<LLLL", tag << 16 | 0x1F, 6, len(octets) + 2, 0)
    writer.addEntry("__nameid_version1.0", storage=True)
    for name in ("00020102", "00030102", "00040102"):
        writer.addEntry(f"__nameid_version1.0/__substg1.0_{name}", b"")
    writer.addEntry("__properties_version1.0", properties)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def judged(path: Path) -> list[Candidate]:
    found = []
    for item in open_sources([str(path)], Limits()):
        assert not isinstance(item, Refusal), item
        outcome = candidates(item, Limits())
        assert not isinstance(outcome, Refusal), outcome
        found += outcome
    return found


@pytest.mark.parametrize(
    "header", [HEADER, MICROSOFT + HEADER, HEADER + "\r\n", HEADER.replace("\r\n", "\n"), HEADER + "\0"]
)
def test_the_transport_header_is_all_that_is_taken(tmp_path: Path, header: str) -> None:
    (candidate,) = judged(write(tmp_path / "a.msg", outlook_file(header)))
    assert candidate.raw == HEADER.encode() + b"\r\n"
    assert candidate.source.fidelity is Fidelity.SYNTHETIC
    assert candidate.source.fidelity_notes == (FidelityNote.NO_ORIGINAL_BYTES,)


@pytest.mark.parametrize("header", [None, "", "\r\n", MICROSOFT])
def test_without_a_transport_header_no_author_is_made_up(tmp_path: Path, header: str | None) -> None:
    (candidate,) = judged(write(tmp_path / "a.msg", outlook_file(header)))
    assert candidate.raw == b"\r\n"
    assert candidate.source.fidelity_notes == BARE


def test_check_reads_it_too_and_an_archive_may_hold_it(tmp_path: Path) -> None:
    octets = outlook_file(HEADER)
    raw, source = read_single(str(write(tmp_path / "a.msg", octets)), Limits())
    assert raw == HEADER.encode() + b"\r\n"
    assert (source.fidelity, source.size) == (Fidelity.SYNTHETIC, len(octets))
    (candidate,) = judged(write(tmp_path / "b.zip", zipped([("in/a.msg", octets)])))
    assert (candidate.raw, candidate.source.member) == (raw, "in/a.msg")


@pytest.mark.parametrize("rest", [b"", b"/../etc/passwd", b"x" * 3000])
def test_a_damaged_file_is_one_line(tmp_path: Path, rest: bytes) -> None:
    pytest.importorskip("extract_msg", reason="the extra outlook is not installed")
    with pytest.raises(NoMessage, match="is a damaged Outlook file"):
        read_single(str(write(tmp_path / "a.msg", OLE + rest)), Limits())


def test_without_the_extra_the_install_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "extract_msg", None)
    monkeypatch.setitem(sys.modules, "pypff", None)
    with pytest.raises(NoMessage, match=r"a\.msg: is an Outlook file, which needs an extra.*'mailverdict\[outlook\]'"):
        read_single(str(write(tmp_path / "a.msg", OLE + bytes(2000))), Limits())
    (item,) = open_sources([str(tmp_path / "a.msg")], Limits())
    assert not isinstance(item, Refusal)
    refusal = candidates(item, Limits())
    assert isinstance(refusal, Refusal)
    assert "pip install 'mailverdict[outlook]'" in refusal.problem
    (store,) = open_sources([str(write(tmp_path / "a.pst", b"!BDN" + bytes(2000)))], Limits())
    assert isinstance(store, Refusal)
    assert (
        store.problem == "is an Outlook data file, which needs an extra to be read: pip install 'mailverdict[outlook]'"
    )
    assert not store.foreign


def test_a_damaged_store_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pypff", reason="the extra outlook is not installed")
    (store,) = open_sources([str(write(tmp_path / "a.pst", b"!BDN" + b"x" * 4000))], Limits())
    assert isinstance(store, Refusal)
    assert store.problem == "is a damaged Outlook data file"


# A store as the library shows it; a real one cannot be made by a script.


class FakeItem:
    def __init__(self, kind: str | None, **attributes: object) -> None:
        entry = SimpleNamespace(entry_type=0x1A, value_type=0x1F, get_data_as_string=lambda: kind)
        self.record_sets = [] if kind is None else [SimpleNamespace(entries=[entry])]
        self.__dict__.update(attributes)


class FakeFolder:
    def __init__(self, name: str | None, items: list[Any] = [], folders: list[Any] = []) -> None:  # noqa: B006
        self.name, self._items, self._folders = name, items, folders
        self.number_of_sub_messages, self.number_of_sub_folders = len(items), len(folders)

    def get_sub_message(self, index: int) -> Any:
        if isinstance(self._items[index], OSError):
            raise self._items[index]
        return self._items[index]

    def get_sub_folder(self, index: int) -> Any:
        return self._folders[index]


def read_store(monkeypatch: pytest.MonkeyPatch, root: FakeFolder | None, limits: Limits | None = None) -> list[Any]:
    library = ModuleType("pypff")
    library.file = lambda: SimpleNamespace(  # type: ignore[attr-defined]
        open_file_object=lambda stream: None, get_root_folder=lambda: root, close=lambda: None
    )
    monkeypatch.setitem(sys.modules, "pypff", library)
    return list(outlook.read_store(io.BytesIO(), "a.pst", None, limits or Limits()))


def test_a_store_gives_its_mail_folder_by_folder_and_names_what_is_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = [
        FakeItem("IPM.Note", transport_headers=HEADER),
        FakeItem("IPM.Contact"),
        OSError("damaged"),
        FakeItem("IPM.Note", transport_headers=None),  # a draft
        FakeItem(None),
    ]
    found = read_store(monkeypatch, FakeFolder(None, [], [FakeFolder("Top", [], [FakeFolder("In\x1bbox", inbox)])]))
    place = "Top/In\\x1bbox"
    assert found == [
        Octets(HEADER.encode(), Source(path="a.pst", member=place, index=0), Form.HEADER_ONLY),
        Refusal("a.pst", place, "item 1 is no mail (IPM.Contact)", foreign=True),
        Refusal("a.pst", place, "item 2 is damaged"),
        Octets(b"", Source(path="a.pst", member=place, index=3), Form.NO_HEADER),
        Octets(b"", Source(path="a.pst", member=place, index=4), Form.NO_HEADER),
    ]
    outcomes = [candidates(item, Limits()) for item in found if isinstance(item, Octets)]
    assert isinstance(outcomes[0], tuple)
    assert isinstance(outcomes[1], tuple)
    assert outcomes[0][0].raw == HEADER.encode() + b"\r\n"
    assert (outcomes[1][0].raw, outcomes[1][0].source.fidelity_notes) == (b"\r\n", BARE)


def test_a_store_without_folders_or_with_too_many_inside_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_store(monkeypatch, None) == []
    folder = FakeFolder("end", [FakeItem("IPM.Note")])
    for _ in range(5):
        folder = FakeFolder("f", [], [folder])
    (refusal,) = read_store(monkeypatch, folder, Limits(folder_depth=3))
    assert refusal.problem == "has folders more than 3 deep (limits.folder-depth)"
