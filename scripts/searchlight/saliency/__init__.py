"""Saliency: what agents depend on, from perturbations to maps."""
