import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Output } from '../../../src/cli/output.ts';
import { openView } from '../../../src/cli/progress-view.ts';

/** A stream that keeps what is written to it. */
function sink(tty?: { columns: number }): { out: Output; text: () => string } {
  const stream = Object.assign(new PassThrough(), tty && { isTTY: true as const, rows: 24, ...tty });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { out: new Output(stream, {}), text: () => text };
}

describe('plain progress', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('says the first thing at once, then the latest one every two seconds', async () => {
    const { out, text } = sink();
    const view = await openView(out, false);
    view.phase('one');
    view.phase('two');
    view.phase('three');
    expect(text()).toBe('one\n');
    vi.advanceTimersByTime(2_000);
    expect(text()).toBe('one\nthree\n');
    vi.advanceTimersByTime(60_000);
    view.phase('three');
    expect(text()).toBe('one\nthree\n');
  });

  it('never holds back a note nor the last line', async () => {
    const { out, text } = sink();
    const view = await openView(out, false);
    view.phase('one');
    view.phase('two');
    view.note('something happened');
    view.phase('three');
    view[Symbol.dispose]();
    view[Symbol.dispose]();
    expect(text()).toBe('one\ntwo\nsomething happened\nthree\n');
  });

  it('is what a terminal without a size gets, and nothing is what --quiet gets', async () => {
    const small = sink({ columns: 0 });
    using view = await openView(small.out, false);
    view.phase('one');
    expect(small.text()).toBe('one\n');
    const quiet = sink();
    using silent = await openView(quiet.out, true);
    silent.note('one');
    expect(quiet.text()).toBe('');
  });
});

describe('the live view', () => {
  it('draws over itself, and leaves nothing but the notes', async () => {
    const { out, text } = sink({ columns: 80 });
    const view = await openView(out, false);
    view.phase('working');
    view.note('a note that stays');
    view[Symbol.dispose]();
    view[Symbol.dispose]();
    expect(text()).toContain('a note that stays');
    // What was drawn is erased, by the last thing that was written.
    expect(text()).toContain('working');
    expect(text().slice(text().lastIndexOf('working'))).toContain('\u001B[2K\u001B[1A\u001B[2K\u001B[G');
  });
});

describe('an output whose reader went away', () => {
  it('drops what is written and says so to those who would write for ever', () => {
    const stream = new PassThrough();
    const out = new Output(stream, {});
    stream.emit('error', Object.assign(new Error('EPIPE'), { code: 'EPIPE' }));
    expect(out.gone.aborted).toBe(true);
    expect(() => out.line('more')).not.toThrow();
  });
});
