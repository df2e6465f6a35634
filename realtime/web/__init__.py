"""Pages that this machine serves to its own user: who may see them, and how they are served."""
