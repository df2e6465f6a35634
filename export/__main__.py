"""`python -m export` is `glimpse-export`."""

from export.cli import main

raise SystemExit(main())
