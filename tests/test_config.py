"""Options and mailverdict.toml: what is read, what is refused, and that every refusal names its key."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify import config as configuration
from verify.config import Config, ConfigError, DnsMode, check_envelope, envelope, load, lookup, parse, resolve
from verify.grammar.visible import one_line
from verify.model import AtMode, DmarcStandard, Envelope, Limits

CONTRACT_OPTIONS = [
    *("client-ip", "helo", "mail-from", "rcpt-to", "receiver", "trust-host", "trust-network", "authserv-id"),
    *("trust-authserv-id", "trust-sealer", "at", "dns", "record", "resolver", "dns-timeout", "dmarc", "format"),
    *("output", "verbose", "quiet", "color"),
]


def check_all(config: Config) -> None:
    resolve(config)
    lookup(config)
    envelope(config)


@pytest.mark.parametrize("option", CONTRACT_OPTIONS)
def test_every_option_of_the_contract_is_a_field_and_a_key(option: str) -> None:
    value = getattr(Config(), option.replace("-", "_"))
    example = {bool: True, float: 2.5}.get(type(value), "x")
    written = {True: "true", 2.5: "2.5"}.get(example, '"x"')
    assert getattr(parse(f"{option} = {written}"), option.replace("-", "_")) == example
    assert parse(f"{option} = {written}") == parse(f"{option.replace('-', '_')} = {written}")


def test_defaults_are_those_of_the_contract() -> None:
    settings = resolve(Config())
    assert settings.authserv_id == "localhost"
    assert settings.at is AtMode.RECEIPT
    assert settings.dmarc is DmarcStandard.RFC9989
    assert settings.auto
    assert settings.receivers == ()
    assert settings.limits == Limits()
    assert not settings.allow_unsigned_octets
    assert lookup(Config()).mode is DnsMode.LIVE
    assert envelope(Config()) == Envelope()


def test_a_front_end_may_have_its_own_defaults_and_the_user_wins_over_them() -> None:
    assert resolve(Config(), authserv_id="mx.example", at=AtMode.NOW).authserv_id == "mx.example"
    assert resolve(Config(), at=AtMode.NOW).at is AtMode.NOW
    said = resolve(Config(authserv_id="a.example", at="receipt"), authserv_id="mx.example", at=AtMode.NOW)
    assert (said.authserv_id, said.at) == ("a.example", AtMode.RECEIPT)


@pytest.mark.parametrize(
    ("given_config", "key", "words"),
    [
        (Config(client_ip="300.1.1.1"), "client-ip", '"300.1.1.1" is not an IP address'),
        (Config(client_ip=""), "client-ip", "not an IP address"),
        (Config(helo="a\r\nb"), "helo", "control character"),
        (Config(mail_from="<a@b.example"), "mail-from", "angle brackets"),
        (Config(helo="\ud800"), "helo", "is not text"),
        (Config(mail_from="a" * 1001), "mail-from", "longer than 1000 octets"),
        (Config(rcpt_to=("a@b.example", "x\0@y")), "rcpt-to", "control character"),
        (Config(trust_host="bad_*host"), "trust-host", "neither a host name nor"),
        (Config(trust_host="*.*.example"), "trust-host", "neither a host name nor"),
        (Config(trust_network="192.0.2.0/33"), "trust-network", "neither a network"),
        (Config(trust_network=["192.0.2.1", "x"]), "trust-network", '"x" is neither a network'),
        (Config(authserv_id="a b"), "authserv-id", "not an authserv-id"),
        (Config(authserv_id="x; dkim=pass"), "authserv-id", "not an authserv-id"),
        (Config(trust_authserv_id=["ok.example", "a\nb"]), "trust-authserv-id", "not an authserv-id"),
        (Config(trust_sealer="not a domain"), "trust-sealer", "not a domain"),
        (Config(at="yesterday"), "at", "neither receipt, now, nor a time with its zone"),
        (Config(at="2026-01-01"), "at", "neither receipt, now"),
        (Config(at="2026-01-01T00:00:00"), "at", "neither receipt, now"),
        (Config(at="2026-02-30T00:00:00Z"), "at", "neither receipt, now"),
        (Config(at=True), "at", "neither receipt, now"),
        (Config(at=-1), "at", "before 1970"),
        (Config(at="0001-01-01T00:00:00+23:59"), "at", "before 1970"),
        (Config(dns=""), "dns", "is empty"),
        (Config(dns_timeout=0), "dns-timeout", "0 is not more than 0 and at most 3600"),
        (Config(dns_timeout=float("nan")), "dns-timeout", "not more than 0 and at most 3600"),
        (Config(resolver="ns.example"), "resolver", '"ns.example" is not ADDR, ADDR:PORT or [ADDR]:PORT'),
        (Config(resolver="192.0.2.1:0"), "resolver", "no port from 1 to 65535"),
        (Config(resolver="192.0.2.1:"), "resolver", "no port from 1 to 65535"),
        (Config(resolver="[::1"), "resolver", "is not ADDR"),
        (Config(resolver="[::1]53"), "resolver", "is not ADDR"),
        (Config(dmarc="rfc1234"), "dmarc", "neither rfc9989 nor rfc7489"),
        (Config(limits=Limits(arc_sets=-1)), "limits.arc-sets", "-1 is below 0"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_its_key(given_config: Config, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_all(given_config)
    assert refused.value.key == key
    assert words in refused.value.problem
    assert str(refused.value).startswith(key + ": ")
    assert str(refused.value).isprintable()


def test_a_repeatable_option_takes_one_text_or_several() -> None:
    assert resolve(Config(trust_host="mx.example")).trust_hosts == ("mx.example",)
    assert resolve(Config(trust_host=["MX.example.", "*.Bücher.example"])).trust_hosts == (
        "mx.example",
        "*.xn--bcher-kva.example",
    )


def test_networks_are_single_addresses_and_blocks_and_mapped_ones_become_ipv4() -> None:
    networks = ["192.0.2.7", "198.51.100.9/24", "2001:db8::/32", "::ffff:10.0.0.0/104"]
    assert resolve(Config(trust_network=networks)).trust_networks == (
        IPv4Network("192.0.2.7/32"),
        IPv4Network("198.51.100.0/24"),
        IPv6Network("2001:db8::/32"),
        IPv4Network("10.0.0.0/8"),
    )


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("receipt", AtMode.RECEIPT),
        ("now", AtMode.NOW),
        ("2026-01-01T00:00:00Z", 1767225600),
        ("2026-01-01t01:00:00.5+01:00", 1767225600),
        ("2026-01-01 00:00:00z", 1767225600),
        (1767225600, 1767225600),
        (datetime(2026, 1, 1, tzinfo=UTC), 1767225600),
    ],
)
def test_the_time_of_judging_has_three_forms(at: object, expected: object) -> None:
    assert resolve(Config(at=at)).at == expected


def test_a_time_may_stand_in_the_file_with_and_without_quotes() -> None:
    assert resolve(parse("at = 2026-01-01T00:00:00Z")).at == 1767225600
    assert resolve(parse('at = "2026-01-01T00:00:00Z"')).at == 1767225600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]", ("::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_resolver_is_an_address_with_or_without_a_port(text: str, expected: tuple[str, int]) -> None:
    assert lookup(Config(resolver=text)).resolvers == (expected,)


def test_answers_come_from_the_network_from_nowhere_or_from_a_recording() -> None:
    assert lookup(Config(dns="live")).mode is DnsMode.LIVE
    assert lookup(Config(dns="none")).mode is DnsMode.NONE
    replay = lookup(Config(dns="case.dns.jsonl", record="out.jsonl"))
    assert (replay.mode, replay.recording, replay.record) == (
        DnsMode.RECORDING,
        Path("case.dns.jsonl"),
        Path("out.jsonl"),
    )


def test_the_null_reverse_path_is_not_an_unknown_one() -> None:
    assert envelope(Config(mail_from="<>")).mail_from == ""
    assert envelope(Config(mail_from="")).mail_from == ""
    assert envelope(Config()).mail_from is None


def test_an_envelope_is_normalised() -> None:
    given_envelope = Envelope(
        client_ip="::ffff:192.0.2.1", helo=" mx.example ", mail_from="<a@b.example>", rcpt_to=("<c@d.example>",)
    )
    assert check_envelope(given_envelope) == Envelope(
        client_ip="192.0.2.1", helo="mx.example", mail_from="a@b.example", rcpt_to=("c@d.example",)
    )


@given(st.text(max_size=50).filter(lambda text: "<" not in text and ">" not in text))
def test_any_text_of_an_envelope_is_kept_on_one_line_or_refused(text: str) -> None:
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        with pytest.raises(ConfigError, match="control character") as refused:
            check_envelope(Envelope(helo=text))
        assert one_line(str(refused.value)) == str(refused.value)
    else:
        checked = check_envelope(Envelope(mail_from=text)).mail_from
        assert checked is not None
        assert all(unicodedata.category(char) != "Cc" for char in checked)
        checked.encode("utf-8")


def test_the_word_none_names_no_profile_and_infers_none() -> None:
    settings = resolve(Config(receiver="none"))
    assert settings.receivers == ()
    assert not settings.auto


def test_receivers_are_named_from_the_mailbox_outwards_and_infer_nothing() -> None:
    settings = resolve(Config(receiver=["microsoft365", "Gmail"]))
    assert [profile.name for profile in settings.receivers] == ["microsoft365", "gmail"]
    assert not settings.auto


def test_by_default_a_profile_may_be_inferred_from_all_that_are_known() -> None:
    settings = resolve(Config())
    assert settings.auto
    assert {"gmail", "microsoft365", "yahoo", "icloud"} <= {profile.name for profile in settings.profiles}


def test_an_unknown_receiver_is_refused_with_what_it_may_have_meant() -> None:
    with pytest.raises(ConfigError, match="did you mean gmail") as refused:
        resolve(Config(receiver="gmial"))
    assert refused.value.key == "receiver"
    with pytest.raises(ConfigError, match=r"known are .*, gmail, .*none"):
        resolve(Config(receiver="xxxxxxxx"))


@pytest.mark.parametrize("word", ["auto", "none"])
def test_the_words_that_name_no_profile_stand_alone(word: str) -> None:
    with pytest.raises(ConfigError, match=f"{word} cannot stand beside another"):
        resolve(Config(receiver=["gmail", word]))


def test_profiles_of_the_users_own_come_to_the_others_and_win(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[gmail]\ntitle = "Mine"\nhosts = ["mx.mine.example"]\n[mine]\nhosts = ["*.mine.example"]\n')
    settings = resolve(Config(receiver=["mine", "gmail"], profiles=str(own)))
    assert [profile.hosts for profile in settings.receivers] == [("*.mine.example",), ("mx.mine.example",)]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"[mine]\nhots = []", "hots"),
        (b"= =", "not TOML"),
        (b"\xff", "is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_broken_file_of_profiles_is_named(tmp_path: Path, octets: bytes | None, words: str) -> None:
    own = tmp_path / "own.toml"
    if octets is not None:
        own.write_bytes(octets)
    with pytest.raises(ConfigError, match=re.escape(f"{own}: ")) as refused:
        resolve(Config(profiles=str(own)))
    assert refused.value.key == "profiles"
    assert words in refused.value.problem


def test_the_old_standard_has_the_public_suffix_list() -> None:
    pytest.importorskip("publicsuffixlist")
    assert resolve(Config()).public_suffix is None
    public_suffix = resolve(Config(dmarc="rfc7489")).public_suffix
    assert public_suffix is not None
    assert public_suffix("a.b.example.co.uk") == "example.co.uk"


def test_without_the_extra_the_old_standard_is_refused_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str | None:
        raise ImportError(name)

    monkeypatch.setattr(configuration, "organizational_domain", absent)
    with pytest.raises(ConfigError, match=re.escape('pip install "mailverdict[psl]"')) as refused:
        resolve(Config(dmarc="rfc7489"))
    assert refused.value.key == "dmarc"


# ---- the file -------------------------------------------------------------------------------------


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match='unknown key; did you mean "trust-host"') as refused:
        parse('trusted-hosts = ["mx.example"]')
    assert refused.value.key == "trusted-hosts"


@pytest.mark.parametrize("value", [-1, (1 << 62) + 1, 1 << 70])
def test_a_limit_that_is_no_count_is_an_error(value: int) -> None:
    with pytest.raises(ConfigError, match=r"limits\.header-fields"):
        resolve(Config(limits=Limits(header_fields=value)))
    assert resolve(Config(limits=Limits(header_fields=1 << 62))).limits.header_fields == 1 << 62


def test_an_unknown_limit_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown key") as refused:
        parse("[limits]\nspf-lookup = 3")
    assert refused.value.key == "limits.spf-lookup"


def test_a_key_in_both_spellings_is_refused() -> None:
    with pytest.raises(ConfigError, match="given twice") as refused:
        parse('authserv-id = "a"\nauthserv_id = "b"')
    assert refused.value.key == "authserv-id"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("dns-timeout = 'fast'", "dns-timeout"),
        ("trust-host = 5", "trust-host"),
        ("trust-network = ['192.0.2.1', 5]", "trust-network"),
        ("limits = 5", "limits"),
        ("[limits]\narc-sets = 'many'", "limits.arc-sets"),
        ("verbose = 'yes'", "verbose"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert refused.value.key == key
    assert "expected" in refused.value.problem


def test_limits_are_set_by_their_names() -> None:
    limits = resolve(parse("[limits]\nspf-lookups = 20\narc_sets = 5")).limits
    assert limits == Limits(spf_lookups=20, arc_sets=5)


def test_paths_in_a_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "mailverdict.toml"
    file.write_text('dns = "case.jsonl"\nrecord = "/abs.jsonl"\noutput = ["a.json"]\n')
    config = load(file)
    assert config.dns == str(tmp_path / "case.jsonl")
    assert config.record == "/abs.jsonl"
    assert config.output == [str(tmp_path / "a.json")]
    file.write_text('dns = "none"\n')
    assert load(file).dns == "none"


def test_the_first_file_found_is_read(tmp_path: Path) -> None:
    named, by_variable, users = tmp_path / "named.toml", tmp_path / "variable.toml", tmp_path / "mailverdict"
    users.mkdir()
    for path, name in ((named, "named"), (by_variable, "variable"), (users / "mailverdict.toml", "users")):
        path.write_text(f'authserv-id = "{name}"')
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/nonexistent"}
    assert load(None, environ).authserv_id == "users"
    environ["MAILVERDICT_CONFIG"] = str(by_variable)
    assert load(None, environ).authserv_id == "variable"
    assert load(named, environ).authserv_id == "named"


def test_without_a_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(configuration, "search_path", lambda environ: (tmp_path / "absent.toml",))
    assert load(None, {}) == Config()


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/home/u"}, "/home/u/.config/mailverdict/mailverdict.toml"),
        ("linux", {"HOME": "/home/u", "XDG_CONFIG_HOME": "/x"}, "/x/mailverdict/mailverdict.toml"),
        ("darwin", {"HOME": "/Users/u"}, "/Users/u/Library/Application Support/mailverdict/mailverdict.toml"),
        ("win32", {"USERPROFILE": "/u", "APPDATA": "/u/AppData"}, "/u/AppData/mailverdict/mailverdict.toml"),
    ],
)
def test_the_users_folder_is_that_of_the_system(platform: str, environ: dict[str, str], expected: str) -> None:
    places = configuration.search_path(environ, platform)
    assert places[0].as_posix() == expected
    assert (Path("/etc/mailverdict.toml") in places) == (platform != "win32")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"dns = ", "is not valid TOML: "),
        (b"dns = 'live'\nx = = 3", "at line 2"),
        (b"helo = '\xff'", "is not UTF-8"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path: Path, octets: bytes, words: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(octets)
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert "broken.toml" in str(refused.value)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load(None, {"MAILVERDICT_CONFIG": str(tmp_path / "absent.toml")})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_config_is_a_value() -> None:
    assert msgspec.structs.replace(Config(), helo="x") == Config(helo="x")
    with pytest.raises(AttributeError):
        Config().helo = "x"  # type: ignore[misc]
