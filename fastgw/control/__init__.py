"""The control process: what must happen once per node, and never in a request's way.

It serves the admin API and the metrics, and carries the workers' log lines to where they
go. The master starts it (`python -m fastgw.control --fd N`) and starts it again when it
dies; traffic does not notice either. What the two say to each other is in channel.py.

    rings of log lines  -> drain.py      -> sinks.py
    statistics segment  -> statistics.py -> exposition.py -> GET /metrics
    master              <- channel.py    -> node.py       -> api/
"""
