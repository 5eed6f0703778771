"""Agents: their checkpoints, networks and preprocessings, and the episodes they play."""
