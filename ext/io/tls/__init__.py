"""TLS of the data plane, both sides: OpenSSL 3 behind the Stream contract."""
