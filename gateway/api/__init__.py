"""HTTP in, Call down; Reply up, HTTP out: one file an endpoint family."""
