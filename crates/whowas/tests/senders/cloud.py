"""Sends CloudEvents of the SDK in every content mode.

    cloud.py ADDRESS TOKEN
"""

import sys
import urllib.request
from datetime import datetime, timezone

from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent

address, token = sys.argv[1:]


def event(number, kind="com.example.user.login"):
    attributes = {
        "id": f"e-{number}",
        "source": "/shop",
        "type": kind,
        "time": datetime(2026, 11, 20, 8, number, tzinfo=timezone.utc),
        "datacontenttype": "application/json",
        "subject": "Zürich",
    }
    return CloudEvent(attributes=attributes, data={"user_name": f"user{number}"})


def send(message):
    request = urllib.request.Request(f"http://{address}/cloudevents", data=message.body, method="POST")
    for name, value in message.headers.items():
        request.add_header(name, value)
    request.add_header("Authorization", f"Bearer {token}")
    print(urllib.request.urlopen(request).read().decode())


send(http.to_binary_event(event(1)))
send(http.to_structured_event(event(2)))
# The SDK has no batches; one is a JSON array of structured events.
batch = [http.to_structured_event(event(number)).body for number in (1, 2, 3)]
batch.append(http.to_structured_event(event(4, "com.example.order.created")).body)
send(http.HTTPMessage({"Content-Type": "application/cloudevents-batch+json"}, b"[" + b",".join(batch) + b"]"))
