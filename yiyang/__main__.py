"""`python -m yiyang`: https://docs.python.org/3/library/__main__.html"""

import sys

from yiyang import cli


def main() -> None:
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
