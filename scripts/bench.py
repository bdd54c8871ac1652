#!/usr/bin/env python3
"""Whole-process benchmark: import, size on disk, warm queries, HTTP ingestion, verification.

    scripts/bench.py --events EVENTS.ndjson [--bin target/release/whowas] [--runs 30] [--peer]

EVENTS.ndjson is what `gen.py --formats ndjson` of the comparison bench writes (flat native events).
Prints a Markdown table. `--peer` loads the same file into SQLite (three indexes, synchronous=FULL) and
asks it the same questions in the same run, so that what loads the machine loads both.
Standard library only; everything runs on loopback and below a temporary folder.
"""
import argparse, http.client, json, os, re, shutil, sqlite3, statistics, subprocess, sys, tempfile, threading, time
from collections import Counter
from datetime import date, timedelta

ENV = "bench/production"
WORD = "fedor"
ANY_TEXT = " OR ".join(f"{column} LIKE '%{WORD}%'" for column in ("name", "full", "email", "uid", "ip", "app", "ua", "session", "id"))


def shift_days(day, days):
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def timed(function, runs):
    function()
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        spent.append((time.perf_counter() - start) * 1000)
    return statistics.median(spent), sorted(spent)[int(len(spent) * 0.95)]


def folder_bytes(path, under=""):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(os.path.join(path, under)) for f in fs)


def run(binary, data, *args):
    """-> seconds, peak resident MiB, standard output"""
    start = time.perf_counter()
    child = subprocess.Popen([binary, "--data", data, *args], stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        sys.exit(f"whowas {' '.join(args)}: exit {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out


class Server:
    def __init__(self, binary, data):
        token = run(binary, data, "token", "create", "--scope", "admin", "--json")[2]
        self.headers = {"Authorization": "Bearer " + json.loads(token)["token"]}
        self.child = subprocess.Popen([binary, "--data", data, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http://([\d.:]+)", self.child.stdout.readline())[1]

    def ask(self, path, connection=None):
        connection = connection or http.client.HTTPConnection(self.address)
        connection.request("GET", f"/api/v1/environments/{ENV}{path}", headers=self.headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"GET {path}: {answer.status} {body[:300]}")
        return json.loads(body)

    def ingest(self, batches, clients):
        """Every batch must be acknowledged as committed. -> seconds, batch latencies in ms"""
        queue, latencies, lock = list(batches), [], threading.Lock()

        def client():
            connection = http.client.HTTPConnection(self.address)
            while True:
                with lock:
                    if not queue:
                        return
                    batch = queue.pop()
                start = time.perf_counter()
                connection.request("POST", f"/api/v1/environments/{ENV}/records", batch, self.headers | {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 429 or answer.status == 503:
                    with lock:
                        queue.append(batch)
                    time.sleep(0.05)
                    continue
                if answer.status != 200:
                    raise SystemExit(f"POST records: {answer.status} {body[:300]}")
                with lock:
                    latencies.append((time.perf_counter() - start) * 1000)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        start = time.perf_counter()
        [t.start() for t in threads]
        [t.join() for t in threads]
        return time.perf_counter() - start, sorted(latencies)

    def resident_mib(self):
        with open(f"/proc/{self.child.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def stop(self):
        self.child.terminate()
        self.child.wait()


def sqlite_peer(events, questions, runs, folder):
    """The same file in SQLite, and what the same questions take there."""
    path = os.path.join(folder, "peer.db")
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e (id TEXT, t TEXT, activity TEXT, outcome TEXT,"
                     " uid TEXT, name TEXT, full TEXT, email TEXT, ip TEXT, ua TEXT, app TEXT, session TEXT)")
    keys = "event_id occurred_at activity outcome user_id user_name display_name email src_ip user_agent app session_id".split()
    start = time.perf_counter()
    with open(events) as lines:
        batch = []
        for line in lines:
            event = json.loads(line)
            batch.append([event[key] for key in keys])
            if len(batch) == 50_000:
                db.executemany("INSERT INTO e VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", batch)
                db.commit()
                batch = []
        db.executemany("INSERT INTO e VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", batch)
        db.commit()
    db.executescript("CREATE INDEX t ON e(t); CREATE INDEX u ON e(uid, t); CREATE INDEX i ON e(ip, t);")
    load = time.perf_counter() - start
    day7, end, rare, busy, address = questions
    day30, day90 = (shift_days(end[:10], -days) for days in (29, 89))
    asked = {
        "User login events, first page": lambda: db.execute("SELECT * FROM e WHERE activity='logon' AND t>=? AND t<? ORDER BY t DESC LIMIT 100", (day7, end)).fetchall()
        + db.execute("SELECT count(*) FROM e WHERE activity='logon' AND t>=? AND t<?", (day7, end)).fetchall(),
        "one rare user's history": lambda: db.execute("SELECT * FROM e WHERE uid=? ORDER BY t DESC LIMIT 200", (rare,)).fetchall(),
        "one busy user's history": lambda: db.execute("SELECT * FROM e WHERE uid=? ORDER BY t DESC LIMIT 200", (busy,)).fetchall(),
        "one address, 90 days": lambda: db.execute("SELECT * FROM e WHERE ip=? AND t>=? AND t<? ORDER BY t DESC LIMIT 200", (address, day90, end)).fetchall(),
        "a word in any text, 30 days": lambda: db.execute(f"SELECT * FROM e WHERE t>=? AND t<? AND ({ANY_TEXT}) ORDER BY t DESC LIMIT 100", (day30, end)).fetchall()
        + db.execute(f"SELECT count(*) FROM e WHERE t>=? AND t<? AND ({ANY_TEXT})", (day30, end)).fetchall(),
    }
    return load, os.path.getsize(path), {name: timed(question, runs) for name, question in asked.items()}


def look(events):
    """Number of events, the end of the data, a rare and the busiest user, an address seen some 300 times."""
    count, users, addresses, last = 0, Counter(), Counter(), ""
    where = re.compile(r'"src_ip":\s*"([^"]+)"')
    pick = re.compile(r'"user_id":\s*"([^"]+)"')
    when = re.compile(r'"occurred_at":\s*"([^"]+)"')
    with open(events) as lines:
        for line in lines:
            count += 1
            users[pick.search(line)[1]] += 1
            addresses.update(where.findall(line))
            last = max(last, when.search(line)[1])
    rare = next(user for user, n in sorted(users.items()) if n == min(c for c in users.values() if c >= 3))
    address = min(sorted(addresses), key=lambda address: abs(addresses[address] - 300))
    return count, last[:10], rare, users.most_common(1)[0][0], address


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--events", required=True)
    cli.add_argument("--bin", default="target/release/whowas")
    cli.add_argument("--runs", type=int, default=30)
    cli.add_argument("--peer", action="store_true")
    args = cli.parse_args()
    count, last_day, rare, busy, address = look(args.events)
    folder = tempfile.mkdtemp(prefix="whowas-bench-")
    rows = []
    try:
        data = os.path.join(folder, "data")
        seconds, peak, out = run(args.bin, data, "import", "--environment", ENV, "--no-raw", "--json", args.events)
        summary = json.loads(out)
        assert summary["recorded"] == count, summary
        rows.append(("bulk import, NDJSON, without raw input", f"{count / seconds:,.0f} records/s, peak {peak:,.0f} MiB"))
        rows.append(("on disk, without raw input", f"{folder_bytes(data) / count:.1f} B/record ("
                     + ", ".join(f"{part} {folder_bytes(data, f'trails/{ENV}/{part}') / count:.1f}" for part in ("archive", "staging", "tile", "seen")) + ")"))
        seconds, peak, _ = run(args.bin, data, "verify", data)
        rows.append(("verify: every leaf, tile and the root", f"{count / seconds:,.0f} leaves/s, peak {peak:,.0f} MiB"))
        server = Server(args.bin, data)
        connection = http.client.HTTPConnection(server.address)
        end = f"{last_day}T23:59:59.999Z"
        start = time.perf_counter()
        server.ask("/sessions?limit=1", connection)
        rows.append(("sessions of all records made after the import, by the server", f"{time.perf_counter() - start:.1f} s, "
                     f"{folder_bytes(data, f'trails/{ENV}/sessions') / count:.1f} B/record"))
        from_all = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&limit=200&query=all-events"
        paths = {
            "User login events, first page": f"/logins?query=user-login-events&to={end}&limit=100",
            "one rare user's history": f"/logins?{from_all}&filter=user:{rare}",
            "one busy user's history": f"/logins?{from_all}&filter=user:{busy}",
            "first page of a week half a year earlier": f"/logins?query=user-login-events&to={shift_days(last_day, -180)}T23:59:59.999Z&limit=100",
            "one address, 90 days": f"/logins?query=all-events&from={shift_days(last_day, -89)}T00:00:00Z&to={end}&limit=200&filter=ip:{address}",
            "sessions of a week, newest 100 and total": f"/sessions?from={shift_days(last_day, -13)}T00:00:00Z&to={shift_days(last_day, -6)}T00:00:00Z&limit=100",
            "who was signed in, 5 days ago": f"/presence?at={shift_days(last_day, -5)}T10:00:00Z&limit=100",
            "who was signed in, 5 months ago": f"/presence?at={shift_days(last_day, -150)}T10:00:00Z&limit=100",
            "who was signed in, everybody of one service": f"/presence?at={shift_days(last_day, -5)}T10:00:00Z&limit=1000&filter=app:a*",
            "how many at once, 7 days by hour": f"/at-once?from={shift_days(last_day, -6)}T00:00:00Z&to={end}&points=168",
            "histogram by hour, 7 days": f"/histogram?from={shift_days(last_day, -6)}T00:00:00Z&to={end}&buckets=168",
            "facets, 7 days": f"/facets?from={shift_days(last_day, -6)}T00:00:00Z&to={end}",
            "users without a sign-in for 90 days": "/dormant?days=90",
            "sessions of one busy user, newest 200": f"/sessions?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&limit=200&filter=user:{busy}",
            "a word in any text, 30 days": f"/logins?query=all-events&from={shift_days(last_day, -29)}T00:00:00Z&to={end}&limit=100&filter={WORD}",
        }
        ours = {name: timed(lambda path=path: server.ask(path, connection), args.runs) for name, path in paths.items()}
        total = server.ask(paths["User login events, first page"], connection)["total"]
        rows.append(("memory while serving, after the queries", f"{server.resident_mib():,.0f} MiB"))
        batches = []
        for at in range(0, 200_000, 1000):
            batches.append("".join(json.dumps({"native_id": f"http-{n}", "occurred_at": end, "activity": "logon", "status": "success", "user": {"uid": f"u{n % 5000}", "name": f"user{n % 5000}@contoso.example"}, "src_endpoint": {"ip": f"10.0.{n % 250}.1"}, "service": {"name": "erp"}}) + "\n" for n in range(at, at + 1000)).encode())
        seconds, latencies = server.ingest(batches, 8)
        rows.append(("acknowledged over HTTP, batches of 1,000, 8 clients", f"{len(batches) * 1000 / seconds:,.0f} records/s, batch p50 {latencies[len(latencies) // 2]:.0f} ms, p99 {latencies[int(len(latencies) * 0.99)]:.0f} ms"))
        # The sessions of what came in batches are made in the background: let that end, it takes a core.
        server.ask("/sessions?limit=1", connection)
        single = [json.dumps({"native_id": f"single-{n}", "occurred_at": end, "activity": "logon", "status": "success", "user": {"uid": "u"}}).encode() for n in range(5000)]
        seconds, latencies = server.ingest(single, 64)
        rows.append(("acknowledged over HTTP, one record a request, 64 clients", f"{len(single) / seconds:,.0f} requests/s, p50 {latencies[len(latencies) // 2]:.0f} ms, p99 {latencies[int(len(latencies) * 0.99)]:.0f} ms"))
        server.stop()
        seconds, _, _ = run(args.bin, data, "search", "--environment", ENV, "--json", "--to", end, "--limit", "100")
        rows.append(("first page in a fresh process (the command)", f"{seconds * 1000:,.0f} ms"))
        seconds, peak, out = run(args.bin, data, "export", "--environment", ENV, "--from", shift_days(last_day, -29), "--to", end, "--as", "csv", "--out", os.path.join(folder, "month.csv"), "--json")
        exported = json.loads(out.splitlines()[-1])["rows"]
        rows.append(("export of 30 days, CSV", f"{exported / seconds:,.0f} rows/s, peak {peak:,.0f} MiB"))
        peer = {}
        if args.peer:
            day7 = shift_days(last_day, -6)
            load, size, peer = sqlite_peer(args.events, (day7, end, rare, busy, address), args.runs, folder)
            rows.append(("peer: SQLite load, three indexes", f"{count / load:,.0f} records/s, {size / count:.0f} B/record"))
        print(f"{count:,} records; User login events of 7 days: {total:,}\n\n| what | measured |\n|---|---|")
        for name, text in rows:
            print(f"| {name} | {text} |")
        for name, (median, p95) in ours.items():
            beside = f"; SQLite {peer[name][0]:.1f} / {peer[name][1]:.1f}, ratio {median / peer[name][0]:.1f}" if name in peer else ""
            print(f"| {name}, warm, over HTTP | {median:.1f} ms median, {p95:.1f} ms p95{beside} |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
