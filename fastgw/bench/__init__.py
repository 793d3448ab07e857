"""Load, origin and scenarios of the benchmarks, as far as they come with an install.

`fastgw bench` puts a load on a URL or runs a scenario against a gateway of its own; the suite
that compares with other proxies is `python -m bench` in a checkout.
"""
