"""A milter on libmilter (by pymilter) with the same rules as ours, but for the verdict: which action, the author tells.

    /usr/bin/python3 oracle_milter.py SOCKET

It shares no code with the program.
"""

import re
import sys

import Milter

OURS = re.compile(r"\s*mx\.r\.example\s*;", re.IGNORECASE)


class Oracle(Milter.Base):
    def __init__(self):
        self.id = Milter.uniqueID()
        self.fields = []

    @Milter.noreply
    def envfrom(self, sender, *parameters):
        self.fields = []
        return Milter.CONTINUE

    @Milter.decode("bytes")
    @Milter.noreply
    def header(self, name, value):
        self.fields.append((name, value.decode("latin-1")))
        return Milter.CONTINUE

    @Milter.noreply
    def eoh(self):
        return Milter.CONTINUE

    @Milter.noreply
    def body(self, chunk):
        return Milter.CONTINUE

    def eom(self):
        author = "".join(value for name, value in self.fields if name.lower() == "from")
        if "@legit.example" in author:
            self.setreply("550", "5.7.1", "Email rejected per DMARC policy for legit.example")
            return Milter.REJECT
        if "@dead.example" in author:
            text = "DMARC for dead.example could not be evaluated, please try again later"
            self.setreply("451", "4.7.1", text)
            return Milter.TEMPFAIL
        seen = 0
        forged = []
        for name, value in self.fields:
            if name.lower() == "authentication-results":
                seen += 1
                if OURS.match(value):
                    forged.append(seen)
        for at in reversed(forged):
            self.chgheader("Authentication-Results", at, "")
        self.addheader("Authentication-Results", " mx.r.example; none", 0)
        if "@quiet.example" in author:
            self.quarantine("mailverdict: policy-quarantine")
        return Milter.CONTINUE


Milter.factory = Oracle
Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS + Milter.QUARANTINE)
Milter.runmilter("oracle", "unix:" + sys.argv[1], timeout=600)
