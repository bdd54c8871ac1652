#!/usr/bin/env python3
"""The exposure window: from the moment a record reaches the server until a published checkpoint covers it.

    python3 scripts/exposure.py target/release/whowas [--seconds 20] [--clients 8] [--batch 20] [--witness]

Starts a server of its own on a new folder, sends batches from several connections, and after each answer
fetches the published checkpoint: it must cover the records of the answer. What is measured is the whole
time from the first byte sent to that proof, so it is an upper bound. With --witness a second process
cosigns, and the time until a checkpoint with its cosignature covers the records is measured as well.

Exits with 1 if the 99th percentile is above two seconds, or if a checkpoint did not cover an answer.
"""

import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

LIMIT_S = 2.0
ENVIRONMENT = "contoso/production"


def run(binary, folder, *arguments):
    environment = dict(os.environ, WHOWAS_DATA=str(folder / "data"))
    done = subprocess.run([binary, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr}")
    return done.stdout


def start(binary, folder, arguments, label):
    environment = dict(os.environ, WHOWAS_DATA=str(folder / "data"))
    process = subprocess.Popen(
        [binary, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    lines = [process.stdout.readline().strip(), process.stdout.readline().strip()]
    if not lines[0].startswith(label):
        sys.exit(f"{arguments}: {lines}")
    return process, lines[0].split("http://")[1].rstrip("/"), lines[1]


def checkpoint(connection):
    connection.request("GET", f"/trails/{ENVIRONMENT}/checkpoint")
    note = connection.getresponse().read().decode()
    text, signatures = note.split("\n\n", 1)
    return int(text.split("\n")[1]), len(signatures.strip().split("\n"))


class Client(threading.Thread):
    def __init__(self, number, address, token, options, end):
        super().__init__()
        self.number, self.address, self.token, self.options, self.end = number, address, token, options, end
        self.times, self.uncovered, self.sizes, self.busy = [], 0, [], 0

    def run(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        serial = 0
        while time.monotonic() < self.end:
            lines = []
            for n in range(self.options.batch):
                record = {
                    "native_id": f"{self.number}-{serial}-{n}",
                    "occurred_at": "2026-11-10T09:00:00Z",
                    "activity": "logon",
                    "user": {"name": f"user{n}"},
                    "src_endpoint": {"ip": f"192.0.2.{n % 250}"},
                }
                lines.append(json.dumps(record))
            serial += 1
            sent = time.monotonic()
            path = f"/api/v1/environments/{ENVIRONMENT}/records"
            connection.request("POST", path, "\n".join(lines) + "\n", {"Authorization": f"Bearer {self.token}", "Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status == 503:
                self.busy += 1
                continue
            size, _ = checkpoint(connection)
            self.times.append(time.monotonic() - sent)
            self.sizes.append((sent, body["tree_size"]))
            self.uncovered += size < body["tree_size"]


def watch(folder, end, seen):
    """When which size was first kept with a cosignature. Under load the newest checkpoint has none yet."""
    path = folder / "data" / "trails" / ENVIRONMENT / "cosigned"
    while time.monotonic() < end:
        if path.exists():
            size = int(path.read_text().split("\n")[1])
            if not seen or seen[-1][1] < size:
                seen.append((time.monotonic(), size))
        time.sleep(0.01)


def percentiles(times):
    times = sorted(times)
    pick = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    return {"p50_ms": round(pick(0.5) * 1000, 1), "p99_ms": round(pick(0.99) * 1000, 1), "max_ms": round(times[-1] * 1000, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--witness", action="store_true")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.binary).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "first.ndjson").write_text('{"native_id":"x","occurred_at":"2026-11-10T09:00:00Z","activity":"logon","user":{"name":"a"}}\n')
        run(binary, folder, "import", "--environment", ENVIRONMENT, "--format", "whowas-event", "first.ndjson")
        token = json.loads(run(binary, folder, "--json", "token", "create", "--scope", "ingest", "--environment", ENVIRONMENT))["token"]
        processes = []
        try:
            if options.witness:
                vkey = run(binary, folder, "key", "show", "--environment", ENVIRONMENT).strip()
                witness, at, key = start(binary, folder, ["witness", "--state", "witness", "--name", "witness.example/w1", "--vkey", vkey, "--listen", "127.0.0.1:0"], "witness:")
                processes.append(witness)
                (folder / "whowas.toml").write_text(f'[[witness]]\nurl = "http://{at}"\nvkey = "{key.removeprefix("vkey: ")}"\n')
            server, address, _ = start(binary, folder, ["serve", "--listen", "127.0.0.1:0"], "console:")
            processes.append(server)
            end = time.monotonic() + options.seconds
            clients = [Client(number, address, token, options, end) for number in range(options.clients)]
            cosigned = []
            watcher = threading.Thread(target=watch, args=(folder, end + 3, cosigned))
            if options.witness:
                watcher.start()
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            if options.witness:
                watcher.join()
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()
    times = [one for client in clients for one in client.times]
    if not times:
        sys.exit("nothing was acknowledged")
    result = {
        "requests": len(times),
        "records_per_s": round(len(times) * options.batch / options.seconds),
        "busy": sum(client.busy for client in clients),
        "uncovered": sum(client.uncovered for client in clients),
        "exposure": percentiles(times),
    }
    worst = result["exposure"]["p99_ms"]
    if options.witness:
        late = []
        for sent, size in (one for client in clients for one in client.sizes):
            at = next((when for when, covered in cosigned if covered >= size), None)
            late.append((at if at is not None else end + 3) - sent)
        result["until_cosigned"] = percentiles(late)
        worst = max(worst, result["until_cosigned"]["p99_ms"])
    print(json.dumps(result))
    sys.exit(1 if worst > LIMIT_S * 1000 or result["uncovered"] else 0)


main()
