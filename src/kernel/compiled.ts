/**
 * Thread and process entries are compiled JavaScript: a `.ts` thread costs 20 MB, a `.js` one 10. Tests import `src`
 * and must start the same entries as the product does.
 */
import { fileURLToPath } from 'node:url';

/** The path of the compiled module `relative` (`./entry.js`) beside the module at `from` (its `import.meta.url`). */
export function compiledPath(relative: string, from: string): string {
  return fileURLToPath(new URL(relative, from.replace(/\/src\/(.*)\.ts$/, '/dist/$1.js')));
}
