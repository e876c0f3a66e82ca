"""Two real messages with the TXT records that they need, as their ``expected.md`` derives them.

The tree walk of RFC 9989 also asks for names that were not recorded there.  Those are answered NXDOMAIN by the test,
which is an assumption of the test; without it the first message is ``not-recorded``, and the second needs none.
"""

import pytest

from tests.suites_path import SUITES
from tests.zone import Zone
from verify.evaluate import evaluate
from verify.model import (
    ArcWord,
    ConclusionReason,
    DkimWord,
    DmarcWord,
    Envelope,
    Outcome,
    PolicyWord,
    Reason,
    Settings,
    SpfWord,
    Verdict,
)
from verify.profiles import builtin_profiles
from verify.reading.message import parse_message

FOLDER = SUITES / "messages"
NOW = 1_767_225_600
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the public suites are not at {SUITES}")
GMAIL = next(p for p in builtin_profiles() if p.name == "gmail")


def judge(name, *, walk=True):
    records = {}
    for path in (FOLDER / "dns").glob("*.dns"):
        kind, _, text = path.read_text().strip().partition(":")
        records[path.name.removesuffix(".dns")] = {kind.strip().upper(): [text.strip()]}
    zone = Zone(records, observed_at=NOW)

    def ask(question):
        answer = zone.ask(question)
        known = question.name in records and question.rdtype == "TXT"
        if known or (walk and question.name.startswith("_dmarc.")):
            return answer
        return Zone({question.name: Outcome.NOT_RECORDED}).ask(question)

    raw = (FOLDER / name).read_bytes()
    settings = Settings(receivers=(GMAIL,), auto=False)
    verdict = evaluate(parse_message(raw), Envelope(), ask, NOW, settings)
    assert isinstance(verdict, Verdict)
    return verdict


def test_the_first_message_passes_by_spf_alone_since_rsa_sha1_has_failed_for_good():
    verdict = judge("001.mail")
    mail_from = verdict.spf[0]
    assert verdict.origin.client_ip == "192.254.112.98"
    assert (mail_from.domain, mail_from.result) == ("sgmail.github.com", SpfWord.PASS)
    assert [(s.domain, s.result, s.reason) for s in verdict.dkim] == [
        ("github.com", DkimWord.PERMERROR, Reason.RSA_SHA1),
        ("sendgrid.info", DkimWord.PERMERROR, Reason.RSA_SHA1),
    ]
    assert [s.b for s in verdict.dkim] == ["SuEKjwfk", "iIicLeoJ"]
    assert verdict.arc.result is ArcWord.NONE
    assert verdict.author.domain == "github.com"
    assert (verdict.dmarc.result, verdict.dmarc.applied_policy) == (DmarcWord.PASS, PolicyWord.REJECT)
    assert verdict.conclusion_reason is ConclusionReason.SPF_ALIGNED
    assert len(verdict.hops) == 4
    assert verdict.origin.border == 1


def test_the_first_message_cannot_be_told_while_the_walk_is_not_recorded():
    verdict = judge("001.mail", walk=False)
    assert verdict.conclusion_reason is ConclusionReason.NOT_RECORDED
    assert (verdict.dmarc.result, verdict.dmarc.reason) == (None, Reason.NOT_RECORDED)


@pytest.mark.parametrize("walk", [True, False])
def test_the_second_message_passes_by_its_signature_and_needs_no_walk(walk):
    verdict = judge("002.mail", walk=walk)
    assert verdict.origin.client_ip == "192.30.252.192"
    assert (verdict.spf[0].domain, verdict.spf[0].result) == ("github.com", SpfWord.PASS)
    assert [(s.domain, s.selector, s.result, s.key_bits, s.testing) for s in verdict.dkim] == [
        ("github.com", "pf2014", DkimWord.PASS, 1024, False)
    ]
    assert verdict.dkim[0].b == "1crXUDuJ"
    assert verdict.arc.result is ArcWord.PASS
    assert [(s.instance, s.sealer) for s in verdict.arc.sets] == [(1, "google.com")]
    assert verdict.dmarc.result is DmarcWord.PASS
    assert verdict.conclusion_reason is ConclusionReason.DKIM_ALIGNED
    assert [a.address for a in verdict.author.addresses] == ["notifications@github.com"]


@pytest.mark.parametrize("name", ["001.mail", "002.mail"])
def test_what_the_receiver_recorded_is_believed_and_compared(name):
    trusted = [r for r in judge(name).recorded if r.standing == "trusted" and r.field == "Authentication-Results"]
    assert [r.authserv_id for r in trusted] == ["mx.google.com"]
    methods = {r.method: r.result for r in trusted[0].results}
    assert methods["dmarc"] == "pass"
    assert methods["spf"] == "pass"
