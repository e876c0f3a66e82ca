"""Fuzz targets: each module opens with the invariant that it tries to break, and has ``check`` and ``PIECES``.

``check(octets)`` raises on a broken invariant; ``PIECES``: fragments that inputs are put together from.
"""

TARGETS = (
    "header",
    "author",
    "received",
    "results_reader",
    "results_writer",
    "tag_list",
    "key_record",
    "dmarc_record",
    "recording",
    "stored_verdict",
)
