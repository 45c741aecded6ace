"""Keys and callers."""
