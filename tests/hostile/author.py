"""Rows 8 to 23 and 43: the author as the worst mail program would show it.

Every message here comes from the attacker's own server with his own passing SPF and a good signature of his own: only
the reading of From stands between him and a pass.
"""

from __future__ import annotations

from tests.hostile.scene import ATTACK, LEGIT, REST, Also, Case, Scene, codes, mail, signed
from verify.model import Verdict

PLAIN = b"From: A <x@attack.example>\r\n"


def case(name: str, row: int, author: bytes, reason: str, twin: bytes | None = PLAIN, also: Also | None = None) -> Case:
    """``author``, ``twin``: the whole field or fields that stand for From; the twin is the attacker as himself."""
    sign = author.lower().startswith(b"from:")
    raw = signed(mail(author), ATTACK, h="from") if sign else mail(author)
    twins = () if twin is None else ((Scene(signed(mail(twin), ATTACK, h="from")), "dkim-aligned"),)
    return Case(name, (row,), Scene(raw), reason, twins, also)


def from_(value: str | bytes) -> bytes:
    return b"From: " + (value.encode() if isinstance(value, str) else value) + b"\r\n"


def lists(*domains: str) -> Also:
    """Every domain that a reader could be shown is among the readings."""
    return lambda verdict, _: set(domains) <= {reading.domain for reading in verdict.author.readings}


def policies(verdict: Verdict, _: object) -> bool:
    """Every domain's policy is looked up and listed."""
    return {LEGIT, ATTACK} <= {policy.domain for policy in verdict.dmarc.author_policies}


BOTH = lists(LEGIT, ATTACK)


def anomaly(code: str) -> Also:
    return lambda verdict, _: code in codes(verdict)


CASES = [
    # 8: two From fields
    case("two-from-attackers-last", 8, from_("a@legit.example") + PLAIN, "author-repeated", also=policies),
    case("two-from-attackers-first", 8, PLAIN + from_("a@legit.example"), "author-repeated", also=policies),
    case("two-from-far-apart", 8, PLAIN + b"X-A: b\r\nFROM: a@legit.example\r\n", "author-repeated", also=policies),
    case("two-from-behind-bare-lf", 8, b"From: A <x@attack.example>\nFrom: a@legit.example\r\n", "author-repeated"),
    case("two-from-one-empty", 8, PLAIN + b"From:\r\n", "author-repeated"),
    case("two-from-same-domain", 8, PLAIN + PLAIN, "author-repeated"),
    # 9: leading blank
    case("leading-blank", 9, b" From: a@legit.example\r\n" + PLAIN, "author-ambiguous", also=BOTH),
    case("leading-tab", 9, b"\tFrom: a@legit.example\r\n" + PLAIN, "author-ambiguous", also=BOTH),
    case("leading-blanks-and-case", 9, b"  \t fRoM : a@legit.example\r\n" + PLAIN, "author-ambiguous", also=BOTH),
    case("leading-no-break-space", 9, b"\xc2\xa0From: a@legit.example\r\n" + PLAIN, "author-ambiguous", also=BOTH),
    case("byte-order-mark", 9, b"\xef\xbb\xbfFrom: a@legit.example\r\n" + PLAIN, "author-ambiguous", also=BOTH),
    # 10: blanks before the colon
    case("blank-before-colon", 10, b"From : a@legit.example\r\n" + PLAIN, "author-repeated", also=BOTH),
    case("tab-before-colon", 10, b"From\t: a@legit.example\r\n" + PLAIN, "author-repeated", also=BOTH),
    case("blank-before-colon-last", 10, PLAIN + b"FROM  : a@legit.example\r\n", "author-repeated", also=BOTH),
    # 11: folded field name
    case("folded-name", 11, b"From\r\n : a@legit.example\r\n" + PLAIN, "author-repeated", also=BOTH),
    case("folded-name-tab", 11, PLAIN + b"from\r\n\t: a@legit.example\r\n", "author-repeated", also=BOTH),
    case("folded-name-bare-lf", 11, PLAIN + b"From\n : a@legit.example\r\n", "author-repeated", also=BOTH),
    case("bare-cr-in-another-field", 11, PLAIN + b"X-A: b\rFrom: a@legit.example\r\n", "author-ambiguous", also=BOTH),
    case("name-with-a-control", 11, PLAIN + b"Fr\x01om: a@legit.example\r\n", "author-ambiguous", also=BOTH),
    # 12: Sender and Resent-From are never the author
    case("sender-stands-in", 12, b"Sender: a@attack.example\r\n", "author-missing"),
    case("resent-from-stands-in", 12, b"Resent-From: a@attack.example\r\nFrom:\r\n", "author-missing"),
    case("reply-to-stands-in", 12, b"Reply-To: a@attack.example\r\nFrom: Boss\r\n", "author-missing"),
    case("x-from-stands-in", 12, b"X-From: a@attack.example\r\nReturn-Path: <x@attack.example>\r\n", "author-missing"),
    # 13: several addresses
    case("two-addresses", 13, from_("<ceo@legit.example>, <x@attack.example>"), "author-several-domains", also=policies),
    case(
        "two-addresses-attackers-first",
        13,
        from_("<x@attack.example>, <ceo@legit.example>"),
        "author-several-domains",
        from_("<x@attack.example>, <y@attack.example>"),
        policies,
    ),
    case("two-addresses-semicolon", 13, from_("x@attack.example; ceo@legit.example"), "author-ambiguous", also=policies),
    case("two-addresses-folded", 13, from_("x@attack.example,\r\n ceo@legit.example"), "author-several-domains"),
    case("subdomain-of-the-same", 13, from_("x@attack.example, y@sub.attack.example"), "author-several-domains"),
    # 14: encoded address
    case(
        "encoded-mailbox",
        14,
        from_("=?utf-8?B?PGNlb0BsZWdpdC5leGFtcGxlPg==?=, <x@attack.example>"),
        "author-ambiguous",
        from_("=?utf-8?B?Q2Vv?=, <x@attack.example>"),
        BOTH,
    ),
    case(
        "encoded-mailbox-in-quoted-printable",
        14,
        from_("=?iso-8859-1?Q?=3Cceo=40legit.example=3E?= <x@attack.example>"),
        "author-ambiguous",
        from_("=?iso-8859-1?Q?Ceo_Legit?= <x@attack.example>"),
        BOTH,
    ),
    case("encoded-comma", 14, from_("=?utf-8?Q?ceo=40legit.example=2C?= <x@attack.example>"), "author-ambiguous"),
    case("encoded-whole", 14, from_("=?utf-8?B?Y2VvQGxlZ2l0LmV4YW1wbGU=?="), "not-aligned", also=lists(LEGIT)),
    case("encoded-local-part", 14, from_("=?utf-8?Q?ceo=40legit.example?=@attack.example"), "author-ambiguous"),
    # 15: source route
    case("route", 15, from_("<@attack.example,@any.example:ceo@legit.example>"), "not-aligned", also=lists(LEGIT)),
    case("route-of-one", 15, from_("Boss <@attack.example:ceo@legit.example>"), "not-aligned", also=lists(LEGIT)),
    case(
        "route-folded",
        15,
        from_("<@attack.example,\r\n @b.example:ceo@legit.example>"),
        "not-aligned",
        from_("<@legit.example:x@attack.example>"),
    ),
    # 16: quoted pair
    case("quoted-comma", 16, from_("<ceo@legit.example>\\,<x@attack.example>"), "author-ambiguous", also=BOTH),
    case("quoted-comma-bare", 16, from_("ceo@legit.example\\,x@attack.example"), "author-ambiguous", also=BOTH),
    case("quoted-bracket", 16, from_("ceo@legit.example\\<x@attack.example>"), "author-ambiguous", also=BOTH),
    # 17: precedence of special characters
    case("comma-without-brackets", 17, from_("admin@legit.example,<x@attack.example>"), "author-several-domains"),
    case("two-brackets", 17, from_("<ceo@legit.example><x@attack.example>"), "author-ambiguous", also=BOTH),
    case("address-before-bracket", 17, from_("ceo@legit.example <x@attack.example>"), "author-ambiguous", also=BOTH),
    case("colon-and-bracket", 17, from_("ceo@legit.example:<x@attack.example>"), "author-ambiguous", also=BOTH),
    # 18: text after the address
    case("trailing-address", 18, from_("<x@attack.example>ceo@legit.example"), "author-ambiguous", also=BOTH),
    case("trailing-address-blank", 18, from_("<x@attack.example> ceo@legit.example"), "author-ambiguous", also=BOTH),
    case("trailing-bracket", 18, from_("x@attack.example <ceo@legit.example>"), "author-ambiguous", also=BOTH),
    # 19: quoted local part
    case("quoted-local-part", 19, from_('"S <a@attack.example>"@legit.example'), "not-aligned", also=lists(LEGIT)),
    case(
        "quoted-local-part-in-brackets",
        19,
        from_('Boss <"x@attack.example"@legit.example>'),
        "not-aligned",
        from_('Boss <"x@legit.example"@attack.example>'),
    ),
    case("quoted-local-part-with-comma", 19, from_('"x@attack.example,"@legit.example'), "not-aligned"),
    # 20: unbalanced brackets and quotes
    case("closing-bracket-alone", 20, from_("ceo@legit.example>"), "not-aligned", from_("x@attack.example>")),
    case("opening-bracket-alone", 20, from_("<ceo@legit.example"), "not-aligned", from_("<x@attack.example")),
    case("unbalanced-hides-another", 20, from_("<ceo@legit.example <x@attack.example>"), "author-ambiguous"),
    case("open-quote-hides-another", 20, from_('"ceo@legit.example <x@attack.example>'), "author-ambiguous"),
    case("open-comment-hides-another", 20, from_("(ceo@legit.example <x@attack.example>"), "author-ambiguous"),
    # 21: groups
    case("group", 21, from_("G:<ceo@legit.example>;"), "not-aligned", from_("G:<x@attack.example>;")),
    case("group-of-two", 21, from_("G:ceo@legit.example,x@attack.example;"), "author-several-domains"),
    case("empty-group", 21, from_("undisclosed:;"), "author-missing", also=lists()),
    case("group-and-another", 21, from_("G:x@attack.example;, ceo@legit.example"), "author-several-domains"),
    # 22: NUL and controls
    case("nul-in-domain", 22, from_(b"ceo@legit.example\0.attack.example"), "author-ambiguous"),
    case("nul-before-domain", 22, from_(b"x@attack.example\0@legit.example"), "author-ambiguous"),
    case("control-in-domain", 22, from_(b"x@att\x01ack.example"), "author-ambiguous"),
    case("nul-in-local-part", 22, from_(b"x\0@attack.example"), "author-ambiguous"),
    case("nul-in-name", 22, from_(b"Boss\0 <x@attack.example>"), "author-ambiguous"),
    case("control-joins", 22, from_(b"x@attack.example\x0b,ceo@legit.example"), "author-ambiguous"),
    case("delete-in-address", 22, from_(b"ceo@legit.example\x7f<x@attack.example>"), "author-ambiguous"),
    # 23: a display name that holds an address: a pass for the attacker's own domain, and said
    case("name-is-an-address", 23, from_('"ceo@legit.example" <x@attack.example>'), "dkim-aligned", None, anomaly("display-name-address")),
    case("name-is-encoded-address", 23, from_('"=?utf-8?B?Y2VvQGxlZ2l0LmV4YW1wbGU=?=" <x@attack.example>'), "dkim-aligned", None, anomaly("display-name-address")),
    case("name-holds-full-width-at", 23, from_("ceo＠legit.example <x@attack.example>"), "dkim-aligned", None, anomaly("display-name-address")),
    case("name-hides-by-zero-width", 23, from_('"ceo\u200b@legit.example" <x@attack.example>'), "dkim-aligned", None, anomaly("display-name-control")),
    case("comment-is-an-address", 23, from_("x@attack.example (ceo@legit.example)"), "dkim-aligned", None, anomaly("display-name-address")),
    # 43: names that look like others, or are the same in another spelling
    case("homograph", 43, from_("ceo@l\u0435git.example"), "no-policy", also=anomaly("mixed-scripts")),
    case("u-label-is-another-domain", 43, from_("ceo@b\u00fccher.example"), "no-policy", also=lists("xn--bcher-kva.example")),
    case("trailing-dot", 43, from_("ceo@legit.example."), "not-aligned", from_("x@attack.example."), lists(LEGIT)),
    case("capitals", 43, from_("ceo@LEGIT.Example"), "not-aligned", from_("x@ATTACK.example"), lists(LEGIT)),
    case("zero-width-in-domain", 43, from_("ceo@le\u200bgit.example"), "not-aligned"),
    case("right-to-left-in-name", 43, from_('"\u202eelpmaxe.tigel@oec" <x@attack.example>'), "dkim-aligned", None, anomaly("display-name-control")),
    case("ideographic-full-stop", 43, from_("ceo@legit\u3002example"), "not-aligned", from_("x@attack\u3002example")),
]  # fmt: skip


# The field as a whole where the attacker signs it: an honest signature of the victim proves nothing of a second reading.
_BESIDE = b"From: Boss <ceo@legit.example>\r\n"
for _name, _more in {
    "resigned-two-from": b"From: x@attack.example\r\n",
    "resigned-leading-blank": b" From: x@attack.example\r\n",
    "resigned-folded-name": b"From\r\n : x@attack.example\r\n",
}.items():
    _genuine = signed(mail(_BESIDE, rest=REST), LEGIT, h="from:subject")
    _reason = "author-ambiguous" if _more.startswith(b" ") else "author-repeated"
    CASES.append(
        Case(_name, (8,), Scene(_more + _genuine), _reason, ((Scene(b"X-More: x\r\n" + _genuine), "dkim-aligned"),))
    )
