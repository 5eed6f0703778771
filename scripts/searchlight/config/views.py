"""The kinds of videos of each clip and method, and their margins around the screen."""

LAYERS = ("actor", "critic", "both", "side-by-side")
# In pixels of the screen: height of the strip above a picture, and gap between two pictures side by side.
STRIP_HEIGHT, GAP = 8, 4
