"""The images of a run, saved as archives under the names that chart and compose.yaml use."""

import functools

import images
from cases import own, values
from place import ROOT, Fault
from render import octet, pods, render, yaml

# In MiB: of the Dockerfile's release build, and of a debug build, which may have the lake.
LARGEST, LARGEST_OF_DEBUG = 100, 150
COMPOSE = ROOT / "compose.yaml"


def objects():
    """What the pods are made of: the chart on a laptop."""
    return render(values("laptop"))


def with_knobs():
    """The same with every value that acts in a pod."""
    return render([*values("laptop"), *own("containers")])


def of_pods(made_of=objects):
    return {container["image"] for pod in pods(made_of())
            for container in [*pod.spec.get("initContainers", []), *pod.spec["containers"]]}


def of_knobs():
    return of_pods(with_knobs)


def of_compose():
    return {service["image"] for service in yaml.safe_load(COMPOSE.read_text())["services"].values()}


def archive(store_directory, name):
    name = name if name == images.OCTET else images.full_name(name)
    return store_directory / f"{name.replace('/', '_').replace(':', '_')}.tar"


def make(report, store, given):
    """`given.rabbitmq`: the broker is that of another Debian release."""
    with report.step("image", "Dockerfile's last stage" if given.short else "Dockerfile") as seen:
        if given.short:
            images.of_program(store, octet())
        else:
            images.of_dockerfile(store)
        size = store.save(images.OCTET, archive(store.directory, images.OCTET))
        seen.append(f"{size} MiB with the stand-in base" + (", of a debug build" if given.short else ""))
        largest = LARGEST_OF_DEBUG if given.short else LARGEST
        if size > largest:
            raise Fault(f"the image has {size} MiB, more than {largest}")
    stand_ins(report, store, given)


def stand_ins(report, store, given):
    with report.step("image", "stand-ins of other images") as seen:
        makers = {"mongo-express": functools.partial(images.page, port=8081),
                  "grafana": functools.partial(images.page, port=3000), "mongo": images.mongodb,
                  "rabbitmq": functools.partial(images.rabbitmq, release=given.rabbitmq), "curl": images.curl,
                  "octet.test/s3": images.s3, "zipkin": images.zipkin, "prometheus": images.prometheus}
        parts = {"pods": of_pods, "values": of_knobs, "compose": of_compose}
        wanted = {name for part in given.parts for name in parts[part]()} - {images.OCTET}
        made = {}
        for name in sorted(wanted):
            tag = images.full_name(name)
            kind = next(kind for kind in makers if kind in name)
            if kind in made:
                store.buildah("tag", made[kind], tag)
            else:
                makers[kind](store, tag)
                made[kind] = tag
            store.save(tag, archive(store.directory, name))
        images.pause(store)
        store.save(images.PAUSE, archive(store.directory, images.PAUSE))
        seen.append(", ".join(sorted(wanted)))
