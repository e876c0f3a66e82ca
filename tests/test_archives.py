"""Archives: every message inside is found wherever it lies, everything hostile is listed, and nothing is written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mailboxes_maker import SOURCES, mails, mbox, tarred, without_length, write, zipped
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Candidate, Refusal
from verify.mailboxes.sources import open_sources
from verify.model import Fidelity, FidelityNote, Limits
from verify.reading.message import parse_message

MESSAGE = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
OTHER = b"From: b@example.com\r\n\r\nother\r\n"
Pack: TypeAlias = Callable[[list[tuple[str, bytes]]], bytes]
Squeeze: TypeAlias = Callable[[bytes], bytes]
SMALL = Limits(archive_ratio_from=1024 * 1024)


def read(path: Path, limits: Limits | None = None) -> tuple[list[Candidate], list[Refusal]]:
    """The preferred reading of every message, and what was refused."""
    messages, refusals = [], []
    for item in open_sources([str(path)], limits or Limits()):
        outcome = item if isinstance(item, Refusal) else candidates(item, limits or Limits())
        if isinstance(outcome, Refusal):
            assert outcome.problem.isprintable()
            assert (outcome.path + (outcome.member or "")).isprintable()
            refusals.append(outcome)
        else:
            messages.append(outcome[0])
    return messages, refusals


def read_octets(tmp_path: Path, octets: bytes, limits: Limits | None = None) -> tuple[list[Candidate], list[Refusal]]:
    """The same for an archive; nothing but it may lie in its folder or the one above when it has been read."""
    folder = tmp_path / "in"
    file = write(folder / "x", octets)
    before = sorted(tmp_path.rglob("*"))
    found = read(file, limits)
    assert sorted(tmp_path.rglob("*")) == before
    assert file.read_bytes() == octets
    return found


def problems(refusals: list[Refusal]) -> dict[str | None, str]:
    return {refusal.member: refusal.problem for refusal in refusals}


# The same messages from everywhere


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_source_gives_the_same_messages_in_their_order(tmp_path: Path, name: str) -> None:
    made = mails(40)
    items = list(open_sources([str(SOURCES[name](tmp_path / "source", made))], Limits()))
    assert len(items) == len(made)
    for item, expected in zip(items, made, strict=True):
        assert not isinstance(item, Refusal), item
        readings = candidates(item, Limits())
        assert not isinstance(readings, Refusal), readings
        assert len(readings) == 1 or b">From " in expected or b"\r\nFrom " in expected
        found = []
        for candidate in readings:
            message = parse_message(candidate.raw, candidate.source)
            octets = b"".join(field.raw for field in message.fields) + b"\r\n" + message.body
            found.append(without_length(octets) if "mboxcl" in name else octets)
        assert expected in found


def test_messages_of_an_archive_are_named_by_their_place_in_it(tmp_path: Path) -> None:
    inner = zipped([("deep/a.eml", MESSAGE), ("box", mbox([MESSAGE, OTHER]))])
    found, _ = read_octets(tmp_path, zipped([("in.zip", inner), ("b.eml", OTHER)]))
    assert [(c.source.member, c.source.index) for c in found] == [
        ("in.zip/deep/a.eml", None),
        ("in.zip/box", 0),
        ("in.zip/box", 1),
        ("b.eml", None),
    ]
    assert {c.source.path for c in found} == {str(tmp_path / "in" / "x")}


def test_what_programs_put_beside_the_mail_is_passed_over_and_other_files_are_listed(tmp_path: Path) -> None:
    members = [
        ("__MACOSX/._a.eml", b"\0\5\x16\7"),
        ("M.mbox/Info.plist", b"<plist/>"),
        ("M.mbox/Attachments/1/2/photo.jpg", b"\xff\xd8"),
        ("empty/", b""),
        ("Takeout/archive_browser.html", b"<html>"),
        ("a.eml", MESSAGE),
    ]
    found, refusals = read_octets(tmp_path, zipped(members))
    assert [c.raw for c in found] == [MESSAGE]
    assert [(r.member, r.foreign) for r in refusals] == [("Takeout/archive_browser.html", True)]


@pytest.mark.parametrize("name", ["desktop.ini", "__MACOSX/._a.eml", "courier.eml", "M.mbox/Attachments/1/2/b.eml"])
def test_mail_in_an_archive_is_judged_whatever_the_name_of_its_member(tmp_path: Path, name: str) -> None:
    for octets in (zipped([(name, MESSAGE)]), tarred([(name, MESSAGE)])):
        found, refusals = read_octets(tmp_path, octets)
        assert [c.raw for c in found] == [MESSAGE]
        assert refusals == []


def test_a_large_file_that_is_no_mail_is_not_read_to_its_end(tmp_path: Path) -> None:
    limits = Limits(message_octets=2_000_000)
    film = b"\0\0\0\x20ftypisom" + random.Random(4).randbytes(3_000_000)
    for octets in (zipped([("film", film), ("a.eml", MESSAGE)]), tarred([("film", film), ("a.eml", MESSAGE)])):
        found, (refusal,) = read_octets(tmp_path, octets, limits)
        assert [c.raw for c in found] == [MESSAGE]
        assert (refusal.problem, refusal.foreign) == ("is no mail: it has none of the header fields of a message", True)
    _, (refusal,) = read_octets(tmp_path, zipped([("big.eml", MESSAGE + film)]), limits)
    assert (refusal.problem, refusal.foreign) == ("is larger than 2000000 octets (limits.message-octets)", False)


def test_a_folder_of_a_zip_that_holds_octets_is_a_member(tmp_path: Path) -> None:
    octets = bytearray(zipped([("a/", b""), ("b/", MESSAGE)]))
    struct.pack_into("<L", octets, octets.rindex(b"PK\x01\x02") + 38, 0)  # without the mark of a folder
    found, refusals = read_octets(tmp_path, bytes(octets))
    assert [c.raw for c in found] == [MESSAGE]
    assert refusals == []


def test_several_streams_one_after_the_other_are_one(tmp_path: Path) -> None:
    mailbox = mbox([MESSAGE, OTHER])
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        found, refusals = read_octets(tmp_path, pack(mailbox[:20]) + pack(mailbox[20:]) + b"\r\n")
        assert (len(found), refusals) == (2, [])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("padding", [4, 8, 512, 70_000])
def test_padding_between_streams_hides_nothing(tmp_path: Path, pack: Squeeze, padding: int) -> None:
    mailbox = mbox([MESSAGE, OTHER])
    packed = pack(mailbox[:20]) + b"\0" * padding + pack(mailbox[20:]) + b"\0" * padding
    found, refusals = read_octets(tmp_path, packed)
    assert (len(found), refusals) == (2, [])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("content", [MESSAGE, mbox([MESSAGE]), tarred([("a.eml", MESSAGE)]), zipped([("a", MESSAGE)])])
def test_what_follows_a_compressed_stream_is_listed(tmp_path: Path, pack: Squeeze, content: bytes) -> None:
    found, refusals = read_octets(tmp_path, pack(content) + b"\0" * 8 + OTHER)
    assert len(found) == 1
    assert problems(refusals) == {None: "octets after its end are not read"}
    found, refusals = read_octets(tmp_path, zipped([("in", pack(content) + OTHER)]))
    assert (len(found), problems(refusals)) == (1, {"in": "octets after its end are not read"})


def test_what_follows_the_end_of_a_tar_is_listed(tmp_path: Path) -> None:
    one, two = tarred([("a.eml", MESSAGE)]), tarred([("b.eml", OTHER)])
    for octets in (one + two, gzip.compress(one + two), one + b"\0" * 200_000 + OTHER):
        found, refusals = read_octets(tmp_path, octets)
        assert [c.raw for c in found] == [MESSAGE]
        assert problems(refusals) == {None: "octets after its end are not read"}
    assert read_octets(tmp_path, one + b"\0" * 200_000)[1] == []


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_eight_bit_names_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    name = "ä/" + "/".join(["d" * 40] * (3 if form == tarfile.USTAR_FORMAT else 9)) + "/a.eml"
    found, refusals = read_octets(tmp_path, tarred([(name, MESSAGE), ("b.eml", OTHER)], form))
    assert [c.source.member for c in found] == [name, "b.eml"]
    assert refusals == []


# Names


HOSTILE_NAMES = [
    "../evil.eml",
    "a/../../evil.eml",
    "a/..",
    "/etc/evil.eml",
    "\\\\server\\evil.eml",
    "..\\evil.eml",
    "C:\\evil.eml",
    "c:evil.eml",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_is_listed_and_the_rest_is_read(tmp_path: Path, name: str, pack: Pack) -> None:
    octets = pack([(name, MESSAGE), ("b.eml", OTHER)])
    found, (refusal,) = read_octets(tmp_path, octets)
    assert [c.raw for c in found] == [OTHER]
    assert refusal.problem == "has a name that leads out of the archive"
    assert refusal.member == name.replace("\\", "\\\\")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_terminal_escapes_and_markup_in_names_are_shown_as_text(tmp_path: Path, pack: Pack) -> None:
    name = "\x1b]0;x\x07\x1b[2J\r\n<script>alert(1)</script>\x9b.eml"
    found, refusals = read_octets(tmp_path, pack([(name, MESSAGE), (name + "x", b"?")]))
    shown = "\\x1b]0;x\\x07\\x1b[2J\\x0d\\x0a<script>alert(1)</script>\\xc2\\x9b.eml"
    assert [c.source.member for c in found] == [shown]
    assert problems(refusals) == {shown + "x": "is no mail: it has none of the header fields of a message"}


def test_a_member_without_a_name_is_read(tmp_path: Path) -> None:
    octets = bytearray(zipped([("a", MESSAGE)]))
    end = octets.rindex(b"PK\x01\x02")
    for at in (26, end + 28):  # the lengths of the name: the octet becomes an extra field that says nothing
        struct.pack_into("<HH", octets, at, 0, 1)
    found, refusals = read_octets(tmp_path, bytes(octets))
    assert [(c.raw, c.source.member) for c in found] == [(MESSAGE, "")]
    assert refusals == []


def test_a_huge_name_is_cut_where_it_is_listed(tmp_path: Path) -> None:
    octets = zipped([("x" * 60_000, MESSAGE), ("b.eml", OTHER)])
    found, (refusal,) = read_octets(tmp_path, octets)
    assert [c.raw for c in found] == [OTHER]
    assert refusal.problem == "has a name of more than 1024 octets"
    assert len(refusal.member or "") < 1100
    found, (refusal,) = read_octets(tmp_path, tarred([("x/" * 30_000, MESSAGE), ("b.eml", OTHER)]))
    assert [c.raw for c in found] == [OTHER]
    assert refusal.problem == "has a name of more than 1024 octets"


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_both_read(tmp_path: Path, pack: Pack) -> None:
    members = [("a.eml", MESSAGE), ("a.eml", OTHER)]
    found, refusals = read_octets(tmp_path, pack(members))
    assert [c.raw for c in found] == [MESSAGE, OTHER]
    assert refusals == []


# Links and devices


def test_links_and_devices_in_a_tar_are_listed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "chr": tarfile.CHRTYPE, "blk": tarfile.BLKTYPE}
        for name, kind in {**kinds, "fifo": tarfile.FIFOTYPE, "sparse": tarfile.GNUTYPE_SPARSE}.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("b.eml")
        info.size = len(OTHER)
        archive.addfile(info, io.BytesIO(OTHER))
    found, refusals = read_octets(tmp_path, stream.getvalue())
    assert [c.raw for c in found] == [OTHER]
    device = "is no file but a device or the like"
    assert problems(refusals) == {
        "sym": "is a link, which is not followed",
        "hard": "is a link, which is not followed",
        "chr": device,
        "blk": device,
        "fifo": device,
        "sparse": "is of a kind that is not read here",
    }


def test_links_and_devices_in_a_zip_are_listed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, mode in (("sym", stat.S_IFLNK), ("chr", stat.S_IFCHR), ("file", stat.S_IFREG)):
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, "/etc/passwd" if name != "file" else OTHER)
    found, refusals = read_octets(tmp_path, stream.getvalue())
    assert [c.raw for c in found] == [OTHER]
    assert list(problems(refusals).values()) == [
        "is a link, which is not followed",
        "is no file but a device or the like",
    ]


# Bombs


def bomb(size: int = 20_000_000) -> bytes:
    return zipped([("bomb", bytes(size))])


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    found, (refusal,) = read_octets(tmp_path, zipped([("bomb", bytes(20_000_000)), ("b.eml", OTHER)]), SMALL)
    assert [c.raw for c in found] == [OTHER]
    assert (refusal.member, refusal.problem) == (
        "bomb",
        "unpacks to more than 200 times its size (limits.archive-ratio)",
    )


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_bomb_is_left_when_it_has_grown_too_much(tmp_path: Path, pack: Squeeze) -> None:
    tar = tarred([("a.eml", MESSAGE), ("bomb", MESSAGE + bytes(20_000_000)), ("b.eml", OTHER)])
    found, refusals = read_octets(tmp_path, pack(tar), SMALL)
    assert [c.raw for c in found] == [MESSAGE]
    assert [r.problem for r in refusals] == [
        "unpacks to more than 200 times its size (limits.archive-ratio): the rest of it is not read"
    ]


def test_a_nested_bomb_counts_in_the_whole(tmp_path: Path) -> None:
    inner = bomb()
    for _ in range(3):
        inner = zipped([(f"{n}.zip", inner) for n in range(16)])
    found, refusals = read_octets(tmp_path, inner, SMALL)
    assert found == []
    assert refusals
    assert all("limits.archive-ratio" in r.problem for r in refusals)


def test_archives_too_deep_inside_one_another_are_listed(tmp_path: Path) -> None:
    octets = zipped([("a.eml", MESSAGE)])
    for _ in range(10):
        octets = zipped([("x.zip", octets)])
    found, (refusal,) = read_octets(tmp_path, octets)
    assert found == []
    assert refusal.problem == "is a zip archive more than 6 deep (limits.archive-depth)"
    squeezed = MESSAGE
    for _ in range(10):
        squeezed = gzip.compress(squeezed)
    found, (refusal,) = read_octets(tmp_path, squeezed)
    assert found == []
    assert refusal.problem == "is a gzip file more than 6 deep (limits.archive-depth)"


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(archive_members=2), "holds more than 2 members (limits.archive-members): the rest of it is not read"),
        (Limits(archive_member_octets=30), "is larger than 30 octets unpacked (limits.archive-member-octets)"),
        (Limits(archive_total_octets=30), "unpacks to more than 30 octets (limits.archive-total-octets)"),
        (Limits(archive_index_octets=120), "has a directory of more than 120 octets (limits.archive-index-octets)"),
        (Limits(archive_name_octets=4), "has a name of more than 4 octets"),
        (Limits(message_octets=35), "is larger than 35 octets (limits.message-octets)"),
    ],
)
def test_each_limit_on_a_zip_is_one_line(tmp_path: Path, limits: Limits, problem: str) -> None:
    octets = zipped([("a.eml", MESSAGE), ("b.eml", MESSAGE), ("c.eml", MESSAGE)])
    _, refusals = read_octets(tmp_path, octets, limits)
    assert problem in [r.problem for r in refusals]
    assert read_octets(tmp_path, octets)[1] == []


def test_a_member_that_says_it_is_small_gives_no_more_than_it_says(tmp_path: Path) -> None:
    octets = bytearray(bomb())
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", octets, octets.index(magic) + offset, 10)
    found, (refusal,) = read_octets(tmp_path, bytes(octets), SMALL)
    assert found == []
    assert refusal.member == "bomb"


def test_an_xz_stream_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 * 1024 * 1024}]
    octets = lzma.compress(tarred([("a.eml", MESSAGE)]), lzma.FORMAT_XZ, filters=filters)
    _, (refusal,) = read_octets(tmp_path, octets, Limits(xz_memory=16 * 1024 * 1024))
    assert refusal.problem == "asks for more memory than limits.xz-memory"
    assert len(read_octets(tmp_path, octets)[0]) == 1


def test_extended_headers_of_a_tar_are_bounded(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 10**11
    _, (refusal,) = read_octets(tmp_path, gzip.compress(header.tobuf() + bytes(10_000_000)))
    assert refusal.problem == "has an extended header of more than 1048576 octets"


def test_memory_does_not_grow_with_the_members(tmp_path: Path) -> None:
    filler = random.Random(1).randbytes(500_000)
    mail = MESSAGE + filler + b"\r\n"
    for octets in (
        gzip.compress(tarred([(f"{n}.eml", mail) for n in range(60)]), 1),
        zipped([("box", mbox([mail] * 60))], zipfile.ZIP_STORED),
    ):
        file = write(tmp_path / "x", octets)
        tracemalloc.start()
        try:
            count = 0
            for item in open_sources([str(file)], Limits()):
                assert not isinstance(item, Refusal)
                count += 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == 60
        assert peak < 6_000_000


# Damage


def test_an_encrypted_member_is_listed(tmp_path: Path) -> None:
    octets = bytearray(zipped([("secret.eml", MESSAGE), ("b.eml", OTHER)]))
    octets[octets.index(b"PK\x03\x04") + 6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    found, refusals = read_octets(tmp_path, bytes(octets))
    assert [c.raw for c in found] == [OTHER]
    assert problems(refusals) == {"secret.eml": "is encrypted"}


def test_a_compression_that_is_not_read_is_listed(tmp_path: Path) -> None:
    found, refusals = read_octets(tmp_path, zipped([("a.eml", MESSAGE)], zipfile.ZIP_LZMA))
    assert found == []
    assert problems(refusals) == {"a.eml": "is compressed in a way that is not read here"}


def test_a_member_with_a_wrong_checksum_is_listed_and_not_judged(tmp_path: Path) -> None:
    octets = zipped([("a.eml", MESSAGE), ("box", mbox([MESSAGE] * 3)), ("b.eml", OTHER)], zipfile.ZIP_STORED)
    octets = octets.replace(b"body", b"bodY", 2)
    found, refusals = read_octets(tmp_path, octets)
    assert [c.raw for c in found] == [OTHER]
    assert problems(refusals) == {"a.eml": "is damaged", "box": "is damaged"}


def test_a_zip_that_is_cut_off_is_one_line(tmp_path: Path) -> None:
    octets = zipped([("a.eml", MESSAGE)])
    found, (refusal,) = read_octets(tmp_path, octets[:-30])
    assert found == []
    assert refusal.problem == "is a damaged zip archive: its directory cannot be read"


def test_a_tar_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    octets = tarred([("a.eml", MESSAGE), ("b.eml", OTHER)])
    found, refusals = read_octets(tmp_path, octets[: 512 * 3 + 5])
    assert [c.raw for c in found] == [MESSAGE]
    assert problems(refusals) == {"b.eml": "is cut off", None: "is cut off"}
    found, (refusal,) = read_octets(tmp_path, octets[: 512 * 2])
    assert [c.raw for c in found] == [MESSAGE]
    assert refusal.problem == "is a tar archive that is cut off"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_mailbox_cut_off_gives_what_came_and_says_which_message_is_not_whole(tmp_path: Path, pack: Squeeze) -> None:
    chance = random.Random(2)
    made = [MESSAGE + chance.randbytes(30_000).hex().encode() + b"\r\n" for _ in range(30)]
    packed = pack(mbox(made, line_end=b"\r\n"))
    found, (refusal,) = read_octets(tmp_path, packed[: len(packed) - 40])
    assert [c.raw for c in found[:-1]] == made[: len(found) - 1]
    assert [c.source.fidelity for c in found[:-1]] == [Fidelity.ORIGINAL] * (len(found) - 1)
    assert found[-1].source.fidelity is Fidelity.PARTIAL
    assert FidelityNote.TRUNCATED in found[-1].source.fidelity_notes
    assert refusal.problem == "is cut off"


def test_a_message_cut_off_in_its_header_is_not_judged(tmp_path: Path) -> None:
    octets = tarred([("box", mbox([MESSAGE, OTHER]))])
    found, refusals = read_octets(tmp_path, octets[: 512 + octets[512:].index(b"\n\nother")])
    assert [c.raw for c in found] == [MESSAGE.replace(b"\r\n", b"\n")]
    assert [r.problem for r in refusals] == ["message 1: is cut off in its header", "is cut off", "is cut off"]


def test_an_archive_damaged_in_its_middle_ends_with_one_line(tmp_path: Path) -> None:
    chance = random.Random(3)
    tar = tarred([(f"{n}.eml", MESSAGE + chance.randbytes(50_000)) for n in range(20)])
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        octets = bytearray(pack(tar))
        octets[len(octets) // 2] ^= 0xFF
        found, refusals = read_octets(tmp_path, bytes(octets))
        assert len(found) <= 20
        assert refusals
    octets = bytearray(tar)
    octets[512 * 110 + 148] ^= 0xFF
    octets[(len(MESSAGE) + 50_000 + 511) // 512 * 512 + 512 + 150] ^= 0xFF
    found, refusals = read_octets(tmp_path, bytes(octets))
    assert [r.problem for r in refusals] == ["is a damaged tar archive"]


def test_a_gzip_with_a_wrong_checksum_is_listed(tmp_path: Path) -> None:
    octets = bytearray(gzip.compress(MESSAGE))
    octets[-6] ^= 0xFF
    found, (refusal,) = read_octets(tmp_path, bytes(octets))
    assert found == []
    assert refusal.problem == "is damaged"


# Any octets at all

SEEDS = [
    zipped([("a.eml", MESSAGE), ("in.zip", zipped([("box", mbox([MESSAGE, OTHER]))]))]),
    tarred([("a.eml", MESSAGE), ("x" * 200, OTHER)]),
    tarred([("a.eml", MESSAGE), ("x" * 200, OTHER)], tarfile.GNU_FORMAT),
    gzip.compress(tarred([("a.eml", MESSAGE)])),
    bz2.compress(mbox([MESSAGE, OTHER])),
    lzma.compress(mbox([MESSAGE, OTHER])),
]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=4)), max_size=6))
def test_archives_with_octets_changed_anywhere_are_read_or_listed(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, changes: list[tuple[float, bytes]]
) -> None:
    octets = bytearray(seed)
    for place, change in changes:
        at = int(place * len(octets))
        octets[at : at + len(change)] = change
    read(write(tmp_path_factory.mktemp("archive") / "x", bytes(octets)), SMALL)


@given(
    st.sampled_from([b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"!BDN", b""]), st.binary(max_size=400)
)
def test_any_octets_behind_a_magic_number_are_read_or_listed(
    tmp_path_factory: pytest.TempPathFactory, magic: bytes, rest: bytes
) -> None:
    messages, refusals = read(write(tmp_path_factory.mktemp("archive") / "x", magic + rest), SMALL)
    assert len(messages) + len(refusals) >= (magic != b"PK\5\6")


def test_a_zip_behind_other_octets_is_no_archive_by_its_first_octets(tmp_path: Path) -> None:
    """What a file is, its first octets decide: an archive hung onto a message stays part of the message."""
    found, refusals = read_octets(tmp_path, MESSAGE + zipped([("a.eml", OTHER)]))
    assert len(found) == 1
    assert refusals == []


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    file = write(tmp_path / "x", zipped([("box", mbox([MESSAGE] * 3)), ("in.zip", zipped([("a.eml", MESSAGE)]))]))
    for item in open_sources([str(file)], Limits()):
        assert not isinstance(item, Refusal)
        assert list(temporary.iterdir()) == []
