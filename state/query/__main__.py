"""`python -m state.query JOURNAL CACHE`: one build of a cache, in the background process of a long-lived reader."""

import sys

from state.query.background import main

sys.exit(main(sys.argv[1:]))
