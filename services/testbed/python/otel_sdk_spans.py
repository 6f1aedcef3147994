#!/usr/bin/env python3
"""A call from `py-front` to `py-back` that fails, reported by OpenTelemetry's SDK for Python.

    otel_sdk_spans.py grpc http://127.0.0.1:4317               PYTHONPATH must contain the SDK
    otel_sdk_spans.py http/protobuf http://127.0.0.1:4318/v1/traces

It prints the trace's id, and fails if the exporter does.
"""

import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags


class Checked(SpanExporter):
    """Remembers whether every export succeeded."""

    def __init__(self, exporter):
        self.exporter, self.succeeded = exporter, True

    def export(self, spans):
        result = self.exporter.export(spans)
        self.succeeded = self.succeeded and result is SpanExportResult.SUCCESS
        return result

    def shutdown(self):
        self.exporter.shutdown()


def exporter(protocol, endpoint):
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        return OTLPSpanExporter(endpoint=endpoint, insecure=True)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    return OTLPSpanExporter(endpoint=endpoint)


def main():
    checked = Checked(exporter(*sys.argv[1:]))

    def tracer(service):
        provider = TracerProvider(resource=Resource.create({"service.name": service, "deployment.environment.name": "test"}))
        provider.add_span_processor(SimpleSpanProcessor(checked))
        return provider.get_tracer("sdk-test", "1.2")

    linked = SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(1))
    with tracer("py-front").start_as_current_span("GET /", kind=SpanKind.CLIENT, links=[Link(linked)]) as front:
        front.set_attribute("server.address", "py-back.example")
        front.set_attribute("list", ["a", "b"])
        with tracer("py-back").start_as_current_span("GET /", kind=SpanKind.SERVER) as back:
            back.add_event("refused", {"reason": "test"})
            back.set_status(Status(StatusCode.ERROR, "refused"))
        print(f"{front.get_span_context().trace_id:032x}")
    if not checked.succeeded:
        sys.exit("the exporter failed")


if __name__ == "__main__":
    main()
