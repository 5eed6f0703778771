"""Clips: the frames that a user asks for, as a store, as videos and as a page."""
