"""The videos that each method of a clip becomes, and what surrounds the screen in them."""

LAYERS = ("actor", "critic", "both", "side-by-side")
# In pixels of the screen: the strip above a picture, and what lies between two that stand side by side.
STRIP_HEIGHT, GAP = 8, 4
