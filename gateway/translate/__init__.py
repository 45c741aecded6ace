"""One dialect into another, one pair a file."""
