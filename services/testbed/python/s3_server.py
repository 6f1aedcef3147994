"""moto's S3 server on 127.0.0.1, at the port that is the first argument."""

import logging
import sys

from moto.server import main

# A line for each request would be most of the log.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
