"""Reads a topic's objects back with the library that the first argument names, pyarrow or duckdb, and prints their rows as JSON lines.

The second argument is the topic's directory, the third an order of rows: a column. Columns of directories' names are included.
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


def by_duckdb(directory, parquet):
    import duckdb

    function, pattern = ("read_parquet", "*.parquet") if parquet else ("read_json", "*.json*")
    options = "hive_partitioning = true, union_by_name = true"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = connection.execute(f"SELECT * FROM {function}(?, {options})", [f"{directory}/**/{pattern}"])
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row)) for row in rows.fetchall()]


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
rows = {"pyarrow": by_pyarrow, "duckdb": by_duckdb}[library](directory, is_parquet)
for row in sorted(rows, key=lambda row: row[order]):
    print(json.dumps(row, default=plain))
