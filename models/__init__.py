"""Trained model bundles, data only: one folder each, found by `importlib.resources`."""
