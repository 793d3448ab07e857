"""The data plane: compiled modules that carry a request from socket to socket.

`ext/README.md` tells the life of a request and which package owns what.
"""

if __name__ != "fastgw.ext":
    raise ImportError(
        "the data plane is imported as 'fastgw.ext', never as "
        f"{__name__!r}: two names for one compiled module would be two sets of types"
    )
