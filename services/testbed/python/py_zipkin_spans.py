#!/usr/bin/env python3
"""Two spans of one call, as py-zipkin encodes them (JSON v2), on standard output.

    py_zipkin_spans.py TRACE_ID SECONDS      the trace's id, and its start in seconds since 1970
"""

import sys

from py_zipkin import Encoding, Kind
from py_zipkin.encoding._encoders import get_encoder
from py_zipkin.encoding._helpers import Span, create_endpoint

trace, started = sys.argv[1], float(sys.argv[2])
front = create_endpoint(port=8080, service_name="py-front", host="127.0.0.1")
back = create_endpoint(port=8081, service_name="py-back", host="127.0.0.1")
spans = [
    Span(
        trace_id=trace,
        name="greet",
        parent_id=None,
        span_id="00000000000000b1",
        kind=Kind.CLIENT,
        timestamp=started,
        duration=0.010,
        local_endpoint=front,
        remote_endpoint=back,
        annotations={"sent": started + 0.001},
        tags={"http.path": "/greet", "text": "Grüße"},
    ),
    Span(
        trace_id=trace,
        name="greet",
        parent_id="00000000000000b1",
        span_id="00000000000000b2",
        kind=Kind.SERVER,
        timestamp=started + 0.002,
        duration=0.006,
        local_endpoint=back,
        tags={"error": "refused"},
    ),
]
encoder = get_encoder(Encoding.V2_JSON)
print(encoder.encode_queue([encoder.encode_span(span) for span in spans]))
