"""The command line's commands, one a file; `gateway.cli` wires them."""
