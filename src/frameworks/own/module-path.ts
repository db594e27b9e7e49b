/**
 * A framework that is a file of the user's: how `--framework` tells it from a name, and what rows call it.
 */
import { basename } from 'node:path';

import { SkeinError } from '../../kernel/errors.ts';
import { isName } from '../../kernel/ids.ts';

const ENDING = /\.(?:[cm]?ts|[cm]?js)$/;

/** Whether `text` is a path: it begins with `./`, `../` or `/`, or ends as a module does. */
export function isModulePath(text: string): boolean {
  return /^(?:\.{1,2}(?:[/\\]|$)|\/)/.test(text) || ENDING.test(text);
}

/**
 * What rows, manifest and results call the framework in the file at `path`: the file's name without its ending.
 * @param reserved names that mean another framework
 * @throws SkeinError INVALID_INPUT for a name that cannot be one, or is reserved
 */
export function frameworkNameOf(path: string, reserved: readonly string[], field = '--framework'): string {
  const file = basename(path);
  const name = file.replace(ENDING, '');
  const refused = (why: string) => {
    const text = `${field}: ${JSON.stringify(file)} ${why}: rows and results call a framework by its file's name; rename the file`;
    return new SkeinError('INVALID_INPUT', text, { fields: { field } });
  };
  if (!isName(name)) {
    throw refused("gives no legal name (letters, digits, '.', '_' and '-', at most 128, the first a letter or digit)");
  }
  if (reserved.includes(name)) throw refused(`would be taken for the framework ${name}`);
  return name;
}
