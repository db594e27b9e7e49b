import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SourceMap } from 'node:module';

import { describe, expect, it } from 'vitest';

import { bundleFramework } from '../../../src/frameworks/own/bundle.ts';
import { frameworkNameOf, isModulePath } from '../../../src/frameworks/own/module-path.ts';
import { RESERVED_NAMES } from '../../../src/frameworks/registry.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

/** A folder with these files; the first one is the framework. */
async function written(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return join(dir, Object.keys(files)[0] ?? '');
}

const GOOD = `
import { existsSync } from 'node:fs';
import type { AgentTask, Framework } from 'skein/framework';
import { answer } from './lib/answer.ts';

export default class Good implements Framework {
  runTask(task: AgentTask) {
    return existsSync('/') ? { sql: answer(task.instance_id) } : null;
  }
}
`;
const ANSWER = `
// What is always right.
export function answer(id: string): string {
  return 'SELECT 42 -- ' + id;
}
`;

describe('a bundle', () => {
  it('is one module that needs nothing but Node, the same bytes wherever its sources lie', async () => {
    const files = { 'good.ts': GOOD, 'lib/answer.ts': ANSWER };
    const [here, there] = [await written(files), await written(files)];
    const [one, two] = [await bundleFramework(here), await bundleFramework(there)];
    expect(two.bytes.equals(one.bytes)).toBe(true);
    expect(one).toMatchObject({ file: 'good.ts', path: here, digest: two.digest });
    const code = one.bytes.toString();
    expect([...code.matchAll(/\bfrom "([^"]+)"/g)].map(([, name]) => name)).toEqual(['node:fs']);
    expect(code).not.toContain(dirname(here));
    const url = `data:text/javascript;base64,${one.bytes.toString('base64')}`;
    const module = (await import(/* @vite-ignore */ url)) as { default: new () => { runTask(task: object): object } };
    expect(new module.default().runTask({ instance_id: 'x' })).toEqual({ sql: 'SELECT 42 -- x' });
  });

  it('carries the lines of its author’s files', async () => {
    const { bytes } = await bundleFramework(await written({ 'good.ts': GOOD, 'lib/answer.ts': ANSWER }));
    const code = bytes.toString();
    const [, encoded = ''] = /sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)\n$/.exec(code) ?? [];
    const map = new SourceMap(
      JSON.parse(Buffer.from(encoded, 'base64').toString()) as ConstructorParameters<typeof SourceMap>[0],
    );
    const before = code.slice(0, code.indexOf('SELECT 42')).split('\n');
    expect(map.findEntry(before.length - 1, before.at(-1)?.length ?? 0)).toMatchObject({
      originalSource: 'skein-user:lib/answer.ts',
      originalLine: 3,
    });
  });

  it('takes a function, a class behind a name, and one that extends another, without running anything', async () => {
    for (const text of [
      'export default () => ({ runTask() {} });',
      'export default async function make() { return { runTask() {} }; }',
      'class A { runTask = async () => null; }\nexport { A as default };',
      'class A { runTask() {} }\nexport default class extends A {}',
      "import { EventEmitter } from 'node:events';\nexport default class extends EventEmitter {}",
      "throw new Error('only where it runs');\nexport default class { runTask() {} }",
    ]) {
      await expect(bundleFramework(await written({ 'mine.ts': text }))).resolves.toMatchObject({ file: 'mine.ts' });
    }
  });

  const mistakes: readonly (readonly [what: string, text: string, error: RegExp])[] = [
    ['a syntax error', 'export default class {\n  run( {\n    const = 3;\n', /mine\.ts:3:\d+: /],
    [
      'a file that is not there',
      "\nimport x from './gone.ts';\nexport default x;",
      /mine\.ts:2:15: Could not resolve '\.\/gone\.ts'/,
    ],
    [
      'a package that is not there',
      "import x from 'no-such-package-at-all';\nexport default () => x;",
      /mine\.ts:1:15: Could not resolve 'no-such-package-at-all'/,
    ],
    [
      'a name that its module lacks',
      "import { nope } from 'node:fs';\nimport { gone } from './mine.ts';\nexport default () => [nope, gone];",
      /mine\.ts:2:10: "?gone"? is not exported/,
    ],
    [
      'no default export',
      'export class Mine { runTask() {} }',
      /mine\.ts:1:1: it has no default export \(it exports only Mine\)/,
    ],
    ['no export at all', 'const a = 1;\nvoid a;', /mine\.ts:1:1: it has no default export \(it exports nothing\)/],
    [
      'a class without runTask',
      '\n\nclass Mine {\n  runTsk() {}\n}\nexport default Mine;',
      /mine\.ts:3:\d+: its default export is a class without runTask/,
    ],
    [
      'an object',
      '\nexport default { runTask() {} };',
      /mine\.ts:2:16: its default export is neither a class nor a function/,
    ],
    ['a text', 'export default "mine";', /mine\.ts:1:16: its default export is neither a class nor a function/],
  ];
  it.each(mistakes)('is not made of %s, and the one line says where', async (_what, text, error) => {
    const path = await written({ 'mine.ts': text });
    await expect(bundleFramework(path)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(error) }),
    );
    const { message } = (await bundleFramework(path).catch((thrown: unknown) => thrown)) as Error;
    expect(message).not.toContain('\n');
    expect(message).not.toContain('\u001B');
  });

  it('names a mistake in a file that it imports by that file', async () => {
    const path = await written({
      'mine.ts': "export { default } from './lib/deep.ts';",
      'lib/deep.ts': '\n  export defalt 3;',
    });
    await expect(bundleFramework(path)).rejects.toThrow(/lib\/deep\.ts:2:\d+: /);
  });

  it('is of a file', async () => {
    const dir = await temporaryFolder();
    await expect(bundleFramework(join(dir, 'gone.ts'))).rejects.toThrow(
      /gone\.ts" is to be bundled, and there is no such file$/,
    );
    await expect(bundleFramework(dir)).rejects.toThrow(/is no file$/);
  });
});

describe('--framework', () => {
  it('is a path when it looks like one', () => {
    expect(
      ['./mine', '../x', '/abs/x', 'mine.ts', 'mine.mjs', 'a/b.cts', 'm.js', '.', '..'].filter(
        (text) => !isModulePath(text),
      ),
    ).toEqual([]);
    expect(['encode', 'noop', 'mine', 'ts', 'pydantic_ai', 'a/b'].filter(isModulePath)).toEqual([]);
  });

  it('is called by the file’s name, which no framework of ours may have', () => {
    expect(frameworkNameOf('/x/keyword-agent.ts', RESERVED_NAMES)).toBe('keyword-agent');
    expect(frameworkNameOf('/x/a.b.mjs', RESERVED_NAMES)).toBe('a.b');
    for (const file of ['encode.ts', 'oracle.mjs', 'pydantic_ai_recursive.ts', 'noop.js', 'claude_sdk.ts']) {
      expect(() => frameworkNameOf(`/x/${file}`, RESERVED_NAMES)).toThrow(/rename the file$/);
    }
    expect(() => frameworkNameOf('/x/my agent.ts', RESERVED_NAMES)).toThrow(/"my agent.ts" gives no legal name/);
    expect(() => frameworkNameOf('/x/.ts', RESERVED_NAMES)).toThrow(/no legal name/);
  });
});
