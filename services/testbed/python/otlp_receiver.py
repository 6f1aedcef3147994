#!/usr/bin/env python3
"""An OTLP receiver that shares no code with Octet: OpenTelemetry's own protobuf classes behind Python's HTTP server and
behind gRPC's.

    otlp_receiver.py PORT GRPC_PORT      on 127.0.0.1; PYTHONPATH must contain opentelemetry-proto and grpcio

POST /v1/traces accepts spans as http/protobuf and http/json, plain or gzip, and refuses what the specification does:
another content type (415), bytes that are not a request (400), ids that do not have 16 and 8 bytes (400). GET /spans
returns all spans as JSON, each with the way it came. GET /ready returns 200.
"""

import base64
import gzip
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service_grpc
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


def as_json(way: str, resource: dict, scope: str, span) -> dict:
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
        raise ValueError("an id has the wrong length")
    if not any(span.trace_id) or not any(span.span_id):
        raise ValueError("an id is zero")
    return {
        "way": way,
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


def with_base64(node, name=""):
    """OTLP's JSON has ids in hexadecimal digits where protobuf's has base64."""
    if isinstance(node, dict):
        return {name: with_base64(inner, name) for name, inner in node.items()}
    if isinstance(node, list):
        return [with_base64(inner) for inner in node]
    if name in ("traceId", "spanId", "parentSpanId"):
        return base64.b64encode(bytes.fromhex(node)).decode()
    return node


def from_json(body: bytes):
    return json_format.ParseDict(with_base64(json.loads(body)), service.ExportTraceServiceRequest())


def keep(way: str, request) -> None:
    read_spans = [
        as_json(way, attributes(of_resource.resource.attributes), of_scope.scope.name, span)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    with lock:
        spans.extend(read_spans)


class Traces(service_grpc.TraceServiceServicer):
    def Export(self, request, context):
        try:
            keep("grpc", request)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return service.ExportTraceServiceResponse()


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
        kind = self.headers.get("content-type")
        if kind not in ("application/x-protobuf", "application/json"):
            return self.answer(415, "text/plain", b"content-type must be application/x-protobuf or application/json\n")
        encoding = self.headers.get("content-encoding", "")
        is_json = kind == "application/json"
        try:
            body = gzip.decompress(body) if encoding == "gzip" else body
            request = from_json(body) if is_json else service.ExportTraceServiceRequest.FromString(body)
            keep(" ".join(filter(None, ["http/json" if is_json else "http/protobuf", encoding])), request)
        except (DecodeError, ValueError, OSError, json_format.ParseError) as error:
            return self.answer(400, "text/plain", f"{error}\n".encode())
        answer = b"{}" if is_json else service.ExportTraceServiceResponse().SerializeToString()
        self.answer(200, kind, answer)

    def answer(self, status: int, kind: str, body: bytes):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        pass


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4))
    service_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    if server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}") == 0:
        sys.exit("the port for gRPC is in use")
    server.start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
