"""Load tests and the benchmark; nothing here ships with the gateway."""
