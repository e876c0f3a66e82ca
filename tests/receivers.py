"""What receivers write into the header: for each provider a block of fields seen in real mail, and its kin.

Hosts and addresses are invented (client 203.0.113.5 ``mail.s.example``, MAIL FROM b@s.example); gaps of the lines
as they were handed down are filled; a line that says ``assumed`` was added where none was known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIELDS = """\
DKIM-Signature: v=1; a=rsa-sha256; d=s.example; s=k1; h=from; bh=x; b=y
From: A <a@s.example>
To: u@r.example
Subject: hello
Date: Fri, 02 Jan 2026 03:04:00 +0000
"""


@dataclass(frozen=True)
class Receiver:
    """``top``, ``tail``: what it writes above and below the sender's fields.

    ``standing``: of its Received fields; ``recorded``: of its recorded fields, from the top; ``sent``: the header of a
    mail that its own user sent, as it lies in the sent folder; ``customer``: address and name of a server by which
    another customer's mail comes in.
    """

    top: str
    tail: str = ""
    standing: tuple[str, ...] = ("border",)
    recorded: tuple[str, ...] = ()
    helo: str | None = "mail.s.example"
    mail_from: str | None = "b@s.example"
    received_at: str = "2026-01-02T03:04:05+00:00"
    sent: str = ""
    customer: tuple[str, str] = ("198.51.100.99", "out.provider.example")
    likely: bool = True
    clear: tuple[int, ...] = field(default=())

    def message(self, fields: str = FIELDS) -> bytes:
        return f"{self.top}{fields}{self.tail}\ntext\n".encode()


RECEIVERS: dict[str, Receiver] = {
    "gmail": Receiver(
        top="""\
Delivered-To: u@r.example
Received: by 2002:a05:6402:1a2b:b0:5f0:1234:5678 with SMTP id ab12csp345678edb; Fri, 02 Jan 2026 03:04:06 -0800 (PST)
X-Received: by 2002:a17:907:9720:b0:b6d:5914:1234 with SMTP id jg32-20020a17090797200000.1; Fri, 02 Jan 2026 03:04:05 -0800 (PST)
ARC-Seal: i=1; a=rsa-sha256; t=1767352145; cv=none; d=google.com; s=arc-20240605; b=x
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20240605; h=from; bh=x; b=y
ARC-Authentication-Results: i=1; mx.google.com; dkim=pass header.i=@s.example header.s=k1 header.b="a/b1c2d3"; spf=pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=s.example
Return-Path: <b@s.example>
Received: from mail.s.example (mail.s.example. [203.0.113.5]) by mx.google.com with ESMTPS id a1-2si345edc.67.2026.01.02.03.04.05 for <u@r.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Fri, 02 Jan 2026 03:04:05 -0800 (PST)
Received-SPF: pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5;
Authentication-Results: mx.google.com; dkim=pass header.i=@s.example header.s=k1 header.b="a/b1c2d3"; arc=pass (i=1); spf=pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=s.example
""",
        standing=("ours", "border"),
        recorded=("trusted", "trusted", "trusted"),
        received_at="2026-01-02T11:04:05+00:00",
        sent="""\
Return-Path: <u@r.example>
Received: from [192.168.1.20] (dsl.isp.example. [198.51.100.20]) by smtp.gmail.com with ESMTPSA id a640c23a62f3a-b7.2026.01.02.03.04.05 for <x@y.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Fri, 02 Jan 2026 03:04:05 -0800 (PST)
""",
        customer=("209.85.220.41", "mail-sor-f41.google.com"),
    ),
    "microsoft365": Receiver(
        top="""\
Received: from DM6PR01MB0001.prod.exchangelabs.com (::1) by DS7PR19MB0002.namprd19.prod.outlook.com with HTTPS; Fri, 02 Jan 2026 03:04:07 +0000
Received: from AM6P194CA0052.EURP194.PROD.OUTLOOK.COM (2603:10a6:209:84::29) by DS7PR19MB0002.namprd19.prod.outlook.com (2603:10b6:8:97::12) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.6631.39; Fri, 02 Jan 2026 03:04:06 +0000
Authentication-Results: spf=pass (sender IP is 203.0.113.5) smtp.mailfrom=s.example; dkim=pass (signature was verified) header.d=s.example;dmarc=pass action=none header.from=s.example;compauth=pass reason=100
Received-SPF: Pass (protection.outlook.com: domain of s.example designates 203.0.113.5 as permitted sender) receiver=protection.outlook.com; client-ip=203.0.113.5; helo=mail.s.example; pr=C
Received: from mail.s.example (203.0.113.5) by VI1EUR06FT019.mail.protection.outlook.com (10.13.7.161) with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.6631.42 via Frontend Transport; Fri, 02 Jan 2026 03:04:05 +0000
""",
        tail="""\
Return-Path: b@s.example
X-MS-Exchange-Organization-AuthSource: VI1EUR06FT019.eop-eur06.prod.protection.outlook.com
X-MS-Exchange-Organization-AuthAs: Anonymous
X-Sender-IP: 203.0.113.5
X-Forefront-Antispam-Report: CIP:203.0.113.5;CTRY:US;H:mail.s.example;PTR:mail.s.example
""",
        standing=("ours", "ours", "border"),
        recorded=("trusted", "trusted"),
        sent="""\
Received: from AM5PR0402MB2836.eurprd04.prod.outlook.com ([fe80::19bd:c588:dd17:5226]) by AM5PR0402MB2836.eurprd04.prod.outlook.com ([fe80::19bd:c588:dd17:5226%6]) with mapi id 15.20.1943.023; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("40.107.1.99", "EUR01-DB5-obe.outbound.protection.outlook.com"),
    ),
    "exchange": Receiver(
        top="""\
Received: from ex02.r.example (10.1.2.4) by ex02.r.example (10.1.2.4) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6 via Mailbox Transport; Fri, 02 Jan 2026 03:04:07 +0000
Received: from ex01.r.example (10.1.2.3) by ex02.r.example (10.1.2.4) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6; Fri, 02 Jan 2026 03:04:06 +0000
Received: from mail.s.example (203.0.113.5) by ex01.r.example (10.1.2.3) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6 via Frontend Transport; Fri, 02 Jan 2026 03:04:05 +0000
""",
        tail="""\
Return-Path: b@s.example
X-MS-Exchange-Organization-AuthSource: ex01.r.example
X-MS-Exchange-Organization-AuthAs: Anonymous
""",
        standing=("ours", "ours", "border"),
        sent="""\
Received: from ex01.r.example ([fe80::1:2]) by ex01.r.example ([fe80::1:2%13]) with mapi id 15.01.2507.017; Fri, 02 Jan 2026 03:04:05 +0000
""",
        likely=False,
    ),
    "yahoo": Receiver(
        top="""\
X-Apparently-To: u@yahoo.example via 98.0.0.1; Fri, 02 Jan 2026 03:04:06 +0000
Return-Path: <b@s.example>
Authentication-Results: atlas108.free.mail.bf1.yahoo.com; dkim=pass header.i=@s.example header.s=k1; spf=pass smtp.mailfrom=s.example; dmarc=pass(p=REJECT,sp=QUARANTINE) header.from=s.example;
Received-SPF: pass (domain of s.example designates 203.0.113.5 as permitted sender)
Received: from 10.2.1.5 by atlas209.free.mail.ne1.yahoo.com pod-id NONE with HTTPS; Fri, 02 Jan 2026 03:04:06 +0000
Received: from 203.0.113.5 (EHLO mail.s.example) (203.0.113.5) by mta232.mail.x.yahoo.com with SMTP; Fri, 02 Jan 2026 03:04:05 +0000
""",
        standing=("ours", "border"),
        recorded=("trusted", "trusted"),
        sent="""\
Received: from sonic.gate.mail.ne1.yahoo.com by sonic301.consmr.mail.bf2.yahoo.com with HTTP; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("66.163.188.99", "sonic301-99.consmr.mail.bf2.yahoo.com"),
        clear=(1,),
    ),
    "icloud": Receiver(
        top="""\
Received: from p00-mailgateway-1.p00-mailgateway.svc.icloud.com (p00-mailgateway-1.icloud.com [10.36.1.2]) by p42-mailmx-1 (Postfix) with ESMTPS id 1; Fri, 02 Jan 2026 03:04:06 +0000
X-Apple-MoveToFolder: INBOX
X-Apple-Action: MOVE_TO_FOLDER/INBOX
Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"
X-ARC-Info: policy=fail; arc=none
Authentication-Results: arc.icloud.com; arc=none
Authentication-Results: dmarc.icloud.com; dmarc=pass header.from=s.example
X-DMARC-Info: pass=pass; dmarc-policy=reject; s=r1; d=r1
X-DMARC-Policy: v=DMARC1; p=reject
Authentication-Results: dkim-verifier.icloud.com; dkim=pass (2048-bit key) header.d=s.example header.i=@s.example header.b=AbCdEfGh
Authentication-Results: spf.icloud.com; spf=pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example
Received-SPF: pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) receiver=spf.icloud.com; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example
Received: from mail.s.example (mail.s.example [203.0.113.5]) by p00-icloudmta-asmtp-us-east-1k-10-percent-1 (Postfix) with ESMTPS id 2 for <u@icloud.example>; Fri, 02 Jan 2026 03:04:05 +0000
""".replace("by p42-mailmx-1 ", "by p42-icloudmta.icloud.com "),
        standing=("ours", "border"),
        recorded=("trusted",) * 6,
        sent="""\
Received: from smtpclient.apple (unknown [198.51.100.20]) by p00-icloudmta-asmtp-us-west-3a-100-percent-8 (Postfix) with ESMTPSA id 3; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("17.58.6.99", "pv50p00im-ztdg10012001.me.com"),
    ),
    "fastmail": Receiver(
        top="""\
Return-Path: <b@s.example>
Received: from phl-compute-01.internal (phl-compute-01.nyi.internal [10.202.2.41]) by sloti22d1t06 (Cyrus 3.9.0-alpha0) with LMTPA; Fri, 02 Jan 2026 03:04:07 +0000
X-Mail-from: b@s.example
Received: from mx1.messagingengine.com (localhost [127.0.0.1]) by mailmx.nyi.internal (Postfix) with ESMTP id 1; Fri, 02 Jan 2026 03:04:06 +0000
Received: from mx1.messagingengine.com (localhost [127.0.0.1]) by mx1.messagingengine.com (Authentication Milter) with ESMTP id 2; Fri, 02 Jan 2026 03:04:06 +0000
Authentication-Results: mx1.messagingengine.com; x-csa=none; x-me-sender=none; x-ptr=pass smtp.helo=mail.s.example policy.ptr=mail.s.example
Authentication-Results: mx1.messagingengine.com; dmarc=pass policy.published-domain-policy=reject policy.applied-disposition=none policy.evaluated-disposition=none (p=reject,d=none,d.eval=none) policy.policy-from=p header.from=s.example; iprev=pass smtp.remote-ip=203.0.113.5 (mail.s.example); spf=pass smtp.mailfrom=b@s.example smtp.helo=mail.s.example
Received-SPF: pass (s.example: 203.0.113.5 is authorized) receiver=mx1.messagingengine.com; identity=mailfrom; envelope-from="b@s.example"; helo=mail.s.example; client-ip=203.0.113.5
Received: from mail.s.example (mail.s.example [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mx1.messagingengine.com (Postfix) with ESMTPS id 3 for <u@fastmail.example>; Fri, 02 Jan 2026 03:04:05 +0000
""",
        standing=("ours", "ours", "ours", "border"),
        recorded=("trusted",) * 3,
        sent="""\
Received: from phl-imap-01 (phl-imap-01.internal [10.202.2.91]) by mailuser.nyi.internal (Postfix) with ESMTP id 4; Fri, 02 Jan 2026 03:04:05 +0000
Received: by mailuser.nyi.internal (Postfix, from userid 501) id 5; Fri, 02 Jan 2026 03:04:04 +0000
""",
        customer=("66.111.4.99", "out5-smtp.messagingengine.com"),
    ),
    "proton": Receiver(
        top="""\
Return-Path: <b@s.example>
X-Original-To: u@proton.example
Delivered-To: u@proton.example
Authentication-Results: mailin034.protonmail.ch; dmarc=pass (p=reject dis=none) header.from=s.example
Authentication-Results: mailin034.protonmail.ch; spf=pass smtp.mailfrom=s.example
Authentication-Results: mailin034.protonmail.ch; arc=none smtp.remote-ip=203.0.113.5
Authentication-Results: mailin034.protonmail.ch; dkim=pass (2048-bit key) header.d=s.example header.i=@s.example header.b=AbCdEfGh
Received: from mail.s.example (mail.s.example [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mailin034.protonmail.ch (Postfix) with ESMTPS id 1 for <u@proton.example>; Fri, 02 Jan 2026 03:04:05 +0000
""",
        recorded=("trusted",) * 4,
        sent="""\
Received: from mail.protonmail.ch by mail.protonmail.ch with HTTP; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("185.70.43.99", "mail-4399.protonmail.ch"),
    ),
    "zoho": Receiver(
        top="""\
Delivered-To: u@zoho.example
Authentication-Results: mx.zohomail.eu; dkim=pass; spf=pass (zohomail.eu: domain of _spf.s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass(p=none dis=none) header.from=s.example
Return-Path: <b@s.example>
Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx.zohomail.eu with SMTPS id 1767323045123; Fri, 02 Jan 2026 03:04:05 +0000
""",
        recorded=("trusted",),
        sent="""\
Received: from mail.zoho.eu by mx.zoho.eu with SMTP id 1767323045124; Fri, 02 Jan 2026 03:04:05 +0000
""".replace("with SMTP", "with HTTP"),
        customer=("136.143.188.99", "sender4-op-o99.zoho.com"),
    ),
    "gmx": Receiver(
        top="""\
Return-Path: <b@s.example>
Authentication-Results: gmx.net; dkim=pass header.i=@s.example
Received: from mail.s.example ([203.0.113.5]) by mx-ha.gmx.net (mxgmx009 [212.227.15.9]) with ESMTPS (Nemesis) id 1MvbL0-1 for <u@gmx.example>; Fri, 02 Jan 2026 03:04:05 +0000
""",
        recorded=("trusted",),
        sent="""\
Received: from [198.51.100.20] ([198.51.100.20]) by 3c-app-gmx-bs19.server.lan (via HTTP); Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("212.227.17.99", "mout.gmx.net"),
    ),
    "mailru": Receiver(
        top="""\
Return-Path: <b@s.example>
Received: from mail.s.example ([203.0.113.5]:46170) by mx273.i.mail.ru with esmtp (envelope-from <b@s.example>) id 1abc; Fri, 02 Jan 2026 03:04:05 +0000
""",
        tail="""\
Authentication-Results: mxs.mail.ru; spf=pass (mx273.i.mail.ru: domain of s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example smtp.helo=mail.s.example; dkim=pass header.d=s.example; dmarc=pass header.from=b@s.example
""",
        recorded=("untrusted",),  # among the author's fields, where a sender may write as well
        sent="""\
Received: by e.mail.ru with HTTP; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("217.69.138.99", "f99.i.mail.ru"),
        likely=False,
        clear=(0,),
    ),
    "yandex": Receiver(
        top="""\
Received: from x.qloud-c.yandex.net (x.qloud-c.yandex.net [2a02:6b8:c0c:1::2]) by y.qloud-c.yandex.net (Yandex) with LMTP id 1; Fri, 02 Jan 2026 03:04:06 +0000
Authentication-Results: x.qloud-c.yandex.net; spf=pass (x.qloud-c.yandex.net: domain of s.example designates 203.0.113.5 as permitted sender, rule=[ip4:203.0.113.0/24]) smtp.mail=b@s.example; dkim=pass header.i=@s.example
Received: from mail.s.example (mail.s.example [203.0.113.5]) by x.qloud-c.yandex.net (mxfront/Yandex) with ESMTPS id 2; Fri, 02 Jan 2026 03:04:05 +0000
""",
        standing=("ours", "border"),
        recorded=("trusted",),
        sent="""\
Received: by y.qloud-c.yandex.net with HTTP; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("77.88.28.99", "forward101.mail.yandex.net"),
    ),
    "ses": Receiver(
        top="""\
Return-Path: <b@s.example>
Received: from mail.s.example (mail.s.example [203.0.113.5]) by inbound-smtp.us-east-1.amazonaws.com with SMTP id abc for u@r.example; Fri, 02 Jan 2026 03:04:05 +0000 (UTC)
X-SES-Spam-Verdict: PASS
X-SES-Virus-Verdict: PASS
Received-SPF: pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example;
Authentication-Results: amazonses.com; spf=pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example; dkim=pass header.i=@s.example; dmarc=pass header.from=s.example;
""",
        recorded=("trusted", "trusted"),
        customer=("54.240.8.99", "a8-99.smtp-out.us-west-2.amazonses.com"),
        clear=(0,),
    ),
    "proofpoint": Receiver(
        top="""\
Return-Path: <b@s.example>
Received: from pps.filterd (m0098419.ppops.net [127.0.0.1]) by mx0b-000.pphosted.com (8.17.1.5/8.17.1.5) with ESMTP id 1; Fri, 02 Jan 2026 03:04:06 +0000
Authentication-Results: ppops.net; spf=pass smtp.mailfrom=b@s.example
Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx0b-000.pphosted.com (PPS) with ESMTPS id 2 for <u@r.example>; Fri, 02 Jan 2026 03:04:05 +0000
""",
        standing=("ours", "border"),
        recorded=("trusted",),
        customer=("148.163.150.99", "mx0a-999.pphosted.com"),
    ),
    "mimecast": Receiver(
        top="""\
Return-Path: <b@s.example>
Authentication-Results: relay.mimecast.com; dkim=pass header.d=s.example; spf=pass smtp.mailfrom=b@s.example
Received: from mail.s.example (mail.s.example [203.0.113.5]) by relay.mimecast.com with ESMTP with STARTTLS (version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id us-mta-51-abc; Fri, 02 Jan 2026 03:04:05 +0000
""",
        recorded=("trusted",),
        sent="""\
Received: from xx-mta-51.xx.mimecast.lan (xx-mta-51 [10.1.1.1]) by relay.mimecast.com with ESMTPA id 3; Fri, 02 Jan 2026 03:04:05 +0000
""",
        customer=("207.211.30.99", "us-smtp-1.mimecast.com"),
    ),
    "cisco": Receiver(
        top="""\
Return-Path: <b@s.example>
Received-SPF: Pass (esa2.x.iphmx.com: domain of b@s.example designates 203.0.113.5 as permitted sender) identity=mailfrom; client-ip=203.0.113.5; receiver=esa2.x.iphmx.com; envelope-from="b@s.example"; x-sender="b@s.example"; x-conformance=sidf_compatible; x-record-type="v=spf1"
Authentication-Results: esa2.x.iphmx.com; dkim=pass header.i=@s.example
Received: from mail.s.example ([203.0.113.5]) by esa2.x.iphmx.com with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 02 Jan 2026 03:04:05 +0000
""",
        recorded=("trusted", "trusted"),
        customer=("68.232.140.99", "esa9.y.iphmx.com"),
    ),
}
