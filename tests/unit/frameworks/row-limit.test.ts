import { describe, expect, it } from 'vitest';

import type { TaskRow } from '../../../src/frameworks/framework.ts';
import { boundRow, MAX_ROW_BYTES } from '../../../src/frameworks/row-limit.ts';
import { jsonBytes } from '../../../src/kernel/json.ts';
import { row } from '../../helpers/rows.ts';

const rowWith = (fields: Record<string, unknown>): TaskRow => row('beehives_1', fields) as unknown as TaskRow;
const MIB = 1024 * 1024;

describe('the limit of a row', () => {
  it('gives back a row that fits as it is, also one that only just does', () => {
    const small = rowWith({ trajectory: [{ role: 'user', content: 'x'.repeat(10_000) }] });
    expect(boundRow(small)).toBe(small);
    const nearly = rowWith({ phase1_observation: 'y'.repeat(MAX_ROW_BYTES - 10_000) });
    expect(boundRow(nearly)).toBe(nearly);
  });

  it('cuts the longest field first, no other, and notes what it had', () => {
    const trajectory = Array.from({ length: 12 }, (_, n) => ({ role: 'assistant', n, content: 'z'.repeat(MIB) }));
    const long = rowWith({ trajectory, phase1_observation: 'kept '.repeat(1000) });
    const bound = boundRow(long);
    expect(jsonBytes(bound).byteLength).toBeLessThanOrEqual(MAX_ROW_BYTES);
    expect(bound.truncated_fields).toEqual({ trajectory: Buffer.byteLength(JSON.stringify(trajectory)) });
    expect(bound.phase1_observation).toBe(long.phase1_observation);
    // The beginning and the end of a conversation are there; between them a number.
    const shown = bound.trajectory as { n?: number; left_out?: number }[];
    expect(shown[0]?.n).toBe(0);
    expect(shown.at(-1)?.n).toBe(11);
    const leftOut = shown.find((each) => each.left_out !== undefined)?.left_out;
    expect(leftOut).toBe(12 - (shown.length - 1));
    expect(long.trajectory).toHaveLength(12);
  });

  it('goes on with the next one where one is not enough, whatever its characters weigh, and never cuts what names the row', () => {
    const bound = boundRow(
      rowWith({
        submitted_sql: `SELECT ${'é'.repeat(5 * MIB)} END`,
        error: `first line\n${'\u0001'.repeat(2 * MIB)}`,
        predicted_result_json: JSON.stringify({ sample_rows: ['😀'.repeat(3 * MIB)] }),
        usage: { breakdown: [{ name: 'b'.repeat(MIB) }], n_calls: 7 },
      }),
    );
    expect(jsonBytes(bound).byteLength).toBeLessThanOrEqual(MAX_ROW_BYTES);
    expect(bound).toMatchObject({ task_id: 'beehives_1', instance_id: 'beehives_1', database: 'beehives' });
    expect(Object.keys(bound.truncated_fields ?? {})).toEqual(
      expect.arrayContaining(['predicted_result_json', 'error', 'submitted_sql']),
    );
    expect(JSON.parse(bound.predicted_result_json ?? '')).toEqual({ error: expect.stringMatching(/^\d+ bytes/) });
    expect(bound.error).toMatch(/^first line\n/);
    expect(bound.submitted_sql).toMatch(/^SELECT é+ \[\d+ characters are left out here\] é+ END$/);
    expect(bound.usage).toMatchObject({ n_calls: 7 });
  });

  it('bounds a single message that is too long, objects in objects, and rows of thousands of fields', () => {
    const one = boundRow(rowWith({ trajectory: [{ role: 'tool', parts: [{ text: 'q'.repeat(20 * MIB) }] }] }));
    expect(one.trajectory).toMatchObject([
      { role: 'tool', parts: [{ text: expect.stringContaining('left out here') }] },
    ]);
    const many = boundRow(
      rowWith(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field_${n}`, 'm'.repeat(1000)]))),
    );
    const names = boundRow(rowWith({ ['n'.repeat(9 * MIB)]: 1 }));
    for (const bound of [one, many, names]) {
      expect(jsonBytes(bound).byteLength).toBeLessThanOrEqual(MAX_ROW_BYTES);
      expect(bound.instance_id).toBe('beehives_1');
    }
  });

  it('is thrown on by what is no JSON, and not kept up by a circle', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(() => boundRow(rowWith({ circle }))).toThrow(TypeError);
  });
});
