"""Loads reference stores in the real SLayer, in one process, and asks for every entity that carries a kb_id.

Usage: ask-entities.py STORE DATABASE [STORE DATABASE ...]; prints one JSON object per database.
"""

import asyncio
import json
import sys

from slayer.core.query import SlayerQuery
from slayer.engine.query_engine import SlayerQueryEngine
from slayer.storage.yaml_storage import YAMLStorage


def is_encoded(part):
    return bool(part.meta) and ("kb_id" in part.meta or "kb_ids" in part.meta)


async def ask(engine, database, what, out, query, note=None):
    try:
        answer = await engine.execute(query=SlayerQuery(**query), data_source=database)
        if not answer.data:
            raise ValueError("no rows")
        out["answered"] += 1
        if note is not None:
            out["values"][note] = list(answer.data[0].values())
    except Exception as error:  # every failure is a finding, whatever it is
        out["failed"].append(f"{what}: {type(error).__name__}: {str(error)[:400]}")


async def check(store, database):
    storage = YAMLStorage(store)
    engine = SlayerQueryEngine(storage=storage)
    out = {"answered": 0, "failed": [], "values": {}, "models": []}
    for name in await storage.list_models(data_source=database):
        if name == "time_spine":
            continue
        model = await storage.get_model(name, data_source=database)
        if is_encoded(model):
            dimensions = [column.name for column in model.columns][:3]
            await ask(engine, database, name, out, {"source_model": name, "dimensions": dimensions, "limit": 2})
            out["models"].append(name)
        for column in filter(is_encoded, model.columns):
            what = f"{name}.{column.name}"
            raw = {"source_model": name, "dimensions": [column.name], "limit": 2}
            await ask(engine, database, what, out, raw)
            total = {"source_model": name, "measures": [f"min({column.name})", f"max({column.name})", f"count({column.name})"]}
            await ask(engine, database, f"{what} aggregated", out, total, what)
        for measure in filter(is_encoded, model.measures):
            what = f"{name}.{measure.name}"
            await ask(engine, database, what, out, {"source_model": name, "measures": [measure.name]}, what)
    return out


async def main():
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
    print(json.dumps({database: await check(store, database) for store, database in pairs}))


asyncio.run(main())
