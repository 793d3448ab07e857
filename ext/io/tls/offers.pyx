# distutils: libraries = ssl crypto
"""Offers; see offers.pxd."""

from collections import OrderedDict
from fastgw.ext.io.tls.certificate cimport Certificate, new_certificate
from fastgw.ext.io.tls.context cimport new_context
from fastgw.ext.io.tls.pem cimport last_error

cdef enum:
    KEPT = 1024                 # offers


cdef Offers new_offers(list settings, list certificates, object files, equip_fn equip):
    """Of a listener: `settings` and `certificates` are its options'. ValueError says which of the
    settings can't be used."""
    cdef Offers made = Offers.__new__(Offers)
    made.settings, made.certificates, made.files = settings, certificates, files
    made.equip = equip
    made.renewed = set()
    made.recent = OrderedDict()
    made.plain = [new_context(one, files, True, None) for one in settings]
    return made


cdef class Offer:
    """See offers.pxd."""


cdef class Offers:
    """See offers.pxd."""

    cdef Offer get(self, tuple key):
        """The offer of (settings, (certificate, ...)); TlsFileError: it can't be made."""
        cdef Offer found = <Offer>self.recent.get(key)
        if found is None:
            found = self.recent[key] = self.make(key)
            if len(self.recent) > KEPT:
                self.recent.popitem(last=False)
        else:
            self.recent.move_to_end(key)
        return found

    cdef Offer make(self, tuple key):
        """Parse the certificates and put them behind their settings."""
        cdef Offer made = Offer.__new__(Offer)
        cdef Certificate c
        made.certificates = tuple([self.parse(self.certificates[i]) for i in key[1]])
        made.context = new_context(
            self.settings[key[0]], self.files, True, <TlsContext>self.plain[key[0]]
        )
        self.equip(made.context.ctx)
        for c in made.certificates:
            if not c.use(made.context.ctx):
                raise ValueError(last_error("a certificate was refused"))
        self.made += 1
        return made

    def parse(self, row: dict) -> Certificate:
        """A certificate with its key."""
        ocsp = self.files[row["ocsp"]] if row.get("ocsp") else b""
        return new_certificate(self.files[row["cert"]], self.files[row["key"]], ocsp)

    # -- over time --------------------------------------------------------------------------

    def renew(self, files: object, digests: list) -> None:
        """The files of these digests, of certificates, hold another content now: it is parsed when
        a name is next asked for."""
        now = set(digests)
        self.files = files
        self.renewed |= now
        for key in list(self.recent):
            if any(now.intersection(self.certificates[i].values()) for i in key[1]):
                del self.recent[key]

    def take_over(self, Offers previous not None):
        """Keep what the generation before had made of the same settings and files: an iterator, an
        offer at a time."""
        cdef tuple here
        indexes = {tuple(sorted(row.items())): i for i, row in enumerate(self.certificates)}
        for key, offer in list(previous.recent.items()):
            yield
            rows = [previous.certificates[i] for i in key[1]]
            if any(previous.renewed.intersection(row.values()) for row in rows):
                continue                # what was parsed is not what the digest says
            found = [indexes.get(tuple(sorted(row.items()))) for row in rows]
            settings = previous.settings[key[0]]
            if None not in found and settings in self.settings:
                here = (self.settings.index(settings), tuple(found))
                self.recent.setdefault(here, offer)
