#!/usr/bin/env python3
"""Answers the questions of the comparison bench from a trail, over HTTP: its `--ours`.

    run.py --n 1000000 --peers duckdb,sqlite --questions Q1,'Q2 rare',... \\
        --ours 'python3 scripts/bench_worker.py --bin target/release/whowas {dir}'

Speaks the bench's protocol: a line of JSON in, a line of JSON out. The three environments of its data become three
sources of one trail, so that a question about one of them is a filter. What it cannot ask is answered with an error:
Q4 and Q5 (no such question in the API), Q10 (its columns are the bench's). A session without a sign-out counts for
eight hours there (Q9), which is a setting here. Standard library only.
"""
import argparse, http.client, json, os, re, subprocess, sys, time
from datetime import datetime, timezone
from urllib.parse import urlencode

ENV = "bench/all"
PAGE = 10_000


def iso(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def ms_of(text):
    return text and round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Worker:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.data, self.settings = os.path.join(folder, "data"), os.path.join(folder, "whowas.toml")
        self.server = None

    def run(self, *command, stdin=None):
        done = subprocess.run([self.binary, "--config", self.settings, "--data", self.data, "--json", *command], stdin=stdin, capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"whowas {' '.join(command)}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def load(self, ndjson):
        os.makedirs(self.folder, exist_ok=True)
        with open(self.settings, "w") as out:
            out.write("[sessions.default]\nlifetime_s = 28800\n")
        start = time.perf_counter()
        names = set()
        with open(ndjson, "rb") as events:
            for line, _ in zip(events, range(100_000)):
                names.add(json.loads(line)["environment"])
        for name in sorted(names):
            lines = subprocess.Popen(["grep", "-aF", f'"environment":"{name}"', ndjson], stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"})
            self.run("import", "--environment", ENV, "--source", name, "--format", "whowas-event", "--no-raw", "-", stdin=lines.stdout)
            lines.stdout.close()
            if lines.wait() != 0:
                raise RuntimeError(f"no event of {name}")
        seconds = time.perf_counter() - start
        # The first question makes what later ones need.
        self.run("sessions", "--environment", ENV, "--limit", "1")
        return seconds

    def open(self):
        self.token = json.loads(self.run("token", "create", "--scope", "admin"))["token"]
        self.server = subprocess.Popen([self.binary, "--config", self.settings, "--data", self.data, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.server.stdout:
            if found := re.search(r"http://([\d.:]+)", line):
                break
        self.connection = http.client.HTTPConnection(found[1])

    def get(self, resource, **params):
        self.connection.request("GET", f"/api/v1/environments/{ENV}/{resource}?{urlencode(params)}", headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{resource}: {answer.status}: {body}")
        return body

    def pages(self, resource, **params):
        rows, page = [], {}
        while True:
            body = self.get(resource, limit=PAGE, **params, **page)
            rows += body["rows"]
            if not body.get("next"):
                return rows
            page = {"page": body["next"]}

    @staticmethod
    def window(p):
        return {"from": iso(p["from_ms"]), "to": iso(p["to_ms"])}

    ALWAYS = {"from": "1990-01-01", "query": "all-events"}

    def Q1(self, p):
        body = self.get("logins", **self.window(p), filter=f"source:{p['environment']}", limit=p["limit"])
        return None, [[r["native_id"], ms_of(r["occurred_at"]), r["user_uid"], r["user_name"], r["status"], r["src_ip"], r["service_name"]] for r in body["rows"]]

    def Q2(self, p):
        body = self.get("logins", **self.ALWAYS, filter=f"user:{p['user_id']}", limit=p["limit"])
        return None, [[r["native_id"], ms_of(r["occurred_at"]), r["activity"], r["status"], r["status_detail"] or r["status_code"], r["session_uid"], r["src_ip"], r["src_country"], r["service_name"]] for r in body["rows"]]

    def Q3(self, p):
        body = self.get("histogram", **self.window(p), buckets=168)
        rows = [[ms_of(b["start"]), outcome, b[outcome]] for b in body["buckets"] for outcome in ("success", "failure")]
        return None, [row for row in rows if row[2]]

    def Q6(self, p):
        rows = self.pages("logins", **self.window(p), query="all-events", filter=f"ip:{p['src_ip']}")
        return None, [[r["native_id"], ms_of(r["occurred_at"]), r["user_name"], r["activity"], r["status"], r["service_name"]] for r in rows]

    def Q7(self, p):
        # The bench looks into user agent and login name, here a word is looked for in every text of the grid.
        body = self.get("logins", **self.window(p), query="all-events", filter=p["needle"], limit=p["limit"])
        return body["total"], [[r["native_id"], ms_of(r["occurred_at"]), r["user_name"], r["user_agent"], r["status"]] for r in body["rows"]]

    def Q8(self, p):
        body = self.get("sessions", **self.window(p), limit=p["limit"])
        rows = [[r["session_uid"], r["user"], ms_of(r["start"]), ms_of(r["end"]) if r["end_confidence"] == "explicit" else None] for r in body["rows"]]
        return body["total"], [[*row, row[3] and row[3] - row[2]] for row in rows]

    def Q9(self, p):
        rows = self.pages("presence", at=iso(p["at_ms"]))
        rows = [[r["session_uid"], r["user"], ms_of(r["start"])] for r in rows]
        return len(rows), rows

    def Q12(self, p):
        body = self.get("logins", **self.ALWAYS, filter=f"source:{p['environment']} country:{p['country']} status:{p['outcome']}", limit=1)
        return body["total"], None

    def ask(self, question, params):
        answer = getattr(self, question, None)
        if answer is None:
            raise RuntimeError(f"{question} is not asked over this API")
        return answer(params)

    def close(self):
        if self.server:
            self.server.terminate()
            self.server.wait()


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder")
    cli.add_argument("--bin", default="target/release/whowas")
    args = cli.parse_args()
    worker = Worker(os.path.abspath(args.bin), args.folder)
    for line in sys.stdin:
        message, answer = json.loads(line), {"ok": True}
        try:
            start = time.perf_counter()
            if message["op"] == "load":
                answer["ingest_s"] = worker.load(message["ndjson"])
                answer["total_s"] = time.perf_counter() - start
            elif message["op"] == "open":
                worker.open()
                answer["pids"] = [worker.server.pid]
            elif message["op"] == "info":
                version = subprocess.run([worker.binary, "--version"], capture_output=True, text=True).stdout.split()[-1]
                answer.update(version=version, bytes=None)
            elif message["op"] == "ask":
                count, rows = worker.ask(message["q"], message["params"])
                answer.update(ms=(time.perf_counter() - start) * 1000, count=count, n=None if rows is None else len(rows))
                if message.get("full"):
                    answer["rows"] = rows
            elif message["op"] == "close":
                worker.close()
        except Exception as error:  # whatever goes wrong is the answer
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:800]}
        print(json.dumps(answer, ensure_ascii=False), flush=True)
        if message["op"] == "close":
            break


if __name__ == "__main__":
    main()
