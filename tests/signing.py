"""A signer for tests that will sign anything: DKIM signatures and ARC sets with any tags, right or wrong.

It shares no code with the program: canonical forms are written here word by word from RFC 6376 3.4, so that it is a
second opinion.  Messages are octets with CRLF line ends.

    key = rsa_key()                                          # made once per size and number
    mail = sign(b"From: a@d.example\r\n\r\nbody\r\n", "d.example", "s", key, t="12345")
    zone = {"s._domainkey.d.example": {"TXT": [key_record(key)]}}
    mail = seal(mail, "list.example", "s", key, aar="list.example; dkim=pass header.d=d.example")

A tag is overridden by a keyword (``l="5"``, ``i="@sub.d.example"``), left out by None, and ``text=`` replaces the whole
tag list: ``{bh}`` in it becomes the body hash, ``{b}`` the signature.
"""

import base64
import hashlib
import re
from functools import cache
from typing import TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

Key: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

NAMES = ("from", "to", "subject", "date", "message-id")


@cache
def rsa_key(bits: int = 1024, number: int = 0) -> rsa.RSAPrivateKey:
    """A key of this size, the same one for the same arguments within a run."""
    return rsa.generate_private_key(65537, bits)


@cache
def short_rsa_key(bits: int = 1022) -> rsa.RSAPrivateKey:
    """A key below 1024 bits, which ``cryptography`` uses but does not make."""
    e, primes = 65537, []
    candidate = (3 << (bits // 2 - 2)) + 1
    while len(primes) < 2:
        candidate += 2
        if pow(2, candidate - 1, candidate) == 1 and (candidate - 1) % e:
            primes.append(candidate)
    p, q = primes
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key()


@cache
def ed25519_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"test key %d" % number).digest())


def key_record(key: Key, *, pkcs1: bool = False, **tags: str | None) -> str:
    """The TXT record of a key; ``tags`` override or add (``t="y"``), None leaves a tag out."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        kind, octets = "ed25519", public.public_bytes_raw()
    else:
        form = serialization.PublicFormat.PKCS1 if pkcs1 else serialization.PublicFormat.SubjectPublicKeyInfo
        kind, octets = "rsa", public.public_bytes(serialization.Encoding.DER, form)
    values: dict[str, str | None] = {"v": "DKIM1", "k": kind, "p": base64.b64encode(octets).decode()}
    values.update(tags)
    return "; ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def sign(message: bytes, domain: str, selector: str, key: Key, **options: object) -> bytes:
    """The message with a DKIM-Signature on top."""
    return dkim_field(message, domain, selector, key, **options) + message  # type: ignore[arg-type]


def dkim_field(
    message: bytes,
    domain: str,
    selector: str,
    key: Key,
    *,
    text: str | None = None,
    name: bytes = b"DKIM-Signature",
    **tags: str | None,
) -> bytes:
    """One signature field with its line end.

    Body hash, body length and header input follow the tags c, h and l as given; a tag that cannot be used so (an
    unknown c=) falls back to the plain form, which is what makes broken signatures possible.
    """
    values: dict[str, str | None] = {
        "v": "1",
        "a": "ed25519-sha256" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": domain,
        "s": selector,
        "h": ":".join(NAMES),
        "bh": "{bh}",
        "b": "{b}",
    }
    b = values.pop("b")
    values.update(tags)
    values.setdefault("b", b)
    if text is None:
        text = " " + "; ".join(f"{tag}={value}" for tag, value in values.items() if value is not None)
    given = {m[1]: m[2].strip() for m in re.finditer(r"(?:^|;)\s*([a-z]+)\s*=([^;]*)", text)}
    header_form, _, body_form = (given.get("c") or "simple/simple").partition("/")
    fields, body = split(message)
    hashed = body_relaxed(body) if body_form == "relaxed" else body_simple(body)
    if (given.get("l") or "").isdigit() and len(given["l"]) < 77:
        hashed = hashed[: int(given["l"])]
    algorithm = given.get("a", "")
    digest = hashlib.sha1(hashed) if algorithm == "rsa-sha1" else hashlib.sha256(hashed)
    text = text.replace("{bh}", base64.b64encode(digest.digest()).decode())
    names = [n.strip().lower() for n in given.get("h", "").split(":")]
    form = header_relaxed if header_form == "relaxed" else header_simple
    octets = b"".join(form(f) for f in select(fields, names))
    octets += form(name + b":" + text.replace("{b}", "").encode() + b"\r\n").removesuffix(b"\r\n")
    return name + b":" + text.replace("{b}", signature(octets, key, algorithm == "rsa-sha1")).encode() + b"\r\n"


def signature(octets: bytes, key: Key, sha1: bool = False) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return base64.b64encode(key.sign(hashlib.sha256(octets).digest())).decode()
    return base64.b64encode(key.sign(octets, padding.PKCS1v15(), SHA1() if sha1 else SHA256())).decode()


def seal(
    message: bytes,
    domain: str,
    selector: str,
    key: Key,
    *,
    aar: str = "mx.example; arc=none",
    cv: str | None = None,
    instance: int | None = None,
    seal_tags: dict[str, str | None] | None = None,
    ams_text: str | None = None,
    **tags: str | None,
) -> bytes:
    """The message with one more ARC set on top (RFC 8617 5.1); ``tags`` are those of the message signature."""
    sets = arc_sets(message)
    number = instance or len(sets) + 1
    aar_field = f"ARC-Authentication-Results: i={number}; {aar}\r\n".encode()
    ams = dkim_field(
        message,
        domain,
        selector,
        key,
        name=b"ARC-Message-Signature",
        text=ams_text,
        **{"v": None, "i": str(number), **tags},  # type: ignore[arg-type]
    )
    values: dict[str, str | None] = {
        "i": str(number),
        "a": "ed25519-sha256" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa-sha256",
        "cv": cv or ("none" if number == 1 else "pass"),
        "d": domain,
        "s": selector,
        "b": "",
    }
    values.update(seal_tags or {})
    text = "ARC-Seal: " + "; ".join(f"{tag}={value}" for tag, value in values.items() if value is not None)
    covered = [f for i in sorted(sets) if i < number for f in sets[i]] if values["cv"] != "fail" else []
    octets = b"".join(header_relaxed(f) for f in [*covered, aar_field, ams])
    octets += header_relaxed(text.encode() + b"\r\n").removesuffix(b"\r\n")
    return (text + signature(octets, key) + "\r\n").encode() + ams + aar_field + message


def arc_sets(message: bytes) -> dict[int, list[bytes]]:
    """The sets of a message by instance, each as AAR, AMS, AS."""
    order = {b"arc-authentication-results": 0, b"arc-message-signature": 1, b"arc-seal": 2}
    found: dict[int, list[tuple[int, bytes]]] = {}
    for field in split(message)[0]:
        key = field.partition(b":")[0].strip().lower()
        match = re.search(rb"(?:^|;)\s*i\s*=\s*(\d+)", field.partition(b":")[2])
        if key in order and match:
            found.setdefault(int(match[1]), []).append((order[key], field))
    return {i: [f for _, f in sorted(members)] for i, members in found.items()}


def split(message: bytes) -> tuple[list[bytes], bytes]:
    """Raw fields with their CRLF, and the body."""
    if message.startswith(b"\r\n"):
        return [], message[2:]
    header, _, body = message.partition(b"\r\n\r\n")
    return [field + b"\r\n" for field in re.split(rb"\r\n(?![ \t])", header.removesuffix(b"\r\n"))], body


def select(fields: list[bytes], names: list[str]) -> list[bytes]:
    """RFC 6376 5.4.2: each name takes the lowest instance that is left."""
    left = list(reversed(fields))
    chosen = []
    for name in names:
        for place, field in enumerate(left):
            if field.partition(b":")[0].strip().lower() == name.encode():
                chosen.append(left.pop(place))
                break
    return chosen


def header_simple(field: bytes) -> bytes:
    return field


def header_relaxed(field: bytes) -> bytes:
    name, _, value = field.removesuffix(b"\r\n").partition(b":")
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b""))
    return name.rstrip(b" \t").lower() + b":" + value.strip(b" \t") + b"\r\n"


def body_simple(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def body_relaxed(body: bytes) -> bytes:
    lines = [re.sub(rb"[ \t]+", b" ", line.rstrip(b" \t")) for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
