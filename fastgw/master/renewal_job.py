"""A renewal beside the running gateway: certificate files that have changed are looked at, and
those that may take the place of the old ones are put into memory for the workers.

What it takes hardly grows with the number of certificates: the memory holds those alone that were
renewed since the plan was compiled.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgpack

from fastgw.master.compiler import CompileError
from fastgw.master.generation import CERTIFICATES, Generation, new_memory, seal
from fastgw.master.job import Job
from fastgw.tls.bundle import Bundle, open_bundle, pack_bundle
from fastgw.tls.renewal import NotRenewable, renewed


class RenewalJob(Job):
    """One renewal of some files of a generation."""

    name = "the renewal of certificate files"

    def __init__(self, generation: Generation, files: set[str], leave: Callable[[], None]) -> None:
        self.generation, self.files = generation, files
        self.options = generation.tls_options()
        self.fd = new_memory(CERTIFICATES)
        super().__init__(leave, [self.fd])

    def work(self) -> bytes:
        """Look at the files, and seal what all that were renewed hold."""
        running = self.generation
        bundle = open_bundle(running.bundle_fd, running.renewed_fd)
        try:
            content = renewed(bundle, self.options, self.files)
        except NotRenewable as e:
            raise CompileError([str(e)]) from None
        before = bundle.renewed or Bundle(pack_bundle({}))
        seal(self.fd, pack_bundle(before.content() | content))
        digests: bytes = msgpack.packb(list(content))
        return digests

    def result(self) -> list[str]:
        """The digests whose files were renewed, once the child has ended: the generation has them
        now. CompileError: it takes a reload, and why."""
        digests: list[str] = msgpack.unpackb(self.answer())
        if digests:
            self.generation.renew(self.fd)
        else:
            os.close(self.fd)
        return digests
