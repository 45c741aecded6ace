"""The configuration file: schema and loading."""
