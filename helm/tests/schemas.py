"""Checks objects against the schemas of Kubernetes and of operators."""

import json

from render import ROOT, TOOLS, name_of, run

import kubernetes_validate

# The two newest versions in EKS's standard support.
VERSIONS = ("1.35", "1.36")

# API groups of operators; helm/tests/models.mjs checks these.
CUSTOM = ("networking.istio.io/v1", "security.istio.io/v1", "telemetry.istio.io/v1", "gateway.networking.k8s.io/v1",
          "monitoring.coreos.com/v1", "argoproj.io/v1alpha1", "external-secrets.io/v1", "keda.sh/v1alpha1",
          "karpenter.sh/v1", "karpenter.k8s.aws/v1")


def faults(labelled):
    """One line per error in (label, object) pairs. Equal objects are checked once."""
    unique = {}
    for label, found in labelled:
        unique.setdefault(json.dumps(found, sort_keys=True), (f"{label}, {name_of(found)}", found))
    found = list(unique.values())
    own = [(where, it) for where, it in found if it.get("apiVersion") not in CUSTOM]
    custom = [{"where": where, "object": it} for where, it in found if it.get("apiVersion") in CUSTOM]
    return [*_core(own), *_custom(custom)]


def _core(pairs):
    for where, found in pairs:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(found, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{where}: for {version}: {'.'.join(map(str, error.path))}: {error.message[:300]}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{where}: {version} has no {found.get('apiVersion')} {found.get('kind')}"


def _custom(entries):
    if not entries:
        return
    done = run("node", ROOT / "helm/tests/models.mjs", TOOLS / "models", given=json.dumps(entries), check=False)
    if done.returncode > 1 or done.stderr:
        yield f"models.mjs: {done.stdout}{done.stderr}"
    elif done.returncode == 1:
        yield from (line[:400] for line in done.stdout.splitlines())
