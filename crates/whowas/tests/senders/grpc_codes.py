"""Calls LogsService/Export as no SDK would, and prints the codes of the answers.

    grpc_codes.py ADDRESS TOKEN
"""

import sys

import grpc

address, token = sys.argv[1:]
channel = grpc.insecure_channel(address)


def call(secret, message, service="opentelemetry.proto.collector.logs.v1.LogsService", **options):
    export = channel.unary_unary(f"/{service}/Export")
    try:
        export(message, metadata=[("authorization", f"Bearer {secret}")], timeout=30, **options)
        print("OK")
    except grpc.RpcError as error:
        print(error.code().name, error.details())


call(token, b"")
call(token, b"", compression=grpc.Compression.Gzip)
call("whowas_wrong", b"")
call(token, b"\x0f")
call(token, b"\x0a" * (17 << 20))
