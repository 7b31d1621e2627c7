"""The browser demo: upload, webcam, video and generation tabs."""

import sys


def main() -> None:
    """Say that the demo is still to come, and what does its work until then."""
    sys.exit("The Gradio demo is not there yet. Until it is: `fer-models predict PHOTO --save DIR`.")


if __name__ == "__main__":
    main()
