"""Services: names by a DNS server on the node, addresses by packet filters, as kube-proxy's iptables mode does it."""

import socket
import socketserver
import struct
import threading

import probes
from node import DNS

FIRST = 10


class Services:
    """The Services of a rendering, in its namespace."""

    def __init__(self, objects, namespace, domain):
        self.namespace, self.domain = namespace, domain
        self.services = [found for found in objects if found["kind"] == "Service"]
        self.addresses = {found["metadata"]["name"]: f"10.96.1.{FIRST + index}"
                          for index, found in enumerate(self.services) if found["spec"].get("clusterIP") != "None"}

    def endpoints(self, service, pods):
        selector = service["spec"]["selector"].items()
        every = service["spec"].get("publishNotReadyAddresses", False)
        return [pod for pod in list(pods) if pod.namespace == self.namespace and selector <= pod.labels.items()
                and (pod.ready or every)]

    def resolve(self, name, pods):
        """The addresses of a name such as service-a.octet.svc.cluster.local; None for a name that does not exist."""
        for service in self.services:
            own = service["metadata"]["name"]
            if name.lower().rstrip(".") == f"{own}.{self.namespace}.svc.{self.domain}":
                if own in self.addresses:
                    return [self.addresses[own]]
                return [pod.address for pod in self.endpoints(service, pods)]
        return None

    def rules(self, pods):
        """Rules of the tables nat and filter."""
        translated, refused = [], []
        for service in self.services:
            name = service["metadata"]["name"]
            if name not in self.addresses:
                continue
            found = self.endpoints(service, pods)
            for port in service["spec"]["ports"]:
                to = f"-d {self.addresses[name]}/32 -p {port.get('protocol', 'TCP').lower()} --dport {port['port']}"
                if not found:
                    refused.append(f"-A SERVICES {to} -j REJECT --reject-with icmp-port-unreachable")
                for left, pod in zip(range(len(found), 0, -1), found):
                    chance = f" -m statistic --mode random --probability {1 / left:.5f}" if left > 1 else ""
                    target = probes.port(with_ports(pod), port.get("targetPort", port["port"]))
                    translated.append(f"-A SERVICES {to}{chance} -j DNAT --to-destination {pod.address}:{target}")
        return translated, refused


def with_ports(pod):
    return {"name": pod.name, "ports": [port for container in pod.spec["containers"] for port in container.get("ports", [])]}


class Dns(socketserver.ThreadingUDPServer):
    """Answers questions for IPv4 addresses; everything else is empty or does not exist."""

    daemon_threads = True

    def __init__(self, resolve):
        self.resolve = resolve
        super().__init__((DNS, 53), _Question)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Question(socketserver.BaseRequestHandler):
    def handle(self):
        asked, reply = self.request
        answer = answered(asked, self.server.resolve)
        if answer:
            reply.sendto(answer, self.client_address)


def answered(asked, resolve):
    """The response to one question, or None for a message that is none."""
    if len(asked) < 17 or asked[4:6] != b"\0\1":
        return None
    labels, place = [], 12
    while place < len(asked) and asked[place]:
        labels.append(asked[place + 1:place + 1 + asked[place]].decode("ascii", "replace"))
        place += 1 + asked[place]
    question = asked[12:place + 5]
    addresses = resolve(".".join(labels))
    (kind,) = struct.unpack_from(">H", asked, place + 1)
    found = (addresses or []) if kind == 1 else []
    flags = 0x8580 if addresses is not None else 0x8583
    head = asked[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0)
    return head + question + b"".join(b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 5, 4) + socket.inet_aton(address)
                                      for address in found)
