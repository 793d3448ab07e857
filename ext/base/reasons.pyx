"""The table of reasons. Generated from reasons.toml; do not edit."""

cdef ReasonRow _rows[64]
cdef const char* _deciders[12]

_rows[0] = ReasonRow(b"none", b"", 0, 0, 0, 4, 0)
_rows[1] = ReasonRow(b"bad_request_line", b"Malformed request line", 400, 1, 1, 16, 22)
_rows[2] = ReasonRow(b"bad_header", b"Malformed header field", 400, 1, 1, 10, 22)
_rows[3] = ReasonRow(b"bad_framing", b"Ambiguous message length", 400, 1, 1, 11, 24)
_rows[4] = ReasonRow(b"bad_host", b"Missing or invalid Host", 400, 1, 1, 8, 23)
_rows[5] = ReasonRow(b"bad_target", b"Invalid request target", 400, 1, 1, 10, 22)
_rows[6] = ReasonRow(b"bad_path", b"Path refused by the path rule", 400, 1, 1, 8, 29)
_rows[7] = ReasonRow(b"bad_chunk", b"Malformed chunked body", 400, 1, 1, 9, 22)
_rows[8] = ReasonRow(b"unsupported_coding", b"Transfer coding not supported", 501, 1, 1, 18, 29)
_rows[9] = ReasonRow(b"unsupported_method", b"Method not supported", 501, 1, 1, 18, 20)
_rows[10] = ReasonRow(b"unsupported_version", b"HTTP version not supported", 505, 1, 1, 19, 26)
_rows[11] = ReasonRow(b"target_too_long", b"Request target too long", 414, 1, 1, 15, 23)
_rows[12] = ReasonRow(b"head_too_large", b"Request head too large", 431, 1, 1, 14, 22)
_rows[13] = ReasonRow(b"body_too_large", b"Request body too large", 413, 1, 1, 14, 22)
_rows[14] = ReasonRow(b"expectation_failed", b"Expectation not supported", 417, 1, 1, 18, 25)
_rows[15] = ReasonRow(b"head_timeout", b"Request head took too long", 408, 1, 2, 12, 26)
_rows[16] = ReasonRow(b"body_timeout", b"Request body stalled", 408, 1, 2, 12, 20)
_rows[17] = ReasonRow(b"client_eof", b"Client ended its side", 0, 1, 3, 10, 21)
_rows[18] = ReasonRow(b"client_reset", b"Client reset the connection", 0, 1, 3, 12, 27)
_rows[19] = ReasonRow(b"client_stalled", b"Client stopped reading", 0, 1, 2, 14, 22)
_rows[20] = ReasonRow(b"keepalive_timeout", b"Idle connection closed", 0, 1, 2, 17, 22)
_rows[21] = ReasonRow(b"tunnel_idle", b"Idle tunnel closed", 0, 2, 2, 11, 18)
_rows[22] = ReasonRow(b"no_route", b"No route matches", 404, 2, 4, 8, 16)
_rows[23] = ReasonRow(b"method_not_allowed", b"Method not allowed", 405, 2, 4, 18, 18)
_rows[24] = ReasonRow(b"no_endpoint", b"No endpoint available", 503, 2, 5, 11, 21)
_rows[25] = ReasonRow(b"memory", b"Gateway out of buffer memory", 503, 2, 6, 6, 28)
_rows[26] = ReasonRow(b"draining", b"Gateway is shutting down", 0, 2, 7, 8, 24)
_rows[27] = ReasonRow(b"fixed_reply", b"Answered by configuration", 200, 2, 8, 11, 25)
_rows[28] = ReasonRow(b"ip_denied", b"Client address not allowed", 403, 2, 8, 9, 26)
_rows[29] = ReasonRow(b"policy_reply", b"Answered by a policy", 200, 2, 8, 12, 20)
_rows[30] = ReasonRow(b"policy_failed", b"A policy failed", 500, 2, 8, 13, 15)
_rows[31] = ReasonRow(b"policy_timeout", b"A policy took too long", 504, 2, 8, 14, 22)
_rows[32] = ReasonRow(b"request_timeout", b"Request took too long", 504, 2, 2, 15, 21)
_rows[33] = ReasonRow(b"internal", b"Internal error", 500, 2, 7, 8, 14)
_rows[34] = ReasonRow(b"connect_refused", b"Upstream refused the connection", 502, 3, 9, 15, 31)
_rows[35] = ReasonRow(b"connect_timeout", b"Upstream connect timed out", 504, 3, 2, 15, 26)
_rows[36] = ReasonRow(b"connect_failed", b"Upstream unreachable", 502, 3, 9, 14, 20)
_rows[37] = ReasonRow(b"upstream_reset", b"Upstream closed the connection before answering", 502, 3, 9, 14, 47)
_rows[38] = ReasonRow(b"upstream_reset_ambiguous", b"Upstream connection lost with the request in doubt", 502, 3, 9, 24, 50)
_rows[39] = ReasonRow(b"upstream_truncated", b"Upstream response cut short", 502, 3, 9, 18, 27)
_rows[40] = ReasonRow(b"upstream_bad_head", b"Upstream response head malformed", 502, 3, 1, 17, 32)
_rows[41] = ReasonRow(b"upstream_bad_framing", b"Upstream response length ambiguous", 502, 3, 1, 20, 34)
_rows[42] = ReasonRow(b"upstream_bad_chunk", b"Upstream response chunk malformed", 502, 3, 1, 18, 33)
_rows[43] = ReasonRow(b"upstream_head_too_large", b"Upstream response head too large", 502, 3, 1, 23, 32)
_rows[44] = ReasonRow(b"upstream_body_too_large", b"Upstream response body too large", 502, 3, 8, 23, 32)
_rows[45] = ReasonRow(b"response_head_timeout", b"Upstream did not answer in time", 504, 3, 2, 21, 31)
_rows[46] = ReasonRow(b"upstream_stalled", b"Upstream stalled", 504, 3, 2, 16, 16)
_rows[47] = ReasonRow(b"cancelled", b"Attempt no longer wanted", 0, 2, 10, 9, 24)
_rows[48] = ReasonRow(b"tls_failed", b"TLS with the client failed", 0, 1, 11, 10, 26)
_rows[49] = ReasonRow(b"tls_timeout", b"TLS handshake took too long", 0, 1, 2, 11, 27)
_rows[50] = ReasonRow(b"misdirected", b"Request for another name than the connection's", 421, 1, 11, 11, 46)
_rows[51] = ReasonRow(b"upstream_tls_failed", b"TLS with the upstream failed", 502, 3, 11, 19, 28)
_rows[52] = ReasonRow(b"upstream_cert_expired", b"Upstream certificate expired", 502, 3, 11, 21, 28)
_rows[53] = ReasonRow(b"upstream_cert_untrusted", b"Upstream certificate not trusted", 502, 3, 11, 23, 32)
_rows[54] = ReasonRow(b"upstream_cert_name", b"Upstream certificate is for another name", 502, 3, 11, 18, 40)
_rows[55] = ReasonRow(b"upstream_cert_refused", b"Upstream certificate not acceptable", 502, 3, 11, 21, 35)
_rows[56] = ReasonRow(b"websocket_not_allowed", b"WebSocket is not allowed here", 403, 1, 8, 21, 29)
_rows[57] = ReasonRow(b"websocket_handshake", b"Malformed WebSocket handshake", 400, 1, 1, 19, 29)
_rows[58] = ReasonRow(b"websocket_version", b"WebSocket version not supported", 426, 1, 1, 17, 31)
_rows[59] = ReasonRow(b"origin_denied", b"Origin is not allowed", 403, 1, 8, 13, 21)
_rows[60] = ReasonRow(b"tunnel_lifetime", b"Tunnel reached its lifetime", 0, 2, 2, 15, 27)
_rows[61] = ReasonRow(b"tunnel_bytes", b"Tunnel reached its limit of bytes", 0, 2, 8, 12, 33)
_rows[62] = ReasonRow(b"upstream_bad_upgrade", b"Upstream agreed to an upgrade wrongly", 502, 3, 1, 20, 37)
_rows[63] = ReasonRow(b"upstream_unresolved", b"Upstream's name not resolved yet", 503, 3, 5, 19, 32)

_deciders[0] = b""
_deciders[1] = b"http"
_deciders[2] = b"deadline"
_deciders[3] = b"client"
_deciders[4] = b"route"
_deciders[5] = b"balance"
_deciders[6] = b"limit"
_deciders[7] = b"worker"
_deciders[8] = b"policy"
_deciders[9] = b"upstream"
_deciders[10] = b"exchange"
_deciders[11] = b"tls"

#: (name, side, status, retry, decided_by, title, help) a row, in the order of the enum.
REASON_TABLE: tuple[tuple[str, str, int, str, str, str, str], ...] = (
    ('bad_request_line', 'client', 400, 'never', 'http', 'Malformed request line', 'The first line of the request is not METHOD SP TARGET SP HTTP/1.x CRLF (RFC 9112 section 3).'),
    ('bad_header', 'client', 400, 'never', 'http', 'Malformed header field', 'A field line is not name:value CRLF: obs-fold, a bare CR or LF, a space before the colon, an empty name or a control byte (RFC 9112 section 5).'),
    ('bad_framing', 'client', 400, 'never', 'http', 'Ambiguous message length', 'Content-Length and Transfer-Encoding contradict each other, repeat, or are not allowed in this version (RFC 9112 section 6).'),
    ('bad_host', 'client', 400, 'never', 'http', 'Missing or invalid Host', 'Exactly one valid Host field is required (RFC 9112 section 3.2).'),
    ('bad_target', 'client', 400, 'never', 'http', 'Invalid request target', 'The target holds bytes that no URI may hold, a fragment, or a form the method does not allow (RFC 9112 section 3.2).'),
    ('bad_path', 'client', 400, 'never', 'http', 'Path refused by the path rule', 'The path holds an encoded slash, backslash, NUL, a doubly encoded or invalid escape, or a dot segment with parameters; a route can open each by name.'),
    ('bad_chunk', 'client', 400, 'never', 'http', 'Malformed chunked body', "A chunk size, extension, line end or trailer of the request's body is invalid (RFC 9112 section 7.1)."),
    ('unsupported_coding', 'client', 501, 'never', 'http', 'Transfer coding not supported', "The only transfer coding a request may name is one final 'chunked'."),
    ('unsupported_method', 'client', 501, 'never', 'http', 'Method not supported', 'CONNECT and unknown upgrade mechanisms are not offered: this is a gateway, not a forward proxy.'),
    ('unsupported_version', 'client', 505, 'never', 'http', 'HTTP version not supported', 'Only HTTP/1.0 and HTTP/1.1 are spoken here.'),
    ('target_too_long', 'client', 414, 'never', 'http', 'Request target too long', 'The target exceeds limits.target (default 8 KiB).'),
    ('head_too_large', 'client', 431, 'never', 'http', 'Request head too large', "The request's head exceeds limits.head (default 32 KiB) or limits.fields (default 100)."),
    ('body_too_large', 'client', 413, 'never', 'http', 'Request body too large', "The request's body exceeds limits.body."),
    ('expectation_failed', 'client', 417, 'never', 'http', 'Expectation not supported', 'The only expectation that can be met is 100-continue (RFC 9110 section 10.1.1).'),
    ('head_timeout', 'client', 408, 'never', 'deadline', 'Request head took too long', 'The head was not whole within timeouts.request_head after its first byte.'),
    ('body_timeout', 'client', 408, 'never', 'deadline', 'Request body stalled', 'No byte of the body arrived for timeouts.body_idle while the gateway was ready to read.'),
    ('client_eof', 'client', 0, 'never', 'client', 'Client ended its side', 'The client closed its sending side before its request was whole, or while its answer was awaited and on_client_eof is cancel.'),
    ('client_reset', 'client', 0, 'never', 'client', 'Client reset the connection', 'The connection broke before the answer was delivered.'),
    ('client_stalled', 'client', 0, 'never', 'deadline', 'Client stopped reading', 'No byte of the answer could be delivered for timeouts.idle.'),
    ('keepalive_timeout', 'client', 0, 'never', 'deadline', 'Idle connection closed', 'No request began within timeouts.keepalive, or the connection served limits.requests.'),
    ('tunnel_idle', 'gateway', 0, 'never', 'deadline', 'Idle tunnel closed', 'No byte moved through a tunnel, in either direction, for websocket.idle, or its client left two pings unanswered.'),
    ('no_route', 'gateway', 404, 'never', 'route', 'No route matches', 'No route matches this host and path; `fastgw show --plan` lists the routes.'),
    ('method_not_allowed', 'gateway', 405, 'never', 'route', 'Method not allowed', 'Routes match this host and path, but none of them this method.'),
    ('no_endpoint', 'gateway', 503, 'never', 'balance', 'No endpoint available', 'The upstream has no endpoint that could be tried.'),
    ('memory', 'gateway', 503, 'never', 'limit', 'Gateway out of buffer memory', 'All buffers of the worker (limits.memory) are in use; bodies pause near the bound, new requests are refused past it.'),
    ('draining', 'gateway', 0, 'never', 'worker', 'Gateway is shutting down', 'The worker ended before this exchange could be finished.'),
    ('fixed_reply', 'gateway', 200, 'never', 'policy', 'Answered by configuration', 'A fixed answer or a redirect of the configuration.'),
    ('ip_denied', 'gateway', 403, 'never', 'policy', 'Client address not allowed', "An ip policy does not admit the client's address."),
    ('policy_reply', 'gateway', 200, 'never', 'policy', 'Answered by a policy', "A policy or plugin answered in the upstream's place."),
    ('policy_failed', 'gateway', 500, 'never', 'policy', 'A policy failed', 'A policy or plugin raised an error and its on_failure is reject; the log has the error.'),
    ('policy_timeout', 'gateway', 504, 'never', 'policy', 'A policy took too long', 'A policy waited longer than its timeout.'),
    ('request_timeout', 'gateway', 504, 'never', 'deadline', 'Request took too long', "The response head was not there within timeouts.request after the request's head."),
    ('internal', 'gateway', 500, 'never', 'worker', 'Internal error', 'The gateway itself failed; the log has the details under this request id.'),
    ('connect_refused', 'upstream', 502, 'unsent', 'upstream', 'Upstream refused the connection', 'No address that was tried accepted a connection.'),
    ('connect_timeout', 'upstream', 504, 'unsent', 'deadline', 'Upstream connect timed out', 'No address that was tried accepted a connection within timeouts.connect.'),
    ('connect_failed', 'upstream', 502, 'unsent', 'upstream', 'Upstream unreachable', 'A connection could not be made: no route to host, no socket, or the name has no address.'),
    ('upstream_reset', 'upstream', 502, 'idempotent', 'upstream', 'Upstream closed the connection before answering', 'The connection ended before any byte of the response head; requests with an idempotent method were tried again.'),
    ('upstream_reset_ambiguous', 'upstream', 502, 'never', 'upstream', 'Upstream connection lost with the request in doubt', 'The connection ended after the request was sent and its method is not idempotent: whether it was carried out is not known, so it was not sent again.'),
    ('upstream_truncated', 'upstream', 502, 'never', 'upstream', 'Upstream response cut short', 'The response ended before its announced length or last chunk.'),
    ('upstream_bad_head', 'upstream', 502, 'never', 'http', 'Upstream response head malformed', "The response's head is held to the same rules as a request's (RFC 9112)."),
    ('upstream_bad_framing', 'upstream', 502, 'never', 'http', 'Upstream response length ambiguous', 'Content-Length and Transfer-Encoding of the response contradict each other or are invalid.'),
    ('upstream_bad_chunk', 'upstream', 502, 'never', 'http', 'Upstream response chunk malformed', 'A chunk size, extension, line end or trailer of the response is invalid.'),
    ('upstream_head_too_large', 'upstream', 502, 'never', 'http', 'Upstream response head too large', "The response's head exceeds limits.head or limits.fields."),
    ('upstream_body_too_large', 'upstream', 502, 'never', 'policy', 'Upstream response body too large', "A policy needs the whole response body and it exceeds that policy's limit."),
    ('response_head_timeout', 'upstream', 504, 'never', 'deadline', 'Upstream did not answer in time', 'No response head arrived within timeouts.response_head after the request was sent.'),
    ('upstream_stalled', 'upstream', 504, 'never', 'deadline', 'Upstream stalled', 'No byte moved to or from the upstream for timeouts.idle.'),
    ('cancelled', 'gateway', 0, 'never', 'exchange', 'Attempt no longer wanted', 'Another attempt won, or the exchange ended, before this attempt did.'),
    ('tls_failed', 'client', 0, 'never', 'tls', 'TLS with the client failed', "The handshake could not be made (no common version or cipher, no acceptable certificate, not TLS at all), or a record was damaged; the log has OpenSSL's words."),
    ('tls_timeout', 'client', 0, 'never', 'deadline', 'TLS handshake took too long', "The handshake was not done within the listener's tls.handshake_timeout, or made room for newer ones while too many were under way."),
    ('misdirected', 'client', 421, 'never', 'tls', "Request for another name than the connection's", 'The name that the TLS handshake asked for demands client certificates, so its connection carries requests with that Host alone (RFC 9110 section 7.4).'),
    ('upstream_tls_failed', 'upstream', 502, 'unsent', 'tls', 'TLS with the upstream failed', "The handshake with the upstream could not be made: no common version or cipher, our certificate was refused, or it does not speak TLS; the log has OpenSSL's words."),
    ('upstream_cert_expired', 'upstream', 502, 'unsent', 'tls', 'Upstream certificate expired', "A certificate of the upstream's chain has expired, or is not valid yet by this machine's clock."),
    ('upstream_cert_untrusted', 'upstream', 502, 'unsent', 'tls', 'Upstream certificate not trusted', "No chain leads from the upstream's certificate to one of the trusted roots: the system's, or those of the upstream's tls.ca."),
    ('upstream_cert_name', 'upstream', 502, 'unsent', 'tls', 'Upstream certificate is for another name', "The upstream's certificate holds neither the server's host name nor one of the upstream's tls.names."),
    ('upstream_cert_refused', 'upstream', 502, 'unsent', 'tls', 'Upstream certificate not acceptable', "The upstream's certificate failed verification otherwise: revoked, of a weak key, or not for this purpose; the log has OpenSSL's words."),
    ('websocket_not_allowed', 'client', 403, 'never', 'policy', 'WebSocket is not allowed here', 'The request asks for WebSocket on a route that has no websocket option.'),
    ('websocket_handshake', 'client', 400, 'never', 'http', 'Malformed WebSocket handshake', 'The request asks for WebSocket without exactly one Sec-WebSocket-Key of 16 bytes in base64, or with a body (RFC 6455 section 4.1).'),
    ('websocket_version', 'client', 426, 'never', 'http', 'WebSocket version not supported', 'Sec-WebSocket-Version is not 13; the answer names the one that is (RFC 6455 section 4.4).'),
    ('origin_denied', 'client', 403, 'never', 'policy', 'Origin is not allowed', 'The Origin of a WebSocket handshake is not one of websocket.origins.'),
    ('tunnel_lifetime', 'gateway', 0, 'never', 'deadline', 'Tunnel reached its lifetime', 'A tunnel was open for websocket.lifetime.'),
    ('tunnel_bytes', 'gateway', 0, 'never', 'policy', 'Tunnel reached its limit of bytes', 'A tunnel moved more than websocket.bytes, both directions together.'),
    ('upstream_bad_upgrade', 'upstream', 502, 'never', 'http', 'Upstream agreed to an upgrade wrongly', 'A 101 that nobody asked for, to another protocol, or whose Sec-WebSocket-Accept does not answer the key that was sent (RFC 6455 section 4.1).'),
    ('upstream_unresolved', 'upstream', 503, 'never', 'balance', "Upstream's name not resolved yet", "None of the upstream's host names has an address so far. Names are resolved beside the traffic; once a name had addresses, the last good ones are kept."),
)


cdef const ReasonRow* reason_row(int reason) noexcept nogil:
    """The row of a reason; the empty one for what is out of range."""
    return &_rows[reason if 0 <= reason < REASONS else 0]


cdef const char* decider_name(int decided_by) noexcept nogil:
    """The name of a deciding part; empty for what is out of range."""
    return _deciders[decided_by if 0 <= decided_by < 12 else 0]
