/** The image of `Dockerfile.cloud`: what is in it, who it runs as, and the whole job inside one container of it. */
import { readFile } from 'node:fs/promises';

import { describe, expect, test } from 'vitest';

import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { runProduct } from '../helpers/containers/product.ts';

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('the image', () => {
  const sh = (script: string) => runProduct(engine as Engine, ['-c', script], { entrypoint: ['sh'] });

  test('says its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await runProduct(engine as Engine, ['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('runs as a user without rights, who may write below /data and nowhere else', async () => {
    const { stdout } = await sh(
      'id -u; touch /data/x && echo data; touch /opt/skein/x 2>/dev/null || echo not the product',
    );
    expect(stdout).toBe('10001\ndata\nnot the product\n');
  });

  test('holds what a production install has, and Node 24 once', async () => {
    const lock = JSON.parse(await readFile('package-lock.json', 'utf8')) as {
      packages: Record<string, { dev?: boolean; optional?: boolean; devOptional?: boolean }>;
    };
    const wanted = Object.entries(lock.packages)
      .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
      .map(([path]) => path);
    const script =
      'cd /opt/skein && find node_modules -name package.json | grep -E "node_modules/(@[^/]+/)?[^/@]+/package.json$"; node --version';
    const { stdout } = await sh(script);
    const lines = stdout.trim().split('\n');
    expect(lines.pop()).toMatch(/^v24\./);
    expect(lines.map((line) => line.replace(/\/package\.json$/, '')).toSorted()).toEqual(wanted.toSorted());
  });

  test('does the whole job over the example dataset', async () => {
    const args = ['submit', '--dataset', '/opt/skein/examples/mini-interact', '--all', '--json', '--quiet'];
    const { code, stdout, stderr } = await runProduct(engine as Engine, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ exit_reason: 'done', exit_code: 0 });
  });

  test('ends with 2 and one line for a wrong flag', async () => {
    const { code, stderr } = await runProduct(engine as Engine, ['submit', '--bogus']);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
