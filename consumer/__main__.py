"""The command `milestones`; `python -m consumer` is the same."""

from consumer.tuning import imported


def main() -> None:
    """See `consumer.cli.main`."""
    imported("consumer.cli").main()


if __name__ == "__main__":
    main()
