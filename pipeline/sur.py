"""The script ``sur``: ``review`` starts at once and small, the other commands bring their libraries."""

import sys


def main() -> None:
    """Run one sub-command and end the process with its exit code."""
    if sys.argv[1:2] == ["review"]:
        from pipeline.review_page import command

        raise SystemExit(command.main(sys.argv[2:]))
    from pipeline import app

    app.main()
