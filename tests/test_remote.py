"""Files behind an address: read once, from start to end, with the same outcome as plain files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mailboxes_maker import mails, mbox, zipped
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Octets, Refusal
from verify.mailboxes.single import NO_FIELD
from verify.mailboxes.sources import open_sources
from verify.model import Limits

MESSAGE = b"From: a@example.com\r\n\r\nbody\r\n"


@pytest.fixture
def memory() -> Iterator[Any]:
    """A file system of the library itself, without a network."""
    fsspec = pytest.importorskip("fsspec", reason="the extra dask is not installed")
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


def read(url: str) -> tuple[list[tuple[str | None, str | None, int | None, bytes]], list[Refusal]]:
    messages, refusals = [], []
    for item in open_sources([url], Limits()):
        if isinstance(item, Refusal):
            refusals.append(item)
            continue
        assert isinstance(item, Octets)
        found = candidates(item, Limits())
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            source = found[0].source
            messages.append((source.path, source.member, source.index, found[0].raw))
    return messages, refusals


def test_a_message_a_mailbox_and_an_archive_behind_an_address(memory: Any) -> None:
    memory.pipe(
        {"/a.eml": MESSAGE, "/b.mbox": mbox([MESSAGE] * 3, line_end=b"\r\n"), "/c.zip": zipped([("x.eml", MESSAGE)])}
    )
    assert read("memory://a.eml") == ([("memory://a.eml", None, None, MESSAGE)], [])
    assert read("memory://b.mbox") == ([("memory://b.mbox", None, n, MESSAGE) for n in range(3)], [])
    assert read("memory://c.zip") == ([("memory://c.zip", "x.eml", None, MESSAGE)], [])


def test_every_file_below_a_remote_folder_in_the_order_of_their_names(memory: Any) -> None:
    made = mails(12)
    memory.pipe({f"/mail/{n:02d}.eml": message for n, message in enumerate(made)})
    memory.pipe({"/mail/Info.plist": b"<plist/>", "/mail/z.jpg": b"\xff\xd8"})
    messages, refusals = read("memory://mail")
    assert [message[3] for message in messages] == made
    assert messages[0][0] == "memory:///mail/00.eml"
    assert [(refusal.path, refusal.foreign) for refusal in refusals] == [("memory:///mail/z.jpg", True)]


def test_a_named_file_that_is_no_mail_is_an_error(memory: Any) -> None:
    memory.pipe("/z.jpg", b"\xff\xd8")
    messages, (refusal,) = read("memory://z.jpg")
    assert messages == []
    assert (refusal.problem, refusal.foreign) == (NO_FIELD, False)


def test_what_is_not_there_is_one_line(memory: Any) -> None:
    messages, (refusal,) = read("memory://absent.eml")
    assert messages == []
    assert refusal.problem == "cannot be read: FileNotFoundError"
    _, (refusal,) = read("nonsense://x")
    assert refusal.problem == "cannot be read: ValueError"
