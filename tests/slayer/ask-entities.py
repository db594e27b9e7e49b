"""Loads reference stores in the real SLayer, in one process, and asks for every entity that carries a kb_id.

Usage: ask-entities.py STORE DATABASE [STORE DATABASE ...]; prints one JSON object: per database the entities that
answered, those that failed with the reason, and for each column its greatest value, for each measure its value.
"""

import asyncio
import json
import sys

from slayer.core.query import SlayerQuery
from slayer.engine.query_engine import SlayerQueryEngine
from slayer.storage.yaml_storage import YAMLStorage

AGGREGATES = ("max",)


def is_encoded(part):
    return bool(part.meta) and ("kb_id" in part.meta or "kb_ids" in part.meta)


class Asker:
    def __init__(self, store, database):
        self.database = database
        self.storage = YAMLStorage(store)
        self.engine = SlayerQueryEngine(storage=self.storage)
        self.out = {"answered": [], "failed": [], "values": {}}

    async def query(self, **query):
        answer = await self.engine.execute(query=SlayerQuery(**query), data_source=self.database)
        if not answer.data:
            raise ValueError("no rows")
        return list(answer.data[0].values())

    async def columns(self, model, names):
        """All columns of a model at once, in rows and in totals; one by one when that fails."""
        try:
            await self.query(source_model=model, dimensions=names, limit=2)
            totals = [f"{aggregate}({name})" for name in names for aggregate in AGGREGATES]
            values = await self.query(source_model=model, measures=totals)
            for at, name in enumerate(names):
                self.out["answered"].append(f"{model}.{name}")
                self.out["values"][f"{model}.{name}"] = values[at * len(AGGREGATES) : (at + 1) * len(AGGREGATES)]
        except Exception as error:  # whatever it is, it is a finding
            if len(names) > 1:
                for name in names:
                    await self.columns(model, [name])
            else:
                self.failed(f"{model}.{names[0]}", error)

    async def measure(self, model, name):
        try:
            self.out["values"][f"{model}.{name}"] = await self.query(source_model=model, measures=[name])
            self.out["answered"].append(f"{model}.{name}")
        except Exception as error:
            self.failed(f"{model}.{name}", error)

    def failed(self, what, error):
        self.out["failed"].append(f"{what}: {type(error).__name__}: {str(error)[:400]}")

    async def everything(self):
        for name in await self.storage.list_models(data_source=self.database):
            if name == "time_spine":
                continue
            model = await self.storage.get_model(name, data_source=self.database)
            columns = [column.name for column in model.columns if is_encoded(column)]
            if columns:
                await self.columns(name, columns)
            for measure in filter(is_encoded, model.measures):
                await self.measure(name, measure.name)
        return self.out


async def main():
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
    print(json.dumps({database: await Asker(store, database).everything() for store, database in pairs}))


asyncio.run(main())
