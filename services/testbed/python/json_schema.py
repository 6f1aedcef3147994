"""Reads [schema, [document, ...]] and prints for each document whether the schema accepts it."""

import json
import sys

from jsonschema import Draft202012Validator

schema, documents = json.load(sys.stdin)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
print(json.dumps([validator.is_valid(document) for document in documents]))
