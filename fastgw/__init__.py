"""fastgw: an API gateway with a compiled data plane, extended in Python."""

from fastgw.policy import Headers, Policy, Record, Request, Response, ViewExpired

__all__ = ["Headers", "Policy", "Record", "Request", "Response", "ViewExpired"]
__version__ = "0.1.0"
