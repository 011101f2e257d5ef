"""Measure Sluice against what it replaces, against C and against two peers; see docs/benchmarks.md."""
