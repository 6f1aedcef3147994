"""What `octet hydrate` has written, as `octet lake` and its files show it."""

import json

from place import Fault, until

# The stores of the built-in topology.
TOPICS = ("service-c.greetings", "service-f.messages", "service-g.greetings", "service-h.greetings")
# Service F stores the greetings that D published.
MESSAGES, PUBLISHER = "service-f.messages", "service-d"


def complete(octet_lake, answers):
    """Waits until every topic has a row for each answer, and has their objects verified. Returns the number of rows.

    `octet_lake` runs `octet lake` with arguments and returns its output.
    """
    def look():
        rows = {topic["topic"]: topic["rows"] for topic in json.loads(octet_lake("ls", "--json"))}
        short = {topic: rows.get(topic, 0) for topic in TOPICS if rows.get(topic, 0) < len(answers)}
        if short:
            raise Fault(f"fewer rows than {len(answers)} answers: {short}")
        return sum(rows.values())

    rows = until("the lake", look, 90, pause=1)
    for topic in TOPICS:
        octet_lake("verify", topic)
    return rows


def contains(place, answers):
    """The directory's objects hold the published greeting of every answer."""
    lines = [line for file in place.glob(f"topics/{MESSAGES}/*/*.json") for line in file.read_text().splitlines()]
    found = {json.loads(line)["id"] for line in lines}
    greetings = [greeting for answer in answers for greeting in json.loads(answer)["greeting"]]
    wanted = {greeting["id"] for greeting in greetings if greeting["service"] == PUBLISHER}
    if not wanted or wanted - found:
        raise Fault(f"{len(wanted - found)} of {len(wanted)} published greetings are not in the lake")
