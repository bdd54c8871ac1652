"""Sends sessions through the OpenTelemetry SDK.

    otel.py http|grpc ADDRESS TOKEN COUNT PAUSE_S

The same arguments always send the same records, so that a second run is a sender that was restarted.
"""

import sys
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

protocol, address, token, count, pause_s = sys.argv[1:]
headers = {"authorization": f"Bearer {token}"}
if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(
        endpoint=f"http://{address}/v1/logs", headers=headers, compression=Compression.Gzip, timeout=60
    )
else:
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(
        endpoint=f"http://{address}", insecure=True, headers=headers, compression=Compression.Gzip, timeout=60
    )

provider = LoggerProvider(resource=Resource({"service.name": "shop", "host.name": "web-1"}))
provider.add_log_record_processor(
    BatchLogRecordProcessor(exporter, schedule_delay_millis=20, max_export_batch_size=16)
)
logger = provider.get_logger("auth")


def event(name, at, **attributes):
    attributes = {key.replace("__", "."): value for key, value in attributes.items()}
    logger.emit(
        LogRecord(
            timestamp=at,
            observed_timestamp=at,
            severity_number=SeverityNumber.INFO,
            event_name=name,
            attributes=attributes,
        )
    )


begin = 1_764_000_000_000_000_000
for n in range(int(count)):
    at = begin + n * 1_000_000_000
    who = {"user__id": f"u-{n % 7}", "user__name": f"user{n % 7}", "user__roles": ["Clerk", "Buyer"]}
    event("session.start", at, session__id=f"s-{n}", client__address="192.0.2.10", client__port=50123, **who)
    event("cart.checkout", at + 1, session__id=f"s-{n}")
    event("session.end", at + 500_000_000, session__id=f"s-{n}", **who)
    time.sleep(float(pause_s))
provider.force_flush(120_000)
provider.shutdown()
