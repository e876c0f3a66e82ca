"""dkimpy and pyspf are imported without their DNS client, and nobody else in the process is the poorer."""

import subprocess
import sys

OTHERS = ("dkim", "spf", "dns", "email", "logging", "nacl", "authres")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_nothing_of_the_libraries_or_of_what_stood_in_stays_behind():
    assert run(f"import sys, verify.libraries; print([m for m in sys.modules if m.split('.')[0] in {OTHERS}])") == "[]"


def test_whoever_imports_them_besides_gets_them_whole():
    program = (
        "import verify.libraries as ours, spf, dkim, dns.resolver, email.message\n"
        "assert spf.dns.resolver is dns.resolver and dns.resolver.Resolver\n"
        "assert spf is not ours.pyspf and dkim is not ours.dkimpy\n"
        "assert spf.query(i='192.0.2.1', s='a@b.test', h='b.test').check(spf='v=spf1 +all')[0] == 'pass'\n"
        "print(email.message.Message.__module__)"
    )
    assert run(program) == "email.message"


def test_what_was_there_before_stays_what_it_was():
    program = (
        "import sys, re, logging, spf, dns.resolver, email.message\n"
        f"before = {{n: m for n, m in sys.modules.items() if n.split('.')[0] in {('re', *OTHERS)}}}\n"
        "import verify.libraries\n"
        "print(all(sys.modules.get(n) is m for n, m in before.items()))"
    )
    assert run(program) == "True"


def test_patterns_of_the_libraries_are_compiled_late_and_are_the_same():
    program = (
        "import re, spf; from verify.libraries import pyspf\n"
        "names = [name for name, value in vars(spf).items() if isinstance(value, re.Pattern)]\n"
        "same = [getattr(pyspf, name).pattern == getattr(spf, name).pattern for name in names]\n"
        "same += [getattr(pyspf, name).flags == getattr(spf, name).flags for name in names]\n"
        "print(len(names) > 5, all(same), isinstance(pyspf.RE_IP6, re.Pattern))"
    )
    assert run(program) == "True True False"


def test_keys_are_read_by_what_the_library_publishes_for_it():
    program = (
        "from verify.checks import keys; from cryptography.hazmat.primitives import serialization\n"
        "print(keys._load_der_public_key is serialization.load_der_public_key)"
    )
    assert run(program) == "True"


def test_one_message_is_judged_without_a_dns_client_or_an_event_loop():
    program = (
        "import sys, verify\n"
        "verify.verify_message(b'From: a@b.test\\r\\n\\r\\n', config=verify.Config(dns='none'))\n"
        "print([m for m in ('dns', 'asyncio', 'ssl', 'rich', 'jinja2', 'distributed') if m in sys.modules])"
    )
    assert run(program) == "[]"
