/**
 * A process of its own on one directory store, for tests of what two of them do to each other:
 * `increment URL NAME TIMES` adds to a counter by compare-and-set; `hold-lock FILE` takes the write lock, says so and
 * keeps it; `leave-temp ROOT` leaves half a temp and never ends; `create URL NAME` writes its pid if nobody has, and says
 * what came of it; `fill URL` creates `fill/<lane>/<n>` without an end.
 */
import { writeFileSync } from 'node:fs';

import { openDirectoryStore } from '../../src/store/directory.ts';
import { WriteLock } from '../../src/store/write-lock.ts';

const [command = '', target = '', name = '', times = '0'] = process.argv.slice(2);

switch (command) {
  case 'increment': {
    await using store = await openDirectoryStore(target);
    for (let done = 0; done < Number(times);) {
      const counter = await store.read(name);
      if (counter === undefined) throw new Error(`${name} is not there`);
      const next = Buffer.from(String(Number(counter.bytes.toString()) + 1));
      if ((await store.replace(name, next, counter.generation)).kind === 'written') done += 1;
    }
    break;
  }
  case 'create': {
    await using store = await openDirectoryStore(target);
    const outcome = await store.create(name, Buffer.from(String(process.pid))).catch((error: unknown) => error);
    const { kind, code } = outcome as { kind?: string; code?: string };
    console.log(kind ?? code);
    break;
  }
  case 'fill': {
    await using store = await openDirectoryStore(target);
    const fill = async (lane: number): Promise<never> => {
      for (let n = 0; ; n += 1) await store.create(`fill/${lane}/${n}`, Buffer.alloc(50_000, `${lane} ${n} `));
    };
    await Promise.all(Array.from({ length: 8 }, (_, lane) => fill(lane)));
    break;
  }
  case 'hold-lock':
    await new WriteLock(target).hold(() => {
      console.log('held');
      return new Promise(() => setInterval(() => {}, 1000));
    });
    break;
  case 'leave-temp': {
    const { OwnFolder } = await import('../../src/store/own-folder.ts');
    writeFileSync(new OwnFolder(target).newTemp(), 'half of');
    console.log('left');
    setInterval(() => {}, 1000);
    break;
  }
  default:
    throw new Error(`no command ${command}`);
}
