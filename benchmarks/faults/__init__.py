"""A campaign of faults against the real commands: broken streams, odd pictures, full disks, closed pipes."""
