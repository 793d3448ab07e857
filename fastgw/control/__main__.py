"""`python -m fastgw.control --fd N`: started by the master, see channel.py."""

from __future__ import annotations

import argparse
import sys

from fastgw.control.process import main
from fastgw.worker import name_process

parser = argparse.ArgumentParser(prog="python -m fastgw.control")
parser.add_argument("--fd", type=int, required=True, help="control socket, inherited")
name_process("fastgw-control")
sys.exit(main(parser.parse_args().fd))
