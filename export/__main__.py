"""`python -m export` is `glimpse-export`."""

from realtime.start import start


def main() -> int:
    """Run `glimpse-export`; gives the exit code."""
    return start("export.cli", "glimpse-export")


if __name__ == "__main__":
    raise SystemExit(main())
