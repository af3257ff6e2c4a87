"""`python -m cli`: what the launcher runs."""

import sys

if __name__ == "__main__":
    try:
        from cli.app import main
    except KeyboardInterrupt:  # the imports take a moment, and a traceback is no answer to Ctrl-C
        sys.exit(130)
    main()
