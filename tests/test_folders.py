"""Folders and plain files: every message is found once, in a fixed order; what is no message is listed."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Candidate, Form, Item, Octets, Refusal, Span
from verify.mailboxes.single import NO_FIELD
from verify.mailboxes.sources import open_sources, total
from verify.model import Fidelity, FidelityNote, Limits

MESSAGE = b"From: a@example.com\r\nSubject: %d\r\n\r\nbody\r\n"
PLIST = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"/>\n'


def items(*paths: Path | str, limits: Limits | None = None, stdin: bytes = b"") -> list[Item]:
    return list(open_sources(map(str, paths), limits or Limits(), stdin=io.BytesIO(stdin)))


def judged(item: Item) -> Candidate:
    """The only candidate of an item."""
    assert isinstance(item, Span | Octets), item
    found = candidates(item, Limits())
    assert not isinstance(found, Refusal), found
    assert len(found) == 1
    return found[0]


def refused(*paths: Path | str, limits: Limits | None = None) -> list[Refusal]:
    """All refusals, of opening or of reading."""
    found: list[Refusal] = []
    for item in items(*paths, limits=limits):
        outcome = item if isinstance(item, Refusal) else candidates(item, limits or Limits())
        if isinstance(outcome, Refusal):
            found.append(outcome)
    return found


def write(path: Path, octets: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def test_a_message_file_is_one_span_of_all_its_octets(tmp_path: Path) -> None:
    file = write(tmp_path / "a.eml", MESSAGE % 1)
    assert items(file) == [Span(str(file), 0, len(MESSAGE % 1), Form.MESSAGE)]
    candidate = judged(items(file)[0])
    assert candidate.raw == MESSAGE % 1
    assert (candidate.source.path, candidate.source.index, candidate.source.size) == (str(file), None, len(MESSAGE % 1))


def test_a_tree_is_read_in_the_order_of_its_names_with_numbers_by_value(tmp_path: Path) -> None:
    for name in ("10", "9", "b.eml", "a/2.eml", "a/11.eml", "B.eml"):
        write(tmp_path / name, MESSAGE % 1)
    found = [str(Path(i.path).relative_to(tmp_path)) for i in items(tmp_path) if isinstance(i, Span)]
    assert found == ["9", "10", "B.eml", "b.eml", str(Path("a/2.eml")), str(Path("a/11.eml"))]


def test_a_maildir_gives_cur_and_new_of_every_folder_and_nothing_else(tmp_path: Path) -> None:
    names = ["cur/1:2,S", "new/2", ".Sent/cur/3:2,", ".Sent/new/4"]
    for number, name in enumerate(names):
        write(tmp_path / name, MESSAGE % number)
    write(tmp_path / "tmp" / "half", b"From: half@written")
    for note in ("dovecot.index.log", "dovecot-uidlist", "maildirfolder", "subscriptions", "courierimapuiddb"):
        write(tmp_path / note, b"\1\2")
    found = items(tmp_path)
    assert {judged(i).raw for i in found} == {MESSAGE % n for n in range(4)}
    assert len(found) == 4
    assert all(isinstance(i, Span) and i.form is Form.MESSAGE for i in found)
    assert total([str(tmp_path)])[1] == 4


@pytest.mark.parametrize(
    "name",
    [
        *("courier-complaints/a.eml", "dovecot-talk", "Courier delivery failed.eml", "Subscriptions/1", "dovecot/b"),
        *("desktop.ini", "subscriptions", "._a.eml", ".keep", "dovecot.index.cache", "x.msf", "__MACOSX/a.eml"),
        *("Old.mbox/Attachments/1/2/a.eml", "cur/subscriptions"),
    ],
)
def test_mail_is_judged_whatever_the_name_of_its_file_or_folder(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, MESSAGE % 1)
    assert judged(*items(tmp_path)).raw == MESSAGE % 1
    file.write_bytes(b"From a@b Thu Jan  1 00:00:00 1970\n" + MESSAGE % 2)
    assert judged(*items(tmp_path)).raw == MESSAGE % 2


def test_only_known_notes_are_passed_over(tmp_path: Path) -> None:
    cache = b"\1\0\x08\0From: a@example.com\nSubject: kept by an index\n"
    for name in ("dovecot.index.cache", "._photo.jpg", ".DS_Store", "courierimapacl", "Thumbs.db"):
        write(tmp_path / name, cache)
    write(tmp_path / "thumbs.db", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 2000)
    assert items(tmp_path) == []
    assert total([str(tmp_path)]) == (0, 0)
    for name in ("courier-notes", "dovecot-plan", "Subscriptions", ".mailfilter2"):
        write(tmp_path / name, b"# a list\n")
    assert [(Path(r.path).name, r.foreign) for r in refused(tmp_path)] == [
        (".mailfilter2", True),
        ("Subscriptions", True),
        ("courier-notes", True),
        ("dovecot-plan", True),
    ]


def test_an_mh_folder_gives_its_numbers_and_not_its_notes(tmp_path: Path) -> None:
    for number in range(1, 12):
        write(tmp_path / "inbox" / str(number), MESSAGE % number)
    write(tmp_path / "inbox" / ".mh_sequences", b"unseen: 1\n")
    assert [judged(i).raw for i in items(tmp_path)] == [MESSAGE % n for n in range(1, 12)]
    assert total([str(tmp_path)]) == (sum(len(MESSAGE % n) for n in range(1, 12)), 11)


def test_an_apple_mail_package_gives_its_mailbox_file_or_its_messages(tmp_path: Path) -> None:
    old = tmp_path / "Old.mbox"
    write(old / "mbox", b"From a@b Thu Jan  1 00:00:00 1970\r\n" + MESSAGE % 1 + b"\r\n")
    write(old / "table_of_contents", b"\0\1")
    new = tmp_path / "New.mbox"
    write(new / "Info.plist", PLIST)
    whole = MESSAGE % 2
    write(new / "Messages" / "2.emlx", b"%-10d\n%s%s" % (len(whole), whole, PLIST))
    write(new / "Messages" / "3.partial.emlx", b"%-10d\n%s%s" % (len(whole), whole, PLIST))
    write(new / "Attachments" / "3" / "2" / "photo.jpg", b"\xff\xd8\xff\xe0")
    first, second, third = (judged(i) for i in items(new, old))
    assert (first.raw, first.source.fidelity) == (whole, Fidelity.ORIGINAL)
    assert first.source.fidelity_notes == (FidelityNote.EMLX_TRAILER_REMOVED,)
    assert (second.raw, second.source.fidelity) == (whole, Fidelity.PARTIAL)
    assert FidelityNote.ATTACHMENTS_LEFT_OUT in second.source.fidelity_notes
    assert third.raw == MESSAGE % 1
    assert third.source.index == 0


def test_a_list_of_paths_comes_from_standard_input_by_lines_or_by_nuls(tmp_path: Path) -> None:
    one = write(tmp_path / "a b.eml", MESSAGE % 1)
    two = write(tmp_path / "c\nd.eml", MESSAGE % 2)
    three = write(tmp_path / "e.eml", MESSAGE % 3)
    lines = f"{one}\r\n\n{three}".encode()
    assert [judged(i).raw for i in items("-", stdin=lines)] == [MESSAGE % 1, MESSAGE % 3]
    nuls = b"\0".join(os.fsencode(path) for path in (one, two, three)) + b"\0"
    assert [judged(i).raw for i in items("-", stdin=nuls)] == [MESSAGE % 1, MESSAGE % 2, MESSAGE % 3]


def test_a_name_that_is_no_utf_8_and_one_with_controls_are_read_and_shown_escaped(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\x1b[2J<b>.eml"
    Path(os.fsdecode(name)).write_bytes(MESSAGE % 1)
    candidate = judged(items(tmp_path)[0])
    assert candidate.raw == MESSAGE % 1
    assert candidate.source.path == str(tmp_path) + "/\\xff\\x1b[2J<b>.eml"


def test_links_and_devices_in_a_tree_are_listed_and_not_opened(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.eml", MESSAGE % 1)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link.eml").symlink_to(outside)
    (tree / "loop").symlink_to(tree)
    os.mkfifo(tree / "pipe")
    problems = {Path(r.path).name: r.problem for r in refused(tree)}
    assert problems == {
        "link.eml": "is a link, which is not followed",
        "loop": "is a link, which is not followed",
        "pipe": "is no file but a device or the like",
    }


def test_a_link_that_the_user_names_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "a.eml", MESSAGE % 1)
    (tmp_path / "b.eml").symlink_to(tmp_path / "a.eml")
    assert judged(items(tmp_path / "b.eml")[0]).raw == MESSAGE % 1


def test_a_file_of_another_kind_is_listed_and_no_error_in_a_tree_but_one_when_named(tmp_path: Path) -> None:
    photo = write(tmp_path / "photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF")
    (met,) = refused(tmp_path)
    (named,) = refused(photo)
    assert met.foreign
    assert not named.foreign
    assert met.problem == "is no mail: it has none of the header fields of a message"
    assert named.problem == NO_FIELD


@pytest.mark.parametrize(
    "octets", [b"Note: buy milk\n\nand bread\n", b"\x89PNG\r\n\x1a\nx:\0\0", b"<p>a</p>\nb: c\n\n"]
)
def test_what_only_has_a_colon_is_no_mail_in_a_tree(tmp_path: Path, octets: bytes) -> None:
    (met,) = refused(write(tmp_path / "x", octets).parent)
    assert met.foreign
    assert judged(items(tmp_path / "x")[0]).raw == octets
    write(tmp_path / "x", b"X-Own: 1\nReceived: by y\n\n")
    assert refused(tmp_path) == []


def test_what_is_not_there_or_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "empty.eml", b"")
    (absent,) = refused(tmp_path / "absent")
    (nul,) = refused("a\0b")
    (empty,) = refused(tmp_path / "empty.eml")
    assert (absent.path, absent.problem) == (str(tmp_path / "absent"), "no such file")
    assert (nul.path, nul.problem) == ("a\\x00b", "is not the name of a file")
    assert empty.problem == "is empty"


def test_a_message_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.eml"
    with file.open("wb") as stream:
        stream.truncate(3 * 1024**3)
    (refusal,) = refused(file)
    assert refusal.problem == "is larger than 157286400 octets (limits.message-octets)"


def test_a_large_file_of_a_folder_is_an_error_only_when_it_begins_as_a_message(tmp_path: Path) -> None:
    for name, start in (("film.mp4", b"\0\0\0\x20ftypisom"), ("huge.eml", MESSAGE % 1)):
        with (tmp_path / name).open("wb") as stream:
            stream.write(start)
            stream.truncate(200 * 1024 * 1024)
    film, mail = refused(tmp_path)
    assert (film.problem, film.foreign) == ("is no mail: it has none of the header fields of a message", True)
    assert (mail.problem, mail.foreign) == ("is larger than 157286400 octets (limits.message-octets)", False)


def test_a_file_that_shrinks_or_goes_after_it_was_found_is_listed(tmp_path: Path) -> None:
    file = write(tmp_path / "a.eml", MESSAGE % 1)
    (span,) = items(file)
    assert isinstance(span, Span)
    file.write_bytes(b"From: x")
    shorter = candidates(span, Limits())
    file.unlink()
    gone = candidates(span, Limits())
    assert isinstance(shorter, Refusal)
    assert isinstance(gone, Refusal)
    assert shorter.problem == "has become shorter since it was found"
    assert gone.problem == "cannot be read: No such file or directory"


def test_folders_too_deep_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "c" / "x.eml", MESSAGE % 1)
    (refusal,) = refused(tmp_path, limits=Limits(folder_depth=2))
    assert refusal.path == str(tmp_path / "a" / "b" / "c")
    assert refusal.problem == "is more than 2 folders deep (limits.folder-depth)"
    assert refused(tmp_path, limits=Limits(folder_depth=3)) == []


@pytest.mark.parametrize("url", ["https://files.example/x.mbox", "s3://bucket/x"])
def test_an_address_without_the_extra_names_the_install_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    (refusal,) = refused(url)
    assert refusal.path == url
    assert "pip install 'mailverdict[dask]'" in refusal.problem
