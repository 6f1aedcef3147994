#!/usr/bin/env python3
"""An OTLP receiver that shares no code with Octet: OpenTelemetry's own protobuf classes behind Python's HTTP server and
behind gRPC's.

    otlp_receiver.py PORT GRPC_PORT      on 127.0.0.1; PYTHONPATH must contain opentelemetry-proto and grpcio

POST /v1/traces, /v1/metrics and /v1/logs accept http/protobuf and http/json, plain or gzip, and refuse what the
specification does: another content type (415), bytes that are not a request (400), ids that do not have 16 and 8 bytes
(400), names of attributes that occur twice (400). GET /spans and /logs return all spans and log records as JSON, each with
the way it came; GET /metrics the newest value of every series. GET /ready returns 200.
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
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

MAX_BODY = 16 * 1024 * 1024

spans: list[dict] = []
logs: list[dict] = []
metrics: dict[str, dict] = {}
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


def span_as_json(way: str, resource: dict, scope: str, span) -> dict:
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


def keep_spans(way: str, request) -> None:
    read = [
        span_as_json(way, attributes(of_resource.resource.attributes), of_scope.scope.name, span)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    with lock:
        spans.extend(read)


def log_as_json(way: str, resource: dict, record) -> dict:
    if len(record.trace_id) not in (0, 16) or len(record.span_id) not in (0, 8):
        raise ValueError("an id has the wrong length")
    if record.time_unix_nano == 0:
        raise ValueError("a record has no time")
    return {
        "way": way,
        "time": record.time_unix_nano,
        "severity": logs_pb2.SeverityNumber.Name(record.severity_number).removeprefix("SEVERITY_NUMBER_"),
        "level": record.severity_text,
        "message": value(record.body),
        "attributes": attributes(record.attributes),
        "traceId": record.trace_id.hex() or None,
        "spanId": record.span_id.hex() or None,
        "resource": resource,
    }


def keep_logs(way: str, request) -> None:
    read = [
        log_as_json(way, attributes(of_resource.resource.attributes), record)
        for of_resource in request.resource_logs
        for of_scope in of_resource.scope_logs
        for record in of_scope.log_records
    ]
    with lock:
        logs.extend(read)


def number(point) -> float:
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


def exemplar_as_json(exemplar) -> dict:
    if len(exemplar.trace_id) != 16 or len(exemplar.span_id) != 8:
        raise ValueError("an exemplar's id has the wrong length")
    return {"traceId": exemplar.trace_id.hex(), "spanId": exemplar.span_id.hex(), "value": number(exemplar)}


def metric_as_json(metric) -> list[tuple[dict, dict]]:
    """The labels of each series, and its values."""
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    if kind != "gauge" and data.aggregation_temporality != metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE:
        raise ValueError("temporality must be cumulative")
    series = []
    for point in data.data_points:
        read = {"kind": kind, "unit": metric.unit}
        if kind == "histogram":
            if len(point.bucket_counts) != len(point.explicit_bounds) + 1 or sum(point.bucket_counts) != point.count:
                raise ValueError("the buckets do not add up")
            read |= {"count": point.count, "sum": point.sum, "bounds": list(point.explicit_bounds)}
            read |= {"buckets": list(point.bucket_counts)}
            read |= {"exemplars": [exemplar_as_json(exemplar) for exemplar in point.exemplars]}
        else:
            read |= {"value": number(point)}
        if kind != "gauge" and not 0 < point.start_time_unix_nano <= point.time_unix_nano:
            raise ValueError("a sum has no start, or it is after its end")
        series.append((attributes(point.attributes), read))
    return series


def keep_metrics(way: str, request) -> None:
    read = {}
    for of_resource in request.resource_metrics:
        service = attributes(of_resource.resource.attributes)["service.name"]
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for labels, series in metric_as_json(metric):
                    text = ",".join(f'{name}="{labels[name]}"' for name in sorted(labels))
                    name = metric.name + (f"{{{text}}}" if text else "")
                    read[f"{service} {name}"] = series | {"way": way}
    with lock:
        metrics.update(read)


SIGNALS = {
    "/v1/traces": (
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        keep_spans,
    ),
    "/v1/metrics": (
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        keep_metrics,
    ),
    "/v1/logs": (
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
        keep_logs,
    ),
}


def export(path: str):
    """The method of a gRPC service."""
    _, response, keep = SIGNALS[path]

    def method(_self, request, context):
        try:
            keep("grpc", request)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return response()

    return method


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    Export = export("/v1/traces")


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    Export = export("/v1/metrics")


class Logs(logs_service_pb2_grpc.LogsServiceServicer):
    Export = export("/v1/logs")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            self.answer(200, "text/plain", b"ready\n")
        elif self.path in (kept := {"/spans": spans, "/logs": logs, "/metrics": metrics}):
            with lock:
                self.answer(200, "application/json", json.dumps(kept[self.path]).encode())
        else:
            self.answer(404, "text/plain", b"no such path\n")

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            return self.answer(411, "text/plain", b"content-length must be at most 16 MiB\n")
        body = self.rfile.read(int(length))
        if self.path not in SIGNALS:
            return self.answer(404, "text/plain", b"no such path\n")
        request_of, response_of, keep = SIGNALS[self.path]
        kind = self.headers.get("content-type")
        if kind not in ("application/x-protobuf", "application/json"):
            return self.answer(415, "text/plain", b"content-type must be application/x-protobuf or application/json\n")
        encoding = self.headers.get("content-encoding", "")
        is_json = kind == "application/json"
        try:
            body = gzip.decompress(body) if encoding == "gzip" else body
            if is_json:
                request = json_format.ParseDict(with_base64(json.loads(body)), request_of())
            else:
                request = request_of.FromString(body)
            keep(" ".join(filter(None, ["http/json" if is_json else "http/protobuf", encoding])), request)
        except (DecodeError, ValueError, OSError, json_format.ParseError) as error:
            return self.answer(400, "text/plain", f"{error}\n".encode())
        answer = b"{}" if is_json else response_of().SerializeToString()
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
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    if server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}") == 0:
        sys.exit("the port for gRPC is in use")
    server.start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
