"""Live feeds: one process per camera, under a supervisor that hands their records to the outputs."""
