import fc from 'fast-check';
import { expect, test } from 'vitest';

import { compareNames, objectNameProblem, safeJoin, validatePrefix } from '../../../src/store/object-name.ts';

test('names are ordered by their bytes, whatever they are made of', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', 'é', '\ue000', '\uffee', '😀', '\ud7ff') });
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareNames(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test('a legal name stays under every root, and an illegal one is refused (P-44)', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '.', '..', '/', '\\', '\0', '~') });
  fc.assert(
    fc.property(text, fc.constantFrom('/root', '/root/', '/', '/a/b'), (name, root) => {
      if (objectNameProblem(name) === undefined) {
        const inside = root.endsWith('/') ? root : `${root}/`;
        expect(safeJoin(root, name)).toBe(inside + name);
      } else {
        expect(() => safeJoin(root, name)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
      }
    }),
  );
});

test('prefixes may be cut anywhere, but lead nowhere else', () => {
  for (const prefix of ['', 'r', 'runs/', 'runs/r', 'runs/..r', 'runs/.']) expect(validatePrefix(prefix)).toBe(prefix);
  for (const prefix of ['/', '//', '../', 'a/../b', 'a//b', './', '.skein-store/', 'a\n']) {
    expect(() => validatePrefix(prefix)).toThrow('refused');
  }
});
