"""moto's S3 server on every address, at the port that is the argument, with TLS and an empty bucket `lake`."""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import run_simple

# A line for each request would be most of the log.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
s3_backends["123456789012"]["aws"].create_bucket("lake", "us-east-1")
run_simple("0.0.0.0", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True,
           ssl_context=("/tls/cert.pem", "/tls/key.pem"), request_handler=MotoRequestHandler)
