#!/usr/bin/env python3
"""Runs the chart's pods as processes of this host: `octet` with exactly the arguments, variables and files of the
rendered Deployments, every Service's address mapped to loopback, each process in its own directory, beside a real
broker and database. It sends requests, audits, calls every probe and stops them, so that chart and program cannot
diverge.

    helm/tests/processes.py      `make test-chart` runs it with its tools

Differences from a cluster: addresses, the broker's password, and the database, which has no login.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

from cases import CASES
from mesh import PATIENCE, Fault, Mesh
from render import octet, render, topology

GREETINGS = 25


def main():
    objects = render(CASES["all settings"])
    order = topology()["order"]
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="octet-chart-")))
        servers = {"rabbitmq": stack.enter_context(server("broker")), "mongodb": stack.enter_context(server("database"))}
        mesh = Mesh(objects, servers, directory)
        stack.enter_context(mesh)
        for name in mesh.processes:
            mesh.probes(name)
        answers = [mesh.greet() for _ in range(GREETINGS)]
        for answer in answers:
            if [greeting["service"] for greeting in answer["greeting"]] != order:
                raise Fault(f"expected greetings of {order}, got {answer}")
        mesh.audit(answers)
        mesh.traced()
        mesh.tested()
        mesh.end()
        language = _language(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="octet-chart-"))), servers)
    print(f"helm/octet: {len(mesh.processes)} containers run as processes, answer {GREETINGS} requests with "
          f"{len(order)} greetings each, lose nothing, answer their probes, pass `helm test` and stop cleanly; {language} with replicas and "
          "faults balance, stream, and follow a change of the faults")


def _language(directory, servers):
    """Runs what the topology language adds."""
    with Mesh(render(CASES["language, replicas, faults"]), servers, directory) as mesh:
        for name in mesh.processes:
            mesh.probes(name)
        for _ in range(GREETINGS):
            mesh.greet()
        mesh.balanced("service-g")
        lines = mesh.ask("/api/greeting/stream").splitlines()
        if len(lines) != len(topology()["order"]) or not all('"result"' in line for line in lines):
            raise Fault(f"the stream is {lines}")
        mesh.faulted("/api/greeting", {"x-request-id": "injected"}, 409)
        mesh.end()
        return len(mesh.processes)


@contextlib.contextmanager
def server(name):
    """An example of services/testbed, which prints its URL and stops on SIGTERM."""
    program = octet().parent / "examples" / name
    process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise Fault(f"{name} did not start")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"helm/octet as processes: {fault}")
