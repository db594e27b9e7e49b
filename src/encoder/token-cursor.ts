/**
 * A place in a list of tokens, and what can be asked of it. Knows words and marks, no grammar.
 */
import type { Token } from './tokenizer.ts';

/** Why a text is no expression; `at` is an offset into it. */
export class ParseFailure extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

export class TokenCursor {
  /** Index of the token that is next. */
  at: number;
  protected readonly tokens: readonly Token[];

  constructor(tokens: readonly Token[], from: number) {
    this.tokens = tokens;
    this.at = from;
  }

  protected get peek(): Token {
    return this.tokens[this.at]!;
  }

  protected next(): Token {
    const token = this.peek;
    if (token.kind !== 'end') this.at += 1;
    return token;
  }

  protected isOpAt(offset: number, ...ops: string[]): boolean {
    const token = this.tokens[this.at + offset];
    return token?.kind === 'op' && ops.includes(token.text);
  }

  protected isWordAt(offset: number, word: string): boolean {
    const token = this.tokens[this.at + offset];
    return token?.kind === 'name' && !token.isMarked && token.text.toLowerCase() === word;
  }

  protected isWord(word: string): boolean {
    return this.isWordAt(0, word);
  }

  protected takeWord(word: string): boolean {
    const isHere = this.isWord(word);
    if (isHere) this.at += 1;
    return isHere;
  }

  protected takeOp(op: string): boolean {
    const isHere = this.isOpAt(0, op);
    if (isHere) this.at += 1;
    return isHere;
  }

  protected expectOp(op: string): void {
    if (!this.takeOp(op)) this.fail(`"${op}" was expected before "${this.peek.text}"`);
  }

  protected fail(message: string): never {
    throw new ParseFailure(message, this.peek.start);
  }
}
