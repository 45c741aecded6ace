"""What a turn of a kept conversation costs beyond its model call: `python -m loadtests.memory`."""
