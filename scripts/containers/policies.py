"""NetworkPolicies as packet filters of the node.

A refused packet is answered with "administratively prohibited", which a client sees as EHOSTUNREACH: that tells a policy
from a closed port. Policies look at pods' addresses and ports, after a Service's address is translated.
"""

import ipaddress

import probes
from place import Fault
from services import with_ports

REFUSE = "-j REJECT --reject-with icmp-admin-prohibited"
DIRECTIONS = {"Ingress": ("ingress", "from", "-d", "-s"), "Egress": ("egress", "to", "-s", "-d")}


def matches(selector, labels):
    """Whether a label selector matches; an empty one does."""
    for label, value in selector.get("matchLabels", {}).items():
        if labels.get(label) != value:
            return False
    for term in selector.get("matchExpressions", []):
        given, operator = labels.get(term["key"]), term["operator"]
        fits = {"In": given in term.get("values", []), "NotIn": given not in term.get("values", []),
                "Exists": given is not None, "DoesNotExist": given is None}[operator]
        if not fits:
            return False
    return True


def rules(policies, pods, namespaces):
    """Rules of the chain POLICIES and of a chain for each pod and direction.

    `namespaces` has the labels of each.
    """
    chains, found = [], []
    pods = [pod for pod in list(pods) if pod.address]
    for number, pod in enumerate(pods):
        applied = [policy for policy in policies if policy["metadata"]["namespace"] == pod.namespace
                   and matches(policy["spec"]["podSelector"], pod.labels)]
        for direction, (field, peers, own, other) in DIRECTIONS.items():
            isolating = [policy for policy in applied if direction in _types(policy)]
            if not isolating:
                continue
            chain = f"{direction.upper()}-{number}"
            chains.append(chain)
            found.append(f"-A POLICIES {own} {pod.address}/32 -j {chain}")
            for policy in isolating:
                for rule in policy["spec"].get(field) or []:
                    found += [f"-A {chain}{peer}{port} -j RETURN"
                              for peer in _peers(rule.get(peers), policy, pods, namespaces, other)
                              for port in _ports(rule.get("ports"), pod if direction == "Ingress" else None)]
            found.append(f"-A {chain} {REFUSE}")
    return chains, found


def _types(policy):
    spec = policy["spec"]
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]


def _peers(given, policy, pods, namespaces, option):
    """Packet filters for a rule's peers; one that matches everything without peers."""
    if not given:
        return [""]
    found = []
    for peer in given:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            left = [ipaddress.ip_network(block["cidr"])]
            for excluded in map(ipaddress.ip_network, block.get("except", [])):
                left = [part for network in left for part in
                        (network.address_exclude(excluded) if excluded.subnet_of(network) else [network])]
            found += [f" {option} {network}" for network in left if network.version == 4]
            continue
        for pod in pods:
            inside = (matches(peer["namespaceSelector"], namespaces[pod.namespace]) if "namespaceSelector" in peer
                      else pod.namespace == policy["metadata"]["namespace"])
            if inside and matches(peer.get("podSelector", {}), pod.labels):
                found.append(f" {option} {pod.address}/32")
    return found


def _ports(given, pod):
    """Packet filters for a rule's ports. `pod` is the one that is reached; names are its ports'."""
    if not given:
        return [""]
    found = []
    for port in given:
        protocol = f" -p {port.get('protocol', 'TCP').lower()}"
        number = port.get("port")
        if isinstance(number, str):
            if pod is None:
                raise Fault(f"the stand-in knows ports by name, such as {number}, for ingress only")
            found.append(f"{protocol} --dport {probes.port(with_ports(pod), number)}")
        else:
            end = f":{port['endPort']}" if "endPort" in port else ""
            found.append(protocol if number is None else f"{protocol} --dport {number}{end}")
    return found
