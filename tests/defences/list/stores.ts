/** What keeps stores honest over a bad line, and names inside their folder. */
import { defence, instead, without, type Defence } from '../defence.ts';

export const stores: readonly Defence[] = [
  defence(
    'a lost answer is read back',
    'store/create-or-confirm.ts',
    without("if (standing.bytes.equals(bytes)) return { kind: 'confirmed', generation: standing.generation };"),
    ['contract/store-confirm.test.ts', 'a lost answer after the write is confirmed by reading back'],
  ),
  defence(
    'somebody else’s bytes are not confirmed',
    'store/create-or-confirm.ts',
    instead("if (standing.bytes.equals(bytes)) return { kind: 'confirmed'", "if (standing) return { kind: 'confirmed'"),
    ['contract/store-confirm.test.ts', 'a lost answer over somebody else’s bytes'],
  ),
  defence(
    'a cut download never passes for the object',
    'store/create-or-confirm.ts',
    instead(
      'if (object === undefined || object.bytes.byteLength === object.sizeBytes) return object;',
      'if (object || !object) return object;',
    ),
    ['contract/store-confirm.test.ts', 'a cut download is an error', 'a read-back that is cut never confirms'],
  ),
  defence(
    'the first writer of a name wins',
    'store/durable-file.ts',
    instead('fs.linkSync(temp, path);', 'fs.copyFileSync(temp, path);'),
    ['helpers/object-store-contract.ts', 'creates only where nothing stands', 'has one winner among 50 racers'],
  ),
  defence(
    'a replace compares the generation under the lock',
    'store/directory.ts',
    instead('if (standing === undefined || generationOf(standing) !== generation) {', 'if (standing === undefined) {'),
    ['helpers/object-store-contract.ts', 'has one winner among 20 who replace the same generation'],
  ),
  defence('a store follows no link', 'store/directory.ts', without('fs.constants.O_NOFOLLOW | '), [
    'contract/store-directory.test.ts',
    'a link in the place of an object is neither read',
  ]),
  defence(
    'no part of a name leads upwards',
    'store/object-name.ts',
    without("if (segment === '.' || segment === '..') return `it has a part ${JSON.stringify(segment)}`;"),
    ['unit/store/object-name.test.ts', 'a legal name stays under every root'],
  ),
  defence(
    'no name that a bucket lists leads out of the folder',
    'store/prefix.ts',
    instead('const path = safeJoin(dest, relative);', 'const path = join(dest, relative);'),
    ['contract/store-trees.test.ts', 'no name that a bucket lists leads out'],
  ),
  defence(
    'a tree’s markers go up last',
    'store/prefix.ts',
    instead('const bulk = found.filter((path) => !last.includes(path));', 'const bulk = found;'),
    ['contract/store-trees.test.ts', 'ships markers last and in their order'],
  ),
];
