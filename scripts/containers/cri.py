"""A client of the Container Runtime Interface, as far as cri.proto has it."""

import subprocess

from place import ROOT, Fault

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = ROOT / "scripts/containers"
RUNNING, EXITED = 1, 2


class Runtime:
    """A connection to containerd. `call` takes a message as a mapping."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix://{socket}", options=[("grpc.enable_http_proxy", 0)])
        image = subprocess.run([ROOT / ".tools/bin/buf", "build", HERE, "--path", HERE / "cri.proto", "--output", "-#format=binpb"],
                               check=True, capture_output=True).stdout
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(image).file:
            pool.Add(file)
        self.methods = {}
        for service in ("RuntimeService", "ImageService"):
            for method in pool.FindServiceByName(f"runtime.v1.{service}").methods:
                asked, answered = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
                stub = self.channel.unary_unary(f"/runtime.v1.{service}/{method.name}", asked.SerializeToString,
                                                answered.FromString)
                self.methods[method.name] = (stub, asked)

    def call(self, method, timeout=60, **fields):
        # A field `timeout` is written `timeout_`, because the call has one of its own.
        fields = {name.rstrip("_"): value for name, value in fields.items()}
        stub, asked = self.methods[method]
        try:
            return stub(asked(**fields), timeout=timeout)
        except grpc.RpcError as error:
            raise Fault(f"containerd: {method}: {error.code().name}: {error.details()}") from error
