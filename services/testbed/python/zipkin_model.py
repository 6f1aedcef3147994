#!/usr/bin/env python3
"""Checks that JSON on standard input is valid as a definition of Zipkin's published v2 model.

    zipkin_model.py DEFINITION < JSON      exit 0, or 1 and the error; PYTHONPATH must contain fastjsonschema
"""

import json
import sys
from pathlib import Path

import fastjsonschema

schema = json.loads(Path(__file__).with_name("zipkin2.schema.json").read_text(encoding="utf-8"))
definition = sys.argv[1]
if definition not in schema["definitions"]:
    sys.exit(f"the model has no {definition}")
validate = fastjsonschema.compile(schema | {"$ref": f"#/definitions/{definition}"})
try:
    validate(json.load(sys.stdin))
except ValueError as error:
    sys.exit(f"no {definition}: {error}")
