"""The hard benchmark of spotting: named conditions, each as streams with truth over the live route."""
