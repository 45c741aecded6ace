"""Which target serves a call."""
