"""Reads a topic's objects back with the library that the first argument names, and prints their rows as JSON lines.

The first argument is pyarrow, duckdb, or duckdb-latest: the row with the latest `at` of each `id`. The second is the topic's
directory, the third the column that orders the rows. The columns in directories' names are included.
"""

import datetime
import decimal
import json
import pathlib
import sys


def by_pyarrow(directory, parquet):
    import pyarrow.dataset

    form = "parquet" if parquet else "json"
    partitioning = pyarrow.dataset.partitioning(flavor="hive")
    return pyarrow.dataset.dataset(directory, format=form, partitioning=partitioning).to_table().to_pylist()


def by_duckdb(directory, parquet, query="SELECT * FROM rows"):
    import duckdb

    function, pattern = ("read_parquet", "*.parquet") if parquet else ("read_json", "*.json*")
    # Values of names are text: a number in one of them would be a number otherwise.
    options = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    source = f"{function}('{directory}/**/{pattern}', {options})"
    rows = connection.execute(f"WITH rows AS (SELECT * FROM {source}) {query}")
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row)) for row in rows.fetchall()]


def latest_by_duckdb(directory, parquet):
    newest = 'ROW_NUMBER() OVER (PARTITION BY id ORDER BY "at" DESC NULLS LAST)'
    return by_duckdb(directory, parquet, f"SELECT * FROM rows QUALIFY {newest} = 1")


def plain(value):
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))


library, directory, order = sys.argv[1:]
is_parquet = any(pathlib.Path(directory).rglob("*.parquet"))
libraries = {"pyarrow": by_pyarrow, "duckdb": by_duckdb, "duckdb-latest": latest_by_duckdb}
rows = libraries[library](directory, is_parquet)
for row in sorted(rows, key=lambda row: row[order]):
    # JSON has no such numbers.
    row = {name: str(value) if value in (float("inf"), float("-inf")) else value for name, value in row.items()}
    print(json.dumps(row, default=plain))
