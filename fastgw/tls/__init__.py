"""TLS outside of the data plane: certificate files, their checks, what workers are handed.

settings.py    profiles, and what a listener's or upstream's settings come to
files.py       files read once, known by their digests
listener.py    a listener's certificates, names and rules, as the data plane takes them
upstream.py    the same for an upstream
bundle.py      the files' content, in memory that workers share
tickets.py     keys of session tickets, in memory that workers share
"""
