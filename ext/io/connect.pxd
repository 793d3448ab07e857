"""Connecting to upstreams: a stream at once, the connection later."""

from libc.stdint cimport uint32_t
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.stream cimport Codec, Stream


cdef Stream connect_stream(Engine engine, Codec codec, const void* addr, uint32_t addr_n,
                           uint32_t user_timeout_ms)
cdef void connect_into(Stream s, Engine engine, Codec codec, const void* addr, uint32_t addr_n,
                       uint32_t user_timeout_ms) noexcept
