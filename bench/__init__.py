"""Benchmarks on real servers: `make bench`."""
