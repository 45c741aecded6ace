"""The rings that a configuration asks for: stock middlewares, and those of others under watch."""
