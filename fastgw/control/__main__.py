"""`python -m fastgw.control --fd N`: started by the master, see channel.py."""

from __future__ import annotations

import argparse
import sys

from fastgw.control.process import main
from fastgw.privileges import OOM_CONTROL, Identity, drop, set_oom_score
from fastgw.worker import name_process


def read_identity(text: str) -> Identity:
    """UID:GID:NAME, as the master writes it."""
    uid, gid, name = text.split(":", 2)
    return Identity(int(uid), int(gid), name)


parser = argparse.ArgumentParser(prog="python -m fastgw.control")
parser.add_argument("--fd", type=int, required=True, help="control socket, inherited")
parser.add_argument("--run-as", type=read_identity, metavar="UID:GID:NAME")
given = parser.parse_args()
name_process("fastgw-control")
set_oom_score(OOM_CONTROL)
# Its modules are loaded, which somebody else might not be allowed to read; nothing is opened.
drop(given.run_as)
sys.exit(main(given.fd))
