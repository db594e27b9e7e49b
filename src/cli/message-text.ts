/** Messages of a transcript, a line or a few each, and texts made fit for a terminal. */

/** Of a message that is shown in a list. */
const MAX_CHARACTERS = 400;

/** `assistant: text …`, whatever shape the framework gives its messages. */
export function messageText(message: unknown, maxCharacters = MAX_CHARACTERS): string {
  if (message === null || typeof message !== 'object' || Array.isArray(message))
    return cut(textOf(message), maxCharacters);
  const fields = message as Record<string, unknown>;
  const { role, kind, type, content, parts, text, message: said, ...rest } = fields;
  const who = [role, kind, type].find((each) => typeof each === 'string') as string | undefined;
  const body = [content, parts, text, said].find((each) => each !== undefined && each !== null) ?? rest;
  return `${who ?? 'message'}: ${cut(textOf(body), maxCharacters)}`;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map((part) => partText(part)).join(' | ');
  return JSON.stringify(value) ?? '';
}

function partText(part: unknown): string {
  if (part !== null && typeof part === 'object') {
    const { text, content } = part as Record<string, unknown>;
    if (typeof text === 'string') return text;
    if (typeof content === 'string') return content;
  }
  return textOf(part);
}

function cut(text: string, maxCharacters: number): string {
  const line = printable(text.trim()).replaceAll(/\s*\n\s*/g, ' ⏎ ');
  if (line.length <= maxCharacters) return line;
  return `${line.slice(0, maxCharacters).toWellFormed()} … [${line.length - maxCharacters} more characters]`;
}

/** Control characters that a terminal would obey, shown as what they are; line ends, tabs and colours stay. */
// eslint-disable-next-line no-control-regex
const CONTROL = /\u001B(?!\[[\d;]*m)|[\u0000-\u0008\u000B-\u001A\u001C-\u001F\u007F-\u009F]/g;

/** `text` as a terminal may show it. */
export function printable(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(CONTROL, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
