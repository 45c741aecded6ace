"""All that a plugin author reads."""
