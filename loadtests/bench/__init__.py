"""The benchmark: this gateway beside nginx and its peers, all doing the same work in the same run.

`python -m loadtests.bench` runs it; docs/benchmark.md says what each figure means.
"""
