"""Copies a table of PostgreSQL to one Parquet file with another program: NAME URL FILE CODEC."""

import sys


def adbc(url, file, codec):
    import adbc_driver_postgresql.dbapi
    import pyarrow.parquet

    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM message")
        with cursor.fetch_record_batch() as rows:
            with pyarrow.parquet.ParquetWriter(file, rows.schema, compression=codec) as writer:
                for batch in rows:
                    writer.write_batch(batch)


def duckdb(url, file, codec):
    import importlib.metadata

    import duckdb

    package = "duckdb-extension-postgres-scanner"
    (extension,) = (path for path in importlib.metadata.files(package) if path.suffix == ".duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension.locate()}'")
    query = f"SELECT * FROM postgres_scan('{url}', 'public', 'message')"
    connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION {codec})")


def connectorx(url, file, codec):
    import connectorx
    import pyarrow.parquet

    rows = connectorx.read_sql(url, "SELECT * FROM message", return_type="arrow")
    pyarrow.parquet.write_table(rows, file, compression=codec)


name, *arguments = sys.argv[1:]
{"adbc": adbc, "duckdb": duckdb, "connectorx": connectorx}[name](*arguments)
