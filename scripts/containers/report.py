"""What was tried, how it ended and how long it took: on the terminal, as JUnit and as Markdown."""

import contextlib
import json
import time
import xml.etree.ElementTree as xml

from place import Fault


class Report:
    """Steps in their order. They are kept in a file, because steps run in processes of their own."""

    def __init__(self, file):
        self.file = file

    def steps(self):
        return json.loads(self.file.read_text()) if self.file.exists() else []

    @contextlib.contextmanager
    def step(self, group, name):
        """A step; it adds what it saw to the list that it gets."""
        started, seen = time.monotonic(), []
        try:
            yield seen
        except (Fault, OSError) as error:
            self.add(group, name, time.monotonic() - started, seen, str(error))
            raise
        self.add(group, name, time.monotonic() - started, seen)

    def add(self, group, name, seconds, seen, failure=None):
        steps = [*self.steps(), {"group": group, "name": name, "seconds": round(seconds, 1), "seen": seen, "failure": failure}]
        self.file.write_text(json.dumps(steps))
        print(f"{group}: {name}: {failure or '; '.join(seen) or 'ok'} ({seconds:.0f} s)", flush=True)

    def write(self, directory, title, skipped=None):
        steps = self.steps()
        directory.mkdir(parents=True, exist_ok=True)
        suite = xml.Element("testsuite", name="containers", tests=str(len(steps) + bool(skipped)), skipped=str(int(bool(skipped))),
                            failures=str(sum(step["failure"] is not None for step in steps)))
        for step in steps:
            case = xml.SubElement(suite, "testcase", classname=step["group"], name=step["name"], time=str(step["seconds"]))
            if step["failure"] is not None:
                xml.SubElement(case, "failure").text = step["failure"]
            xml.SubElement(case, "system-out").text = "\n".join(step["seen"])
        if skipped:
            xml.SubElement(xml.SubElement(suite, "testcase", classname="containers", name="all"), "skipped", message=skipped)
        xml.ElementTree(suite).write(directory / "junit.xml", encoding="unicode", xml_declaration=True)
        rows = [f"| {step['group']} | {step['name']} | {step['seconds']:.0f} | "
                f"{'**failed**: ' + step['failure'].splitlines()[0] if step['failure'] else '; '.join(step['seen']) or 'ok'} |"
                for step in steps]
        (directory / "report.md").write_text("\n".join(
            [f"# {title}", "", *([f"Skipped: {skipped}"] if skipped else []),
             "| part | step | seconds | result |", "|---|---|---|---|", *rows, ""]))
