"""Volumes and variables of a pod, laid out as the kubelet does."""

import base64
import os
import pathlib

from place import Fault


def keyed(objects, kind, name, namespace):
    """The data of a ConfigMap or Secret, as bytes."""
    for found in objects:
        meta = found["metadata"]
        if (found["kind"], meta["name"], meta.get("namespace", namespace)) == (kind, name, namespace):
            plain = found.get("stringData", {}) if kind == "Secret" else found.get("data", {})
            coded = found.get("data", {}) if kind == "Secret" else found.get("binaryData", {})
            return {**{key: base64.b64decode(text) for key, text in coded.items()},
                    **{key: text.encode() for key, text in plain.items()}}
    return None


def lay_out(pod, objects, claims):
    """Makes every volume of the pod, and returns their places by name."""
    group = pod.spec.get("securityContext", {}).get("fsGroup")
    places = {}
    for volume in pod.spec.get("volumes", []):
        name = volume["name"]
        place = pod.directory / "volumes" / name
        place.mkdir(parents=True)
        if "emptyDir" in volume:
            place.chmod(0o777)
        elif "configMap" in volume:
            _write(place, volume["configMap"], keyed(objects, "ConfigMap", volume["configMap"]["name"], pod.namespace), 0o644)
        elif "secret" in volume:
            _write(place, volume["secret"], keyed(objects, "Secret", volume["secret"]["secretName"], pod.namespace), 0o644)
        else:
            raise Fault(f"{pod.name}: the stand-in does not know the volume {volume}")
        places[name] = place
    for claim in pod.owner["spec"].get("volumeClaimTemplates", []):
        name = claim["metadata"]["name"]
        places[name] = claims / f"{name}-{pod.name}"
        places[name].mkdir(parents=True, exist_ok=True)
    if group is not None:
        for place in places.values():
            _give(place, group)
    return places


def _write(place, source, data, mode):
    if data is None:
        if source.get("optional"):
            return
        raise Fault(f"the volume's {source} does not exist")
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] not in data:
            raise Fault(f"{source} has no key {item['key']}")
        file = place / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data[item["key"]])
        file.chmod(item.get("mode", source.get("defaultMode", mode)))


def _give(place, group):
    """fsGroup: everything belongs to the group, which may read it, and write what its owner may write."""
    if place.stat().st_gid == group:
        return
    for path in [place, *place.rglob("*")]:
        os.chown(path, -1, group)
        mode = path.stat().st_mode & 0o7777
        path.chmod(mode | (0o2770 if path.is_dir() else 0o660 if mode & 0o200 else 0o440))


def variables(pod, container, objects):
    """The container's environment."""
    found = {}
    for source in container.get("envFrom", []):
        kind, reference = ("Secret", source["secretRef"]) if "secretRef" in source else ("ConfigMap", source["configMapRef"])
        data = keyed(objects, kind, reference["name"], pod.namespace)
        if data is None and not reference.get("optional"):
            raise Fault(f"{pod.name}: {kind}/{reference['name']} does not exist")
        found |= {source.get("prefix", "") + key: text.decode() for key, text in (data or {}).items()}
    for entry in container.get("env", []):
        found[entry["name"]] = _value(pod, entry, objects)
    return found


def _value(pod, entry, objects):
    if "valueFrom" not in entry:
        return entry.get("value", "")
    ((kind, source),) = entry["valueFrom"].items()
    if kind == "fieldRef":
        fields = {"metadata.name": pod.name, "metadata.namespace": pod.namespace, "status.podIP": pod.address,
                  "spec.nodeName": "node", "spec.serviceAccountName": pod.spec.get("serviceAccountName", "default")}
        return fields[source["fieldPath"]]
    kinds = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
    if kind not in kinds:
        raise Fault(f"{pod.name}: the stand-in does not know {entry}")
    data = keyed(objects, kinds[kind], source["name"], pod.namespace)
    if data is None or source["key"] not in data:
        raise Fault(f"{pod.name}: {kinds[kind]}/{source['name']} has no key {source['key']}")
    return data[source["key"]].decode()


def hosts(pod):
    """The pod's own /etc/hosts."""
    file = pathlib.Path(pod.directory, "hosts")
    file.write_text(f"127.0.0.1 localhost\n{pod.address} {pod.name}\n")
    file.chmod(0o644)
    return file
