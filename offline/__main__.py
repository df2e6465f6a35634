"""`python -m offline` is `glimpse-offline`."""

from offline.cli import main

raise SystemExit(main())
