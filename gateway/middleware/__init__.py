"""The stock middlewares, one a file."""
