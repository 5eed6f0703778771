"""Measures: what says something about an episode, a clip or a method in numbers along its frames."""
