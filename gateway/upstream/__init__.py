"""The HTTP client that talks to providers."""
