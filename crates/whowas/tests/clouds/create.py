"""Creates a bucket or a container in an emulator: what an administrator does before a schedule writes there.

    create.py s3 http://127.0.0.1:PORT NAME
    create.py azure http://127.0.0.1:PORT/devstoreaccount1 NAME
"""
import base64
import datetime
import hashlib
import hmac
import sys
import urllib.request

# The account of every Azurite; it is published with it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

kind, base, name = sys.argv[1:]
headers = {"content-length": "0", "content-type": "application/octet-stream"}
url = f"{base}/{name}"
if kind == "azure":
    url += "?restype=container"
    headers["x-ms-date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers["x-ms-version"] = "2021-12-02"
    canonical = f"x-ms-date:{headers['x-ms-date']}\nx-ms-version:{headers['x-ms-version']}\n"
    resource = f"/devstoreaccount1/devstoreaccount1/{name}\nrestype:container"
    text = "PUT" + "\n" * 5 + headers["content-type"] + "\n" * 7 + canonical + resource
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["authorization"] = "SharedKey devstoreaccount1:" + base64.b64encode(digest).decode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
request = urllib.request.Request(url, method="PUT", headers=headers, data=b"")
with opener.open(request, timeout=30) as answer:
    print(answer.status)
