"""The verdict as JSON: keys, schema, and the way back from a stored document."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.make_schema import STORED_SCHEMA
from tests.verdicts import full, verdict
from verify import explain
from verify.grammar.visible import terminal
from verify.model import AnomalyCode, Conclusion, ConclusionReason, Mailbox, Verdict, replace
from verify.render.data import StoredVerdictError, from_json, schema, to_document, to_json
from verify.render.header import to_header
from verify.render.page import to_html
from verify.render.text import to_text

VERDICTS = [*(verdict(reason) for reason in ConclusionReason), full()]
IDS = [*(reason.value for reason in ConclusionReason), "full"]

# The outside form: it changes only by adding, and what is added stands behind.
CONTRACT = {
    "": "schema source authserv_id judged_at judged_at_source conclusion conclusion_reason summary next_step author origin"
    " hops originating_ip spf dkim arc iprev dmarc recorded coverage anomalies dns authentication_results headers_removed"
    " elapsed_ms",
    "source": "path member index sha256 judged_sha256 size fidelity fidelity_notes",
    "author": "domain addresses readings ambiguous",
    "author.addresses": "address domain",
    "author.readings": "address domain how",
    "origin": "client_ip helo mail_from source border profile why confidence",
    "hops": "index from_helo from_name from_ip by with tls auth_user id for date delay_seconds standing raw",
    "hops.tls": "version cipher",
    "originating_ip": "field value ip written_by standing",
    "spf": "identity domain result reason mechanism record lookups void_lookups",
    "dkim": "domain selector auid algorithm key_bits testing result reason signed_fields unsigned_octets signed_at expires_at"
    " aligned diagnosis",
    "arc": "result reason oldest_pass trusted_through sets",
    "arc.sets": "instance sealer seal message_signature cv results",
    "iprev": "result names confirmed",
    "dmarc": "result reason author_domain organizational_domain policy_domain record policy applied_policy disposition"
    " override test_mode aligned walk",
    "dmarc.aligned": "identifier method mode aligned",
    "dmarc.walk": "name outcome record",
    "recorded": "field index authserv_id standing results comparison explanation",
    "recorded.results": "method result properties",
    "coverage": "fields unsigned_fields unsigned_octets",
    "coverage.fields": "name index signed_by",
    "anomalies": "code detail",
    "dns": "questions live recorded errors",
    "dns.errors": "name type outcome cause",
}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())


def _at(document: Any, path: str) -> Any:
    for step in path.split(".") if path else ():
        document = document[0] if isinstance(document, list) else document
        document = document[step]
    return document[0] if isinstance(document, list) else document


@pytest.mark.parametrize("path", CONTRACT)
def test_every_key_of_the_contract_stands_in_its_order(path: str) -> None:
    wanted = CONTRACT[path].split()
    keys = list(_at(json.loads(to_json(full())), path))
    assert keys[: len(wanted)] == wanted


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_every_document_is_one_line_and_validates(made: Verdict, validator: jsonschema.Draft202012Validator) -> None:
    octets = to_json(made)
    assert b"\n" not in octets
    document = json.loads(octets)
    validator.validate(document)
    assert document["schema"] == "mailverdict/1"


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_a_stored_verdict_comes_back_as_it_was(made: Verdict) -> None:
    assert from_json(to_json(made)) == made


def test_the_texts_are_those_of_explain() -> None:
    made = full()
    document = to_document(made)
    assert document.summary == explain.summary(made)
    assert document.next_step == explain.next_step(made)
    assert document.origin.why == explain.origin_why(made.origin, made.hops)
    assert document.dkim[0].diagnosis == explain.diagnosis(made.dkim[0]) is not None
    assert document.dkim[1].diagnosis is None
    assert [one.explanation for one in document.recorded] == [explain.comparison(one) for one in made.recorded]
    assert document.authentication_results.startswith("mx.receiver.example; ")


def test_times_are_utc_and_end_in_z() -> None:
    times = re.findall(rb'"20\d\d-[^"]*"', to_json(full()))
    assert len(times) > 4
    assert all(re.fullmatch(rb'"2026-03-04T05:\d\d:\d\dZ"', time) for time in times)


def test_the_schema_that_is_shipped_is_the_one_that_the_types_make() -> None:
    assert json.loads(STORED_SCHEMA.read_text("utf-8")) == schema(), "run python -m tests.make_schema"


def test_the_schema_closes_every_list_of_words_and_requires_every_key() -> None:
    made = schema()["$defs"]
    assert set(made["AnomalyCode"]["enum"]) == set(AnomalyCode)
    assert set(made["ConclusionReason"]["enum"]) == set(ConclusionReason)
    assert set(made["Document"]["required"]) >= set(CONTRACT[""].split())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("conclusion",), "surely"),
        (("anomalies", 0, "code"), "strange"),
        (("judged_at",), "2026-03-04T05:06:07+01:00"),
        (("dkim", 0, "key_bits"), "2048"),
        (("spf", 0, "result"), "Pass"),
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(
    path: tuple[str | int, ...], value: Any, validator: jsonschema.Draft202012Validator
) -> None:
    document = json.loads(to_json(full()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not validator.is_valid(document)
    with pytest.raises(StoredVerdictError):
        from_json(json.dumps(document).encode())


# --- broken and hostile documents ------------------------------------------------------------------


@pytest.mark.parametrize("reason", ConclusionReason)
def test_a_conclusion_cannot_be_edited_away_from_its_reason(reason: ConclusionReason) -> None:
    made = verdict(reason)
    for conclusion in set(Conclusion) - {made.conclusion}:
        with pytest.raises(StoredVerdictError, match="cannot have the reason"):
            from_json(to_json(replace(made, conclusion=conclusion)))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"schema":"mailverdict/2"}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"schema":"\\ud800"}',
        b'{"elapsed_ms":' + b"9" * 100_000 + b"}",
        b"{" + b'"a":1,' * 10,
    ],
)
def test_what_is_no_verdict_is_refused_in_one_plain_line(octets: bytes) -> None:
    with pytest.raises(StoredVerdictError) as caught:
        from_json(octets)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_a_refusal_repeats_no_control_character_of_the_file() -> None:
    octets = to_json(verdict()).replace(b'"authenticated"', b'"\\u001b[31m\\u202eevil"')
    with pytest.raises(StoredVerdictError) as caught:
        from_json(octets)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_a_time_that_no_calendar_holds_is_refused_or_kept_but_never_shifted() -> None:
    for text in (b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-12:00", b"2026-03-04T05:06:07"):
        with pytest.raises(StoredVerdictError):
            from_json(to_json(verdict()).replace(b"2026-03-04T05:06:07Z", text))


def test_keys_of_a_later_version_are_passed_over() -> None:
    document = json.loads(to_json(verdict()))
    document["later"] = {"x": [1, 2]}
    document["dmarc"]["later"] = True
    assert from_json(json.dumps(document).encode()) == verdict()


def test_a_missing_key_is_named() -> None:
    document = json.loads(to_json(verdict()))
    del document["dmarc"]
    with pytest.raises(StoredVerdictError, match="dmarc"):
        from_json(json.dumps(document).encode())


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_refused_without_another_error(octets: bytes) -> None:
    with pytest.raises(StoredVerdictError):
        from_json(octets)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
@settings(max_examples=100)
def test_any_text_survives_the_way_there_and_back(text: str) -> None:
    made = full()
    made = replace(
        made,
        author=replace(made.author, addresses=(Mailbox(text, None),)),
        hops=tuple(replace(hop, raw=text, by=text) for hop in made.hops),
        source=replace(made.source, path=text, member=text),
    )
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize("hostile", ["", "x\r\nInjected: y", "\x1b[2J", "a" * 5000, "ü"])
def test_a_stored_verdict_from_which_no_results_field_can_be_written_is_refused(hostile: str) -> None:
    document = json.loads(to_json(verdict()))
    document["authserv_id"] = hostile
    with pytest.raises(StoredVerdictError, match="authserv-id"):
        from_json(json.dumps(document).encode())


def _leaves(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document at which something can be put instead."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_leaves(value[key]))]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(
        ["x\r\ny", "\x1b[2J", "\u202e", "a; dkim=pass", '"', "0001-01-01T00:00:00Z", "<b>", [], {}, 10**4000, -(10**30)]
    ),
)
FULL = to_json(full())


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_an_edited_verdict_is_refused_or_shown_by_every_renderer(data: st.DataObject) -> None:
    document = json.loads(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(_leaves(document)))
        holder[key] = data.draw(JUNK)
    try:
        made = from_json(json.dumps(document).encode())
    except StoredVerdictError:
        return
    shown = to_text(made, color=False, verbose=True, width=80)
    assert all(terminal(line) == line for line in shown.split("\n"))
    assert "<b>" not in to_html(made)
    assert "\r\nInjected" not in to_header(made)
    assert from_json(to_json(made)) == made
