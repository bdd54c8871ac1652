"""Creates a bucket or a container in an emulator, or writes a file into one: what others do beside whowas.

    create.py s3 http://127.0.0.1:PORT NAME [FILE]
    create.py azure http://127.0.0.1:PORT/devstoreaccount1 NAME [FILE]

With a file, NAME is that of the bucket, `/`, and that of the object.
"""
import base64
import datetime
import hashlib
import hmac
import pathlib
import sys
import urllib.request

# The account of every Azurite; it is published with it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

kind, base, name, *files = sys.argv[1:]
body = pathlib.Path(files[0]).read_bytes() if files else b""
headers = {"content-length": str(len(body)), "content-type": "application/octet-stream"}
url = f"{base}/{name}"
if kind == "azure":
    if not files:
        url += "?restype=container"
    headers["x-ms-date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers["x-ms-version"] = "2021-12-02"
    if files:
        headers["x-ms-blob-type"] = "BlockBlob"
    signed = sorted(header for header in headers if header.startswith("x-ms-"))
    canonical = "".join(f"{header}:{headers[header]}\n" for header in signed)
    resource = f"/devstoreaccount1/devstoreaccount1/{name}" + ("" if files else "\nrestype:container")
    length = str(len(body)) if body else ""
    text = f"PUT\n\n\n{length}\n\n" + headers["content-type"] + "\n" * 7 + canonical + resource
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["authorization"] = "SharedKey devstoreaccount1:" + base64.b64encode(digest).decode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
request = urllib.request.Request(url, method="PUT", headers=headers, data=body)
with opener.open(request, timeout=30) as answer:
    print(answer.status)
