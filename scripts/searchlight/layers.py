"""The videos that each method of a clip becomes."""

LAYERS = ("actor", "critic", "both", "side-by-side")
