/** What answers of a bucket, and their absence, are taken for: above all, which writes may be called undone. */
import { describe, expect, test } from 'vitest';

import { isTransient } from '../../src/store/create-or-confirm.ts';
import { gcsError, HttpAnswer, verdictOf } from '../../src/store/gcs-errors.ts';

const place = { url: 'gs://b/p', bucket: 'b', endpoint: undefined };
const coded = (code: string | number, message = 'text'): Error => Object.assign(new Error(message), { code });
const judge = (thrown: unknown, isWrite: boolean) => {
  const error = gcsError('writing x', thrown, isWrite, place);
  return [error.code, isTransient(error)] as const;
};

describe('an answer of the bucket', () => {
  test.each<readonly [unknown, string, boolean, string]>([
    // What was thrown, what a write makes of it, whether it is tried again, what a read makes of it.
    [coded(503), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded(500), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded(408), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded('503'), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded(429), 'STORE_UNAVAILABLE', true, 'STORE_UNAVAILABLE'],
    [coded(403, 'Rate Limit Exceeded'), 'STORE_UNAVAILABLE', true, 'STORE_UNAVAILABLE'],
    [coded(403, 'no access'), 'STORE_UNAVAILABLE', false, 'STORE_UNAVAILABLE'],
    [coded(401), 'STORE_UNAVAILABLE', false, 'STORE_UNAVAILABLE'],
    [coded(404, 'The specified bucket does not exist.'), 'STORE_UNAVAILABLE', false, 'STORE_UNAVAILABLE'],
    [coded(400, 'Invalid object name'), 'INVALID_INPUT', false, 'INVALID_INPUT'],
    [coded(400, 'Provided MD5 hash is another'), 'CORRUPT', true, 'CORRUPT'],
    [coded('ECONNRESET'), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded('EPIPE'), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded('ETIMEDOUT'), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [coded('ECONNREFUSED'), 'STORE_UNAVAILABLE', true, 'STORE_UNAVAILABLE'],
    [coded('ENOTFOUND'), 'STORE_UNAVAILABLE', true, 'STORE_UNAVAILABLE'],
    [new SyntaxError('half an answer'), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [Object.assign(new Error('cut'), { response: { statusCode: 200 } }), 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
    [new Error('Could not load the default credentials.'), 'STORE_UNAVAILABLE', false, 'STORE_UNAVAILABLE'],
    [new Error('Unable to read the credential file'), 'STORE_UNAVAILABLE', false, 'STORE_UNAVAILABLE'],
    ['a string', 'OUTCOME_UNKNOWN', true, 'STORE_UNAVAILABLE'],
  ])('%s', (thrown, write, isTriedAgain, read) => {
    expect(judge(thrown, true)).toEqual([write, isTriedAgain]);
    expect(judge(thrown, false)).toEqual([read, isTriedAgain]);
  });

  test('says in one line what Google said, wherever in the error it stands', () => {
    const body = JSON.stringify({ error: { code: 400, message: 'said by Google', errors: [] } });
    const gaxios = Object.assign(new Error('Request failed'), { status: 400, response: { data: JSON.parse(body) } });
    for (const thrown of [new HttpAnswer(400, body), gaxios, coded(400, 'said by Google\nand more')]) {
      expect(gcsError('writing x', thrown, true, place).message).toBe('writing x in gs://b/p: said by Google');
    }
  });

  test('a missing object is none, a missing precondition one, whoever throws them', () => {
    expect(verdictOf(new HttpAnswer(404, 'No such object: b/x'))).toBe('absent');
    expect(verdictOf(coded(412))).toBe('precondition');
    expect(verdictOf(Object.assign(new Error('x'), { response: { status: 412 } }))).toBe('precondition');
  });
});
