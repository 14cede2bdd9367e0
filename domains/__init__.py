"""Example domains: real ones, published, trained and monitored by `make demo`, the tests and the benchmarks."""
