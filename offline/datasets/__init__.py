"""Loaders of licensed datasets; a user brings their own copy."""
