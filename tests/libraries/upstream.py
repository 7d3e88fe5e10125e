"""What the services of this folder talk to: an HTTP server that echoes, and collects spans and events.

    python3 upstream.py PORT

GET /echo/TEXT answers TEXT, on connections that are kept. POST /v1/traces takes spans (OTLP, protobuf), POST
/api/…/envelope/ takes events of Sentry. GET /received lists both, as the services have numbered them.
"""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

spans, events = [], []
# Of each span: the number, its trace, its parent.
traces = []


def read_spans(body):
    # Only the service with OpenTelemetry has this package.
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                for entry in span.attributes:
                    if entry.key == "order.number":
                        spans.append(entry.value.int_value)
                        traces.append((entry.value.int_value, span.trace_id.hex(), span.parent_span_id.hex()))


def read_envelope(body):
    # A line about the envelope, then for each item a line about it and one with its payload.
    for line in body.splitlines():
        item = json.loads(line)
        if "exception" in item:
            events.append(item["exception"]["values"][-1]["value"])
        elif "message" in item:
            events.append(int(item["tags"]["number"]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and a body in two packets would wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/received":
            self.answer(json.dumps({"spans": spans, "traces": traces, "events": events}))
        else:
            self.answer(self.path.rpartition("/")[2])

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            read_spans(body)
        else:
            read_envelope(body)
        self.answer("")

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The tests look at what was received, not at who has asked."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
