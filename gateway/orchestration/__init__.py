"""Chains and graphs: workflows that answer as models do."""
