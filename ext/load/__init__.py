"""The load generator and the origin of the benchmarks: installed, but no part of the gateway."""
