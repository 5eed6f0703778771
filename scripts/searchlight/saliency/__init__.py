"""Saliency: maps of the pixels that an agent's outputs depend on, by perturbation."""
