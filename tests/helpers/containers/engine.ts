/**
 * The Docker engine that suites in containers run on, as `scripts/engine/up.sh` says it in `SKEIN_ENGINE…`; without one
 * they skip themselves, and one printed line says why and how to get it.
 *
 * Everything that is started carries the label `skein.test` with the id of the test run, so that nothing is ever
 * recognised by its name, and two test runs never touch each other's containers.
 */
import { inject } from 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The process id of this test run; set by `global-setup.ts`. */
    skeinTestRun: string;
  }
}

export const RUN_LABEL = 'skein.test';

export interface Engine {
  /** Image names. */
  readonly images: { readonly gcs: string; readonly toxiproxy: string; readonly product: string };
  /** For every container and network of this test run. */
  readonly labels: Readonly<Record<string, string>>;
}

const HOW = 'scripts/engine/up.sh FILE && . FILE brings one, with the emulators (on Debian as root, with Go)';

/** Whether there is an engine. */
export function engineIsThere(): boolean {
  if (process.env['SKEIN_ENGINE']) {
    process.env['DOCKER_HOST'] = process.env['SKEIN_ENGINE'];
    // The reaper's image cannot be had everywhere; `sweep.ts` does its work.
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
    return true;
  }
  return false;
}

/** Why there is none, and how to get one, in a line. */
export function whyNoEngine(): string {
  return process.env['SKEIN_ENGINE_MISSING'] ?? `no Docker engine is named by SKEIN_ENGINE; ${HOW}`;
}

/** The engine, or undefined: skip, `global-setup.ts` has said why. */
export function engineOrSkip(): Engine | undefined {
  if (!engineIsThere()) return undefined;
  return {
    images: {
      gcs: imageOf('SKEIN_ENGINE_GCS'),
      toxiproxy: imageOf('SKEIN_ENGINE_TOXIPROXY'),
      product: imageOf('SKEIN_ENGINE_PRODUCT'),
    },
    labels: { [RUN_LABEL]: inject('skeinTestRun') },
  };
}

function imageOf(variable: string): string {
  const name = process.env[variable];
  if (!name)
    throw new Error(`SKEIN_ENGINE is set, but not ${variable}: source the file that scripts/engine/up.sh wrote`);
  return name;
}
