"""The kubelet's probes, called from the node."""

import http.client
import socket

from place import Fault

import grpc

SERVING = b"\x08\x01"


def call(pod, container, probe, runtime):
    """One call of a probe; a Fault or OSError is its failure."""
    timeout = probe.get("timeoutSeconds", 1)
    if "httpGet" in probe:
        _http(pod.address, port(container, probe["httpGet"]["port"]), probe["httpGet"]["path"], timeout)
    elif "tcpSocket" in probe:
        socket.create_connection((pod.address, port(container, probe["tcpSocket"]["port"])), timeout).close()
    elif "grpc" in probe:
        _grpc(f"{pod.address}:{probe['grpc']['port']}", probe["grpc"].get("service", ""), timeout)
    elif "exec" in probe:
        done = runtime.call("ExecSync", timeout=timeout + 5, container_id=pod.containers[container["name"]],
                            cmd=probe["exec"]["command"], timeout_=timeout)
        if done.exit_code != 0:
            raise Fault(f"{probe['exec']['command']}: status {done.exit_code}: {(done.stdout + done.stderr).decode()[-500:]}")
    else:
        raise Fault(f"{pod.name}: the stand-in does not know the probe {probe}")


def port(container, name):
    """A port by number or by name."""
    if isinstance(name, int):
        return name
    for entry in container["ports"]:
        if entry["name"] == name:
            return entry["containerPort"]
    raise Fault(f"{container['name']} has no port {name}")


def _http(address, number, path, timeout):
    connection = http.client.HTTPConnection(address, number, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except http.client.HTTPException as error:
        raise Fault(f"{path}: {error!r}") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 400:
        raise Fault(f"{path}: {answer.status}")


def _grpc(target, service, timeout):
    name = service.encode()
    asked = b"\x0a" + bytes([len(name)]) + name if name else b""
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        try:
            answer = check(asked, timeout=timeout)
        except grpc.RpcError as error:
            raise Fault(f"health of {service!r}: {error.code().name}") from error
    if answer != SERVING:
        raise Fault(f"health of {service!r}: not serving")
