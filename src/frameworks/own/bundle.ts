/**
 * A framework's file and all that it imports as one module, which any machine can run: Node's own modules stay outside,
 * `skein/framework` is nothing but types. Runs where somebody submits; nothing of the user's code is run for it.
 *
 * Not here: where the bundle goes (`run/framework-upload.ts`) and how it is run (`load-module.ts`).
 *
 * Invariants: B1 the same sources give the same bytes on any machine and in any folder: paths in it are relative to the
 * file. B2 what cannot be told apart from a mistake (an import that nothing answers to) is one.
 */
import { readFile, stat } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname, relative, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import type { OutputChunk, SourceMap } from 'rolldown';

import { compiledPath } from '../../kernel/compiled.ts';
import { sha256 } from '../../kernel/digest.ts';
import { asError, systemCode, SkeinError } from '../../kernel/errors.ts';
import { checkDefaultExport } from './check-bundle.ts';
import { USER_SCHEME } from './user-stack.ts';

export interface FrameworkBundle {
  /** SHA-256 of `bytes`, hex: its name in the store. */
  readonly digest: string;
  /** One ECMAScript module with its source map at its end. */
  readonly bytes: Buffer;
  /** The file's name without folders. */
  readonly file: string;
  /** Absolute, on this machine. */
  readonly path: string;
}

const FIELD = '--framework';
/** Larger ones have swallowed something that is no code. */
const MAX_BYTES = 64 * 1024 * 1024;
const TYPES_ONLY = 'skein/framework';

/**
 * Bundles the file at `path`, and looks whether its default export may be a framework.
 * @throws SkeinError INVALID_INPUT with file, line and column: no file, a syntax error, an import that cannot be resolved,
 * no default export, one that is neither class nor function, a class without `runTask`
 */
export async function bundleFramework(path: string): Promise<FrameworkBundle> {
  await mustBeFile(path);
  const chunk = await bundled(path);
  const map = portableMap(chunk.map, path);
  await checkDefaultExport({ code: chunk.code, exports: chunk.exports, map, path });
  const bytes = Buffer.from(withMap(chunk.code, map));
  if (bytes.byteLength > MAX_BYTES) {
    const megabytes = Math.ceil(bytes.byteLength / 1e6);
    throw refused(path, `is ${megabytes} MB with all that it imports, and more than 64 MiB is no code`);
  }
  return { digest: sha256(bytes), bytes, file: basename(path), path };
}

async function bundled(path: string): Promise<OutputChunk> {
  const { rolldown } = await import('rolldown');
  const unresolved: BundlerLog[] = [];
  try {
    await using bundle = await rolldown({
      input: path,
      // Comments in the output name files relative to it (B1).
      cwd: dirname(path),
      platform: 'node',
      external: (id) => isBuiltin(id),
      logLevel: 'warn',
      onLog: (_level, log) => {
        if (log.code === 'UNRESOLVED_IMPORT') unresolved.push(log);
      },
      plugins: [
        {
          name: 'skein-framework',
          resolveId: (id) => (id === TYPES_ONLY ? compiledPath('./index.js', import.meta.url) : undefined),
        },
      ],
    });
    const { output } = await bundle.generate({ format: 'esm', sourcemap: true, codeSplitting: false });
    if (unresolved[0]) throw shown(unresolved[0], path);
    const [chunk, ...others] = output;
    if (others.some(({ type }) => type === 'chunk')) {
      throw new SkeinError('INTERNAL', `${path} was bundled into ${output.length} files`);
    }
    return chunk;
  } catch (error) {
    if (error instanceof SkeinError) throw error;
    const [first] = (error as { errors?: BundlerLog[] }).errors ?? [];
    throw first ? shown(first, path) : refused(path, `cannot be bundled: ${firstLine(asError(error).message)}`);
  }
}

/** What the bundler says of a mistake. */
interface BundlerLog {
  readonly message: string;
  readonly code?: string | undefined;
  readonly id?: string | undefined;
  readonly loc?: { readonly file?: string | undefined; readonly line: number; readonly column: number } | undefined;
}

/** All that the bundler says in one line; its own error would only say it again. */
function shown({ message, loc, id }: BundlerLog, path: string): SkeinError {
  const text = firstLine(stripVTControlCharacters(message).replace(/^\[[A-Z_]+\]\s*/, ''));
  // Columns come from 0 on; editors count from 1.
  const where = loc ? `${loc.file ?? id ?? path}:${loc.line}:${loc.column + 1}` : (id ?? path);
  return new SkeinError('INVALID_INPUT', `${FIELD}: ${where}: ${text}`, { fields: { field: FIELD } });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.trim() ?? '';
}

async function mustBeFile(path: string): Promise<void> {
  let isFile: boolean;
  try {
    isFile = (await stat(path)).isFile();
    if (isFile) await readFile(path);
  } catch (cause) {
    const why = systemCode(cause) === 'ENOENT' ? 'there is no such file' : `it cannot be read (${systemCode(cause)})`;
    throw refused(path, `is to be bundled, and ${why}`);
  }
  if (!isFile) throw refused(path, 'is no file');
}

/** The map with sources below a scheme of our own, relative to the file: that is how stacks show them (B1). */
function portableMap(map: SourceMap | null, path: string): PortableMap {
  // Nothing but comments has none.
  const { mappings, names, sources } = map ?? { mappings: '', names: [], sources: [] };
  const home = dirname(path);
  // The bundler takes the output for `<cwd>/dist/…`.
  const outDir = resolve(home, 'dist');
  return {
    version: 3,
    names,
    sources: sources.map((source) => USER_SCHEME + relative(home, resolve(outDir, source)).replaceAll('\\', '/')),
    mappings,
  };
}

export interface PortableMap {
  readonly version: 3;
  readonly names: string[];
  readonly sources: string[];
  readonly mappings: string;
}

function withMap(code: string, map: PortableMap): string {
  const bare = code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, '\n');
  const text = Buffer.from(JSON.stringify(map)).toString('base64');
  return `${bare}//# sourceMappingURL=data:application/json;charset=utf-8;base64,${text}\n`;
}

function refused(path: string, why: string): SkeinError {
  const fields = { field: FIELD };
  return new SkeinError('INVALID_INPUT', `${FIELD}: ${JSON.stringify(path)} ${why}`, { fields });
}
