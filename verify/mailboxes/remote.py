"""Files behind an address (``https://...``, ``s3://...``), through fsspec from the extra ``dask``."""

from __future__ import annotations

from collections.abc import Iterator

from verify.mailboxes import archives, folders
from verify.mailboxes.items import Form, Octets, Refusal, refusal, visible
from verify.mailboxes.kinds import Kind
from verify.model import Limits


def read(url: str, limits: Limits) -> Iterator[Octets | Refusal]:
    """The messages of a remote file, or of every file below a remote folder.

    A file is read from its start to its end once, and as the member of an archive is: under the same limits.
    """
    shown = visible(url)
    try:
        import fsspec.core
    except ImportError:
        yield refusal(
            shown, None, "is the address of a remote file, which needs an extra: pip install 'mailverdict[dask]'"
        )
        return
    try:
        system, root = fsspec.core.url_to_fs(url)
        names = sorted(system.find(root)) if system.isdir(root) else [root]
    except Exception as error:  # noqa: BLE001 (each of its file systems has errors of its own)
        yield refusal(shown, None, f"cannot be read: {type(error).__name__}")
        return
    for name in names:
        named = names == [root]
        path = shown if named else visible(system.unstrip_protocol(name))
        note = not named and folders.is_note_path(name)
        try:
            with system.open(name, "rb") as file:
                for item in archives.read(file, Kind.OTHER, path, limits, system.size(name) or 0, note=note):
                    yield _named(item) if named else item
        except Exception as error:  # noqa: BLE001
            yield refusal(path, None, f"cannot be read: {type(error).__name__}")


def _named(item: Octets | Refusal) -> Octets | Refusal:
    """The user named the file itself, so it is meant as a message."""
    if isinstance(item, Octets) and item.form is Form.FOUND and item.source.member is None:
        return Octets(item.raw, item.source, Form.MESSAGE)
    return item
