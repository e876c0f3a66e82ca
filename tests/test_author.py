"""Who the author is: attacks in several spellings beside honest mail that differs in one point.

LEGIT is the domain that an attacker wants a reader to see, ATTACK his own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.grammar.encoded_words import decode_words
from verify.model import SAME_AUTHOR, Anomaly, AnomalyCode, Author, Limits, Reason, replace
from verify.reading import addresses
from verify.reading.addresses import read_addresses
from verify.reading.author import read_author
from verify.reading.message import parse_message

LEGIT, ATTACK = "legit.example", "attack.example"
MISSING, REPEATED = Reason.AUTHOR_MISSING, Reason.AUTHOR_REPEATED
SEVERAL, AMBIGUOUS = Reason.AUTHOR_SEVERAL_DOMAINS, Reason.AUTHOR_AMBIGUOUS


def read(header: str | bytes, limits: Limits | None = None) -> tuple[Author, tuple[Anomaly, ...]]:
    octets = header.encode() if isinstance(header, str) else header
    return read_author(parse_message(octets + b"\r\nSubject: x\r\n\r\nbody\r\n"), limits or Limits())


def domains(author: Author) -> set[str | None]:
    return {reading.domain for reading in author.readings}


def codes(anomalies: tuple[Anomaly, ...]) -> set[AnomalyCode]:
    return {anomaly.code for anomaly in anomalies}


# Honest mail: one author, whatever it looks like


@pytest.mark.parametrize(
    "value",
    [
        "j@legit.example",
        "<j@legit.example>",
        " \t<j@legit.example> ",
        "John <j@legit.example>",
        "John<j@legit.example>",
        "Doe, John <j@legit.example>",
        "Doe, John, PhD <j@legit.example>",
        "Doe, John (Sales, East) <j@legit.example>",
        '"Doe, John" <j@legit.example>',
        '"" <j@legit.example>',
        "J. R. Doe Jr. <j@legit.example>",
        "O'Neil & Sons <j@legit.example>",
        "j@legit.example (John)",
        "(John) j@legit.example (nested (twice))",
        "John <j@LEGIT.Example>",
        "j@legit.example.",
        "=?utf-8?Q?J=C3=B6rg?= <j@legit.example>",
        "=?utf-8?Q?M=C3=BCller=2C?= Hans <j@legit.example>",
        "=?utf-8?Q?M=C3=BCller?=, Hans <j@legit.example>",
        '"=?utf-8?B?SsO2cmc=?=" <j@legit.example>',
        "Jörg <j@legit.example>",
        "John\r\n <j@legit.example>",
        "j@legit.example, k@legit.example",
        "John <j@legit.example>, Doe, Kim <k@legit.example>,",
        "<@route.example:j@legit.example>",
        "Team: j@legit.example, <k@legit.example>;",
        '"john doe"@legit.example',
        "j+tag@legit.example",
    ],
)
def test_honest_lines_name_one_author_and_nothing_is_odd(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert (author.domain, author.problem, author.ambiguous) == (LEGIT, None, False)
    assert codes(anomalies) <= {AnomalyCode.EIGHT_BIT_FROM}
    assert domains(author) == {LEGIT}


@pytest.mark.parametrize(
    "value",
    [
        "[Tracker] John <j@legit.example>",
        "Acme: Support <j@legit.example>",
        "j@legit.example <j@legit.example>",
        "'j@legit.example' <j@legit.example>",
        "Sales @ Acme <j@legit.example>",
        "<j@legit.example> John",
        "John j@legit.example",
        "John <j@legit.example",
        "John j@legit.example>",
        "John <<j@legit.example>>",
        'John "Joe <j@legit.example>',
        "John (Sales <j@legit.example>",
        "j @ legit.example",
        "j@legit.example; k@legit.example",
        "=?utf-8?Q?j?=@legit.example",
        b"J\xf6rg [x] <j@legit.example>",
    ],
)
def test_broken_lines_in_which_all_agree_are_judged_normally_and_pointed_out(value: str | bytes) -> None:
    author, anomalies = read(b"From: " + (value.encode() if isinstance(value, str) else value))
    assert (author.domain, author.problem) == (LEGIT, None)
    assert AnomalyCode.ODD_FROM_SYNTAX in codes(anomalies)


def test_an_odd_line_is_said_to_have_one_author_only_where_it_has() -> None:
    _, agreed = read("From: j@legit.example; k@legit.example")
    assert Anomaly(AnomalyCode.ODD_FROM_SYNTAX, SAME_AUTHOR) in agreed
    assert Anomaly(AnomalyCode.ODD_FROM_SYNTAX) not in agreed
    author, parted = read("From: =?utf-8?Q?Bank_=3Cservice=40legit=2Eexample=3E?= <x@attack.example>")
    assert author.problem is AMBIGUOUS
    assert Anomaly(AnomalyCode.ODD_FROM_SYNTAX) in parted
    assert Anomaly(AnomalyCode.ODD_FROM_SYNTAX, SAME_AUTHOR) not in parted


def test_a_reply_to_that_leads_elsewhere_is_said_whoever_the_author_is() -> None:
    ambiguous = "From: =?utf-8?Q?Bank_=3Cservice=40legit=2Eexample=3E?= <x@attack.example>\r\nReply-To: "
    for reply in ("konto@evil.example", "x@attack.example"):  # the second is not the domain that some are shown
        _, anomalies = read(ambiguous + reply)
        assert Anomaly(AnomalyCode.REPLY_TO_DIFFERS, reply) in anomalies
    _, alike = read("From: a@legit.example\r\nReply-To: b@sub.legit.example")
    assert AnomalyCode.REPLY_TO_DIFFERS not in codes(alike)


def test_the_address_is_shown_as_written() -> None:
    author, _ = read("From: J <j@Legit.Example>, k@legit.example.")
    assert [(each.address, each.domain) for each in author.addresses] == [
        ("j@Legit.Example", LEGIT),
        ("k@legit.example.", LEGIT),
    ]
    assert [each.how for each in author.readings] == ["plain", "plain"]


# The attacks

REPEATS = [
    "From: a@legit.example\r\nFrom: b@attack.example",
    "From: a@attack.example\r\nTo: x@y.example\r\nFROM: b@legit.example",
    "From : a@legit.example\r\nFrom: b@attack.example",
    "From: b@attack.example\r\nFrom\t: a@legit.example",
    "From\r\n : a@legit.example\r\nFrom: b@attack.example",
    "From: b@attack.example\r\nfrom \r\n\t: a@legit.example",
    "From: b@attack.example\nFrom: a@legit.example",
    "Subject: x\nFrom: a@legit.example\r\nFrom: b@attack.example",
]


@pytest.mark.parametrize("header", REPEATS)
def test_several_from_fields(header: str) -> None:
    author, _ = read(header)
    assert (author.domain, author.problem) == (None, REPEATED)
    assert domains(author) == {LEGIT, ATTACK}
    assert {each.how for each in author.readings} == {"repeated-field"}


def test_the_same_from_twice_is_repeated_too() -> None:
    assert read("From: a@legit.example\r\nFrom: a@legit.example")[0].problem is REPEATED


@pytest.mark.parametrize(
    "header",
    ["From: a@legit.example", "From : a@legit.example", "From\r\n : a@legit.example", "FROM\t:a@legit.example"],
)
def test_honest_twin_one_from_field_however_its_name_is_written(header: str) -> None:
    assert read(header)[0].domain == LEGIT


@pytest.mark.parametrize(
    ("header", "how"),
    [
        (" From: a@legit.example\r\nFrom: b@attack.example", "leading-blank"),
        ("\tfrom : a@legit.example\r\nFrom: b@attack.example", "leading-blank"),
        (" From: a@legit.example\r\n  \r\nFrom: b@attack.example", "leading-blank"),
        (" From: a@legit.example", "leading-blank"),
        ("From: b@attack.example\r\nFr\0om: a@legit.example", "damaged-name"),
        ("From: b@attack.example\r\n\ufeffFrom: a@legit.example", "damaged-name"),
        ("From: b@attack.example\r\nFrom\x7f: a@legit.example", "damaged-name"),
        ("From: b@attack.example\r\nX: y\rFrom: a@legit.example", "bare-cr"),
        ("From: b@attack.example\rFrom: a@legit.example", "bare-cr"),
        ("Subject: x\r\rfrom : a@legit.example\r\nFrom: b@attack.example", "bare-cr"),
        ("From: b@attack.example\r\nX: y\r\n z\rFrom: Joe\r\n <a@legit.example>", "bare-cr"),
    ],
)
def test_a_from_that_only_some_programs_see(header: str, how: str) -> None:
    author, _ = read(header)
    assert (author.domain, author.problem, author.ambiguous) == (None, AMBIGUOUS, True)
    assert ("a@legit.example", how) in {(each.address, each.how) for each in author.readings}


@pytest.mark.parametrize(
    "header",
    [
        "X: y\r\n From: a@attack.example\r\nFrom: j@legit.example",
        "Subject: from: a@attack.example\r\nFrom: j@legit.example",
        "Subject: x\ry\r\nFrom: j@legit.example",
        "X-From: a@attack.example\r\nFrom: j@legit.example",
        " junk\r\nFrom: j@legit.example",
        "From the: desk\r\nFrom: j@legit.example",
    ],
)
def test_honest_twin_lines_that_nobody_takes_for_from(header: str) -> None:
    assert read(header)[0].domain == LEGIT


@pytest.mark.parametrize(
    "header",
    [
        "Sender: a@legit.example",
        "Resent-From: a@legit.example\r\nSender: a@legit.example",
        "Reply-To: a@legit.example",
        "From:\r\nSender: a@legit.example",
        "From: \r\n \t",
        "From: <>",
        "From: John",
        "From: undisclosed:;",
        "From: ()",
        "From: a@[192.0.2.1]",
        "From: a@[IPv6:2001:db8::1]",
        "From: a@192.0.2.1",
        "From: a@-",
    ],
)
def test_no_author_domain_at_all(header: str) -> None:
    author, _ = read(header)
    assert (author.domain, author.problem) == (None, MISSING)


@pytest.mark.parametrize(
    "value",
    [
        "<a@legit.example>, <b@attack.example>",
        "a@legit.example,b@attack.example",
        "admin@legit.example,<b@attack.example>",
        "John <b@attack.example>,\r\n Kim <a@legit.example>",
        "G: a@legit.example;, b@attack.example",
        "G: a@legit.example, b@attack.example;",
        "Doe, John <a@legit.example>, Roe, Kim <b@attack.example>",
    ],
)
def test_addresses_of_several_domains(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert (author.domain, author.problem) == (None, SEVERAL)
    assert domains(author) == {LEGIT, ATTACK}
    assert AnomalyCode.ODD_FROM_SYNTAX not in codes(anomalies)


@pytest.mark.parametrize(
    "value",
    [
        "=?utf-8?B?PGNlb0BsZWdpdC5leGFtcGxlPg==?=,<a@attack.example>",
        "=?utf-8?Q?ceo=40legit.example?=, <a@attack.example>",
        "=?utf-8?Q?=3Cceo=40legit.example=3E=2C?= <a@attack.example>",
        "=?utf-8?Q?ceo=40legit.example=00?=@attack.example",
        "=?utf-8?B?Y2VvQGxlZ2l0LmV4YW1wbGU=?==?utf-8?Q?=00?=@attack.example",
        "<=?utf-8?Q?ceo=40legit.example=2C?=a@attack.example>",
        "=?utf-8?B?PGNlb0Bs?=\r\n =?utf-8?B?ZWdpdC5leGFtcGxlPg==?=,<a@attack.example>",
        "=?utf-8?B?PGNlb0Bs?= =?utf-8?B?ZW?= =?UTF-8?b?dpdC5leGFtcGxlPg==?=,<a@attack.example>",
        "=?utf-8?B?PGNlb0BsZ?= =?utf-8?B?WdpdC5leGFtcGxlPg==?=,<a@attack.example>",
        '"=?utf-8?Q?ceo=40legit.example?=", <a@attack.example>',
        "=?utf-7?Q?ceo+AEA-legit.example?=, <a@attack.example>",
        "=?x-nobody?Q?ceo=40legit.example?=, a@attack.example",
    ],
)
def test_an_address_that_only_a_decoder_sees(value: str) -> None:
    author, _ = read(f"From: {value}")
    assert (author.domain, author.problem) == (None, AMBIGUOUS)
    assert {LEGIT, ATTACK} <= domains(author)
    assert "encoded-word" in {each.how for each in author.readings}


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("<@attack.example,@any.example:ceo@legit.example>", LEGIT),
        ("<@attack.example:ceo@legit.example>", LEGIT),
        ("CEO <@attack.example , @any.example : ceo@legit.example>", LEGIT),
        ('"S <a@attack.example>"@legit.example', LEGIT),
        ('"a@attack.example"@legit.example', LEGIT),
        ('S <"a@attack.example,"@legit.example>', LEGIT),
        ("G:<ceo@legit.example>;", LEGIT),
        ("G: ceo@legit.example ;", LEGIT),
        ('"G: x":<ceo@legit.example>,;', LEGIT),
    ],
)
def test_routes_quoted_local_parts_and_groups_mean_what_the_grammar_says(value: str, domain: str) -> None:
    assert read(f"From: {value}")[0].domain == domain


@pytest.mark.parametrize(
    "value",
    [
        "<a@legit.example>\\,<b@attack.example>",
        "a@legit.example\\,b@attack.example",
        "<a@legit.example>\\\\ <b@attack.example>",
        "<any@attack.example>admin@legit.example",
        "<any@attack.example> admin@legit.example",
        "<any@attack.example>,admin@legit.example <",
        "<any@attack.example><admin@legit.example>",
        "admin@legit.example <any@attack.example>",
        "admin@legit.example any@attack.example",
        "<any@attack.example,admin@legit.example>",
        "<@legit.example <any@attack.example>",
        "admin@legit.example>, any@attack.example",
        "(<admin@legit.example> any@attack.example",
        '"<admin@legit.example>, any@attack.example',
        "admin@legit.example@attack.example",
        "<admin@legit.example .attack.example>",
        "<admin@legit.example\r\n .attack.example>",
        "admin@legit.example(x).attack.example",
        "any@attack.example (x), admin@legit.example)",
    ],
)
def test_lines_that_programs_read_differently(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert (author.domain, author.problem, author.ambiguous) == (None, AMBIGUOUS, True)
    assert LEGIT in domains(author)
    assert AnomalyCode.ODD_FROM_SYNTAX in codes(anomalies)


@pytest.mark.parametrize(
    "value",
    [
        b"ceo@legit.example\0.attack.example",
        b"ceo@legit.example\0",
        b"ceo\0@legit.example",
        b"<ceo@legit.example\x01.attack.example>",
        b"ceo@legit.example\x7f",
        b"CEO\0 <ceo@legit.example>",
        b"ceo@legit\r.example",
    ],
)
def test_a_control_character_is_never_dropped(value: bytes) -> None:
    author, _ = read(b"From: " + value)
    assert (author.domain, author.problem) == (None, AMBIGUOUS)


def test_both_what_stands_before_a_control_and_what_comes_out_without_it_are_listed() -> None:
    author, _ = read(b"From: ceo@legit.example\0.attack.example")
    assert [(each.domain, each.how) for each in author.readings] == [
        (LEGIT, "address-in-text"),
        ("legit.example.attack.example", "controls-removed"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        '"ceo@legit.example" <a@attack.example>',
        "a@attack.example (ceo@legit.example)",
        "(ceo@legit.example) <a@attack.example>",
        "=?utf-8?Q?ceo=40legit.example?= <a@attack.example>",
        '"=?utf-8?B?Y2VvQGxlZ2l0LmV4YW1wbGU=?=" <a@attack.example>',
        '"CEO <ceo@legit.example>" <a@attack.example>',
        '"ceo\uff20legit.example" <a@attack.example>',
        '"ceo@legit\u200b.example" <a@attack.example>',
    ],
)
def test_an_address_in_a_display_name_is_pointed_out_and_no_more(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert author.domain == ATTACK
    assert Anomaly(AnomalyCode.DISPLAY_NAME_ADDRESS, "ceo@legit.example") in anomalies


@pytest.mark.parametrize(
    "value",
    [
        '"j@legit.example" <j@legit.example>',
        '"J@Legit.Example" <j@legit.example>',
        '"@john" <j@legit.example>',
        '"meet @ noon" <j@legit.example>',
    ],
)
def test_honest_twin_the_own_address_or_none(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert author.domain == LEGIT
    assert anomalies == ()


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u0085"])
def test_invisible_characters_in_a_display_name_are_pointed_out(char: str) -> None:
    author, anomalies = read(f'From: "Jo{char}hn" <j@legit.example>')
    assert author.domain == LEGIT
    assert AnomalyCode.DISPLAY_NAME_CONTROL in codes(anomalies)


def test_an_escape_sequence_in_an_encoded_display_name_comes_out_as_visible_text() -> None:
    _, anomalies = read("From: =?utf-8?Q?=1B=5B31mJohn?= <j@legit.example>")
    assert Anomaly(AnomalyCode.DISPLAY_NAME_CONTROL, "\\x1b[31mJohn") in anomalies
    _, anomalies = read("From: =?utf-8?Q?=1B[31mJohn?= <j@legit.example>")
    assert AnomalyCode.DISPLAY_NAME_CONTROL in codes(anomalies)


# Names in other scripts


@pytest.mark.parametrize(
    "value", ["j@bücher.example", "j@BÜCHER.example.", "j@xn--bcher-kva.example", "j@bücher。example"]
)
def test_international_domains_are_compared_as_a_labels(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert author.domain == "xn--bcher-kva.example"
    assert AnomalyCode.MIXED_SCRIPTS not in codes(anomalies)


@pytest.mark.parametrize(
    "value",
    [
        "j@\u0440aypal.example",
        "j@xn--aypal-uye.example",
        '"\u0420ayPal" <j@legit.example>',
        '"Micros\u03bfft" <j@legit.example>',
    ],
)
def test_mixed_scripts_are_pointed_out(value: str) -> None:
    author, anomalies = read(f"From: {value}")
    assert author.problem is None
    assert AnomalyCode.MIXED_SCRIPTS in codes(anomalies)


@pytest.mark.parametrize(
    "name", ["山田 太郎", "ヤマダさん々", "ООО Ромашка IT", "Ünal Öz", "김철수", "Ωmega".replace("Ω", "Ô")]
)
def test_honest_twin_names_in_one_script_or_in_scripts_written_together(name: str) -> None:
    assert AnomalyCode.MIXED_SCRIPTS not in codes(read(f'From: "{name}" <j@legit.example>')[1])


@pytest.mark.parametrize("value", [b"j@b\xfccher.example", b"j@legit.example\xff", "j@\u2028.example".encode()])
def test_a_domain_that_does_not_convert_is_no_author_domain(value: bytes) -> None:
    assert read(b"From: " + value)[0].domain is None


# Other fields


def test_sender_and_reply_to_that_lead_elsewhere_are_pointed_out() -> None:
    header = "From: j@legit.example\r\nSender: b@{0}\r\nReply-To: X <r@{0}>"
    _, anomalies = read(header.format(ATTACK))
    assert anomalies == (
        Anomaly(AnomalyCode.SENDER_DIFFERS, "b@attack.example"),
        Anomaly(AnomalyCode.REPLY_TO_DIFFERS, "r@attack.example"),
    )
    assert read(header.format("news.legit.example"))[1] == ()


# Limits


def many(count: int, separator: str = ", ") -> str:
    return "From: " + separator.join(f"a{n}@legit.example" for n in range(count))


@pytest.mark.parametrize("separator", [", ", " ", ",\r\n ", ">"])
def test_so_many_readings_and_no_more(separator: str) -> None:
    limits = Limits(author_readings=5)
    author, anomalies = read(many(5, separator), limits)
    assert (author.domain, author.problem) == (LEGIT, None)
    assert AnomalyCode.LIMIT_HIT not in codes(anomalies)
    author, anomalies = read(many(6, separator), limits)
    assert (author.domain, author.problem) == (None, Reason.LIMIT)
    assert Anomaly(AnomalyCode.LIMIT_HIT, "author_readings") in anomalies
    assert len(author.readings) == len(author.addresses) == 5


def test_a_second_domain_behind_the_limit_is_never_a_clean_one() -> None:
    author, _ = read(many(5) + ", b@attack.example", Limits(author_readings=5))
    assert author.domain is None


def test_many_from_fields_stay_within_the_limit() -> None:
    author, _ = read("\r\n".join(["From: " + f"a@d{n}.example" for n in range(100)]))
    assert author.problem is REPEATED
    assert len(author.readings) == 50


@pytest.mark.parametrize("depth", [20, 21])
def test_comments_nest_so_deep_and_no_deeper(depth: int) -> None:
    author, anomalies = read(f"From: {'(' * depth}x{')' * depth} j@legit.example")
    if depth == 20:
        assert (author.domain, anomalies) == (LEGIT, ())
    else:
        assert (author.domain, author.problem) == (None, Reason.LIMIT)
        assert Anomaly(AnomalyCode.LIMIT_HIT, "comment_depth") in anomalies


# Any input

PIECES = st.sampled_from(
    [
        *'<>(),;:@"\\[]. \t=?',
        "\r",
        "\n",
        "\r\n ",
        "\0",
        "a",
        "legit.example",
        "=?utf-8?Q?a=40b.example?=",
        "=?utf-8?B?QA==?=",
        "ü",
        "\u202e",
        "\udcff",
        "From:",
        "\r\nFrom:",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_gives_one_domain_or_one_problem(value: str) -> None:
    author, _ = read(b"From: " + value.encode("utf-8", "surrogateescape"))
    assert (author.domain is None) is (author.problem is not None)
    if author.domain is not None:
        assert domains(author) == {author.domain}
    assert all(each.address.isascii() or each.address.encode() for each in author.readings)


@given(st.binary(max_size=300))
def test_any_octets_give_one_domain_or_one_problem(value: bytes) -> None:
    author, _ = read(b"From:" + value)
    assert (author.domain is None) is (author.problem is not None)


ORDINARY = st.sampled_from([*"aZ9 .,&'_()-+\t<>@\"", "a@b.example", "<a@b.example>", '"Doe, J" ', "@-", "..", "\r\n "])


@given(st.lists(ORDINARY, max_size=12).map("".join))
def test_the_short_way_for_ordinary_lines_comes_to_the_same(value: str) -> None:
    short = read_addresses(value.encode(), 50, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "_ORDINARY", re.compile(rb"(?!)"))
        long = read_addresses(value.encode(), 50, 20)
    assert replace(short, names=()) == replace(long, names=())


@given(st.text(max_size=100))
def test_decoding_never_raises_and_leaves_plain_text_alone(text: str) -> None:
    decoded = decode_words(f"=?utf-8?Q?{text}?= =?utf-16?B?{text}?=")
    assert isinstance(decoded, str)
    assert decode_words(text) == text or "=?" in text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("=?utf-8?Q?a_b=40c?=", "a b@c"),
        ("=?UTF-8*en?q?a?=", "a"),
        ("=?iso-8859-1?B?/A==?=", "ü"),
        ("=?utf-8?B?YQ?=", "a"),
        ("=?utf-8?B?YWJ?=", ""),
        ("=?utf-8?Q?a?= \r\n =?utf-8?Q?b?=", "ab"),
        ("=?utf-8?Q?a?= b", "a b"),
        ("=?zlib?B?YWJj?=", "abc"),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
    ],
)
def test_encoded_words_are_read_forgivingly(word: str, text: str) -> None:
    if word == "=?utf-8?B?YWJ?=":
        assert decode_words(word) in ("", "ab")
    else:
        assert decode_words(word) == text


# What must cost no more than twice for twice the text: tests/bench/bench_growth_of_parsers.py.
SHAPES: dict[str, Callable[[int], str]] = {
    "open brackets": lambda n: "<" * n,
    "open comments": lambda n: "(" * n,
    "nested comments": lambda n: "(" * n + ")" * n,
    "open quotes": lambda n: '"\\' * n,
    "quotes": lambda n: '"' * n,
    "at signs": lambda n: "@" * n,
    "addresses": lambda n: "a@b.example " * n,
    "mailboxes": lambda n: "a@b.example," * n,
    "fragments": lambda n: "Doe, " * n,
    "blanks": lambda n: "x" + " " * n + "x@",
    "encoded words": lambda n: "=?utf-8?Q?a?= " * n,
    "open encoded words": lambda n: "=?utf-8?Q?" * n,
    "question marks": lambda n: "=?" * n,
    "name of at signs": lambda n: '"' + "@a " * n + '" <a@b.example>',
    "name of brackets": lambda n: "=?utf-8?Q?" + "=3C" * n + "?= <a@b.example>",
    "long atom": lambda n: "a" * n,
    "dots": lambda n: "a@" + "." * n,
    "wide letters": lambda n: "a@" + "ü" * n,
    "carriage returns": lambda n: "\rfrom" * n,
    "folds": lambda n: "\r\n " * n + "x",
    "comments": lambda n: "(a@b.example)" * n + "a@b.example",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_from_is_read_to_its_end(shape: str) -> None:
    author, _ = read(f"From: {SHAPES[shape](20_000)}")
    named = shape in ("addresses", "mailboxes", "name of at signs", "name of brackets", "comments")
    assert (author.domain, author.problem) == (("b.example", None) if named else (None, MISSING))


@pytest.mark.parametrize(
    "shown", ["=?utf-8?q?John_=40Acme=2C_Inc?=", "=?utf-8?q?Jobs_=40_Shop=2C_Berlin?=", "=?utf-8?q?Night=40Bar=2C?="]
)
def test_an_at_in_an_encoded_display_name_is_no_mailbox(shown: str) -> None:
    author, _ = read(f"From: {shown} <a@shop.example>")
    assert (author.domain, author.problem) == ("shop.example", None)


def test_a_mailbox_in_an_encoded_display_name_is_one() -> None:
    author, _ = read("From: =?utf-8?q?ceo=40legit=2Eexample=2C?= <a@attack.example>")
    assert author.domain is None
