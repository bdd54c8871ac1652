#!/usr/bin/env python3
"""Sessions and presence of a million records against answers that were made by other means.

    scripts/check_sessions.py --data DIR [--bin target/release/whowas] [--keep FOLDER]

DIR has `events.ndjson` and `truth.json`, as `gen.py` of the comparison bench writes them: sessions that began in a week
(Q8), and who was signed in at two instants, where a session without a sign-out counts for eight hours (Q9). Imports the
events into a new trail, pairs them by that rule, asks, compares every row, and tells how long each answer took.
Ends with 0 if all are right. Standard library only.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time
from datetime import datetime, timezone

ENV = "bench/production"


def time_of(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def ms_of(text):
    return text and round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--data", required=True)
    cli.add_argument("--bin", default="target/release/whowas")
    cli.add_argument("--keep", help="a folder for the trail, which is used again if it is there")
    args = cli.parse_args()
    folder = args.keep or tempfile.mkdtemp(prefix="whowas-check-")
    os.makedirs(folder, exist_ok=True)
    settings = os.path.join(folder, "whowas.toml")
    with open(settings, "w") as out:
        out.write("[sessions.default]\nlifetime_s = 28800\n")

    def run(*command):
        start = time.perf_counter()
        done = subprocess.run([args.bin, "--config", settings, "--data", os.path.join(folder, "data"), "--json", *command], capture_output=True, text=True)
        if done.returncode not in (0, 3):
            sys.exit(f"{command}: exit {done.returncode}: {done.stderr}")
        return time.perf_counter() - start, [json.loads(line) for line in done.stdout.splitlines()], json.loads(done.stderr.splitlines()[-1]) if done.stderr.startswith("{") else {}

    def pages(*command):
        seconds, rows, told = run(*command, "--limit", "10000")
        while told["next"]:
            more, others, told = run(*command, "--limit", "10000", "--page", told["next"])
            seconds, rows = seconds + more, rows + others
        return seconds, rows, told

    wrong = 0
    try:
        if not os.path.exists(os.path.join(folder, "data")):
            seconds, (summary,), _ = run("import", "--environment", ENV, "--no-raw", os.path.join(args.data, "events.ndjson"))
            print(f"imported {summary['recorded']:,} records in {seconds:.0f} s")
        seconds, _, told = run("sessions", "--environment", ENV, "--limit", "1")
        print(f"first question, which makes the sessions: {seconds:.1f} s; {os.popen(f'du -sb {folder}/data/trails/{ENV}/sessions').read().split()[0]} bytes")
        with open(os.path.join(args.data, "truth.json")) as truth:
            questions = json.load(truth)["questions"]
        for question in questions:
            name, params, expect = question["id"], question["params"], question["expect"]
            if question["q"] == "Q8":
                ask = ["sessions", "--environment", ENV, "--from", time_of(params["from_ms"]), "--to", time_of(params["to_ms"])]
                seconds, rows, told = run(*ask, "--limit", str(params["limit"]))
                # An end that is only inferred is none there.
                got = [[row["session_uid"], row["user"], ms_of(row["start"]), ms_of(row["end"]) if row["end_confidence"] == "explicit" else None] for row in rows]
                want = [row[:4] for row in expect["rows"]]
            elif question["q"] == "Q9":
                seconds, rows, told = pages("presence", "--environment", ENV, "--at", time_of(params["at_ms"]))
                got = sorted([row["session_uid"], row["user"], ms_of(row["start"])] for row in rows)
                want = sorted(row[:3] for row in expect["rows"])
            else:
                continue
            is_right = got == want and told["total"] == expect["count"]
            wrong += not is_right
            print(f"{name}: {told['total']:,} ({expect['count']:,}), {len(got)} rows compared, {'right' if is_right else 'WRONG'}; {seconds * 1000:.0f} ms in fresh processes")
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
