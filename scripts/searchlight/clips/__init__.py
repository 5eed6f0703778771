"""Clips: what a user asked for, as a store, as videos, as a page."""
