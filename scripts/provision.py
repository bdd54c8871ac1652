#!/usr/bin/env python3
"""Provisions people over SCIM as an identity provider does, and measures the server meanwhile.

    python3 scripts/provision.py http://127.0.0.1:8787/scim/v2 TOKEN --users 50000 [--pid PID] [--connections 4]

For each person it looks whether they are there, creates them, and adds them to a group, 100 at a time. Prints one JSON
object: requests per second, the slowest requests, and, with --pid, the server's memory after each tenth. Python's own
libraries are enough.
"""

import argparse
import http.client
import json
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("base")
parser.add_argument("token")
parser.add_argument("--users", type=int, default=50_000)
parser.add_argument("--connections", type=int, default=4)
parser.add_argument("--pid", type=int)
args = parser.parse_args()
base = urllib.parse.urlsplit(args.base)
times, problems, memory = [], [], []
lock = threading.Lock()
done = 0


def rss_mib():
    with open(f"/proc/{args.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024)


class Client:
    def __init__(self):
        self.connection = http.client.HTTPConnection(base.netloc, timeout=120)

    def send(self, method, path, body=None, want=200):
        headers = {"Authorization": f"Bearer {args.token}", "Content-Type": "application/scim+json"}
        begun = time.monotonic()
        self.connection.request(method, f"{base.path}/{path}", body and json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        times.append(time.monotonic() - begun)
        if response.status != want:
            problems.append(f"{method} {path}: {response.status} {text[:200]}")
        return json.loads(text) if text else None


def work(numbers, group):
    global done
    client, members = Client(), []
    for n in numbers:
        name = f"user{n:06}@contoso.example"
        found = client.send("GET", "Users?filter=" + urllib.parse.quote(f'userName eq "{name}"'))
        if found["totalResults"]:
            problems.append(f"{name} is there already")
            continue
        user = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "externalId": f"00000000-0000-4000-8000-{n:012x}",
            "name": {"givenName": f"Given{n}", "familyName": f"Family{n}"},
            "displayName": f"Given{n} Family{n}",
            "active": True,
            "emails": [{"value": name, "type": "work", "primary": True}],
        }
        members.append({"value": client.send("POST", "Users", user, 201)["id"]})
        if len(members) == 100:
            add_members(client, group, members)
        with lock:
            done += 1
            if args.pid and done % max(args.users // 10, 1) == 0:
                memory.append(rss_mib())
    add_members(client, group, members)


def add_members(client, group, members):
    operation = {"op": "Add", "path": "members", "value": list(members)}
    schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    client.send("PATCH", f"Groups/{group}", {"schemas": [schema], "Operations": [operation]}, 204)
    members.clear()


first = Client()
memory += [rss_mib()] if args.pid else []
group = first.send("POST", "Groups", {"displayName": "Everybody"}, 201)["id"]
begun = time.monotonic()
shares = [range(at, args.users, args.connections) for at in range(args.connections)]
threads = [threading.Thread(target=work, args=(share, group)) for share in shares]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seconds = time.monotonic() - begun
# An idle connection is closed by the server meanwhile.
first = Client()
total = first.send("GET", "Users?count=0")["totalResults"]
n_members = len(first.send("GET", f"Groups/{group}")["members"])
times.sort()
print(
    json.dumps(
        {
            "users": total,
            "members": n_members,
            "seconds": round(seconds, 1),
            "requests_per_s": round(len(times) / seconds),
            "median_ms": round(times[len(times) // 2] * 1000, 1),
            "p99_ms": round(times[len(times) * 99 // 100] * 1000, 1),
            "rss_mib": memory,
            "problems": problems[:10],
        }
    )
)
raise SystemExit(1 if problems or total != args.users or n_members != args.users else 0)
