"""Entry point of the Dataproc batch; everything else is in the package beside it."""

import sys

from reseal.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
