"""`python -m realtime` is `glimpse`."""

from realtime.start import start


def main() -> int:
    """Run `glimpse`; gives the exit code."""
    return start("realtime.cli", "glimpse")


if __name__ == "__main__":
    raise SystemExit(main())
