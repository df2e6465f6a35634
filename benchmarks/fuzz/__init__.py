"""Coverage-guided fuzzing of everything that reads a file or an address from outside."""
