"""fastgw: an API gateway with a compiled data plane, extended in Python."""

__version__ = "0.1.0"
