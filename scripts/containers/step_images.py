"""The images of a run, saved as archives under the names that chart and compose.yaml use."""

import images
from cases import values
from place import Fault
from render import octet, pods, render

LARGEST = 100


def objects():
    """What the pods are made of: the chart on a laptop."""
    return render(values("laptop"))


def archive(store_directory, name):
    return store_directory / f"{name.replace('/', '_').replace(':', '_')}.tar"


def make(report, store, short, newer):
    """`newer`: the broker is RabbitMQ 4 instead of this machine's."""
    with report.step("image", "Dockerfile's last stage" if short else "Dockerfile") as seen:
        if short:
            images.of_program(store, octet())
        else:
            images.of_dockerfile(store)
        size = store.save(images.OCTET, archive(store.directory, images.OCTET))
        seen.append(f"{size} MiB with the stand-in base" + (", of a debug build" if short else ""))
        if size > LARGEST:
            raise Fault(f"the image has {size} MiB, more than {LARGEST}")
    with report.step("image", "stand-ins of other images") as seen:
        makers = {"mongo": images.mongodb, "rabbitmq": images.rabbitmq4 if newer else images.rabbitmq, "curl": images.curl}
        wanted = {container["image"] for pod in pods(objects()) for container in pod.spec["containers"]}
        for tag in sorted(wanted - {images.OCTET}):
            kind = next(kind for kind in makers if kind in tag)
            makers[kind](store, images.full_name(tag))
            store.save(images.full_name(tag), archive(store.directory, images.full_name(tag)))
        images.pause(store)
        store.save(images.PAUSE, archive(store.directory, images.PAUSE))
        seen.append(", ".join(sorted(wanted - {images.OCTET})))
