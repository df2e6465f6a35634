"""`python -m realtime` is `glimpse`."""

from realtime.cli import main

raise SystemExit(main())
