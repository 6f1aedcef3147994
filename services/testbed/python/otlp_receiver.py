#!/usr/bin/env python3
"""An OTLP receiver that shares no code with Octet: OpenTelemetry's own protobuf classes behind Python's HTTP server.

    otlp_receiver.py PORT      on 127.0.0.1; PYTHONPATH must contain opentelemetry-proto

POST /v1/traces accepts spans as http/protobuf and refuses what the specification does: another content type (415), bytes
that are not a request (400), ids that do not have 16 and 8 bytes (400). GET /spans returns all spans as JSON. GET /ready
returns 200.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

MAX_BODY = 16 * 1024 * 1024

spans: list[dict] = []
lock = Lock()


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind) if kind else None


def attributes(pairs) -> dict:
    names = [pair.key for pair in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"duplicate names: {names}")
    return {pair.key: value(pair.value) for pair in pairs}


def as_json(resource: dict, scope: str, span) -> dict:
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
        raise ValueError("an id has the wrong length")
    if not any(span.trace_id) or not any(span.span_id):
        raise ValueError("an id is zero")
    return {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parentId": span.parent_span_id.hex() or None,
        "kind": trace.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "name": span.name,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": trace.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        "attributes": attributes(span.attributes),
        "events": [{"name": event.name, "attributes": attributes(event.attributes)} for event in span.events],
        "resource": resource,
        "scope": scope,
    }


def read(body: bytes) -> list[dict]:
    request = service.ExportTraceServiceRequest.FromString(body)
    return [
        as_json(attributes(of_resource.resource.attributes), of_scope.scope.name, span)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            self.answer(200, "text/plain", b"ready\n")
        elif self.path == "/spans":
            with lock:
                self.answer(200, "application/json", json.dumps(spans).encode())
        else:
            self.answer(404, "text/plain", b"no such path\n")

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            return self.answer(411, "text/plain", b"content-length must be at most 16 MiB\n")
        body = self.rfile.read(int(length))
        if self.path != "/v1/traces":
            return self.answer(404, "text/plain", b"no such path\n")
        if self.headers.get("content-type") != "application/x-protobuf":
            return self.answer(415, "text/plain", b"content-type must be application/x-protobuf\n")
        try:
            read_spans = read(body)
        except (DecodeError, ValueError) as error:
            return self.answer(400, "text/plain", f"{error}\n".encode())
        with lock:
            spans.extend(read_spans)
        self.answer(200, "application/x-protobuf", service.ExportTraceServiceResponse().SerializeToString())

    def answer(self, status: int, kind: str, body: bytes):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
