"""Hot state: memory of the process, or Redis."""
