import { describe, expect, it } from 'vitest';

import { cleanSql, isEmptySql, removeComments, removeDistinct, removeRound } from '../../../src/frameworks/sql-text.ts';

describe('the clean-up of SQL before comparison', () => {
  it.each([
    ['SELECT 1 -- one\nFROM t', 'SELECT 1  \nFROM t'],
    ['SELECT/* a\n b */1', 'SELECT 1'],
    ['SELECT \'-- no\', "/* no */" FROM t', 'SELECT \'-- no\', "/* no */" FROM t'],
    ["SELECT 'it''s -- one' -- two", "SELECT 'it''s -- one'"],
    ['SELECT 1 /* never closed', 'SELECT 1'],
  ])('takes comments out of %j, not what only looks like one', (sql, clean) => {
    expect(removeComments(sql)).toBe(clean);
  });

  it.each([
    ['SELECT DISTINCT a FROM t', 'SELECT  a FROM t'],
    ['SELECT count(distinct a) FROM t', 'SELECT count( a) FROM t'],
    ["SELECT 'DISTINCT', distinct_id, t.distinct FROM t", "SELECT 'DISTINCT', distinct_id, t.distinct FROM t"],
    ['SELECT a IS NOT DISTINCT FROM b', 'SELECT a IS NOT DISTINCT FROM b'],
  ])('takes the word DISTINCT out of %j', (sql, clean) => {
    expect(removeDistinct(sql)).toBe(clean);
  });

  it.each([
    ['SELECT ROUND(x, 2) FROM t', 'SELECT x FROM t'],
    ['SELECT round ( t.x ) FROM t', 'SELECT t.x FROM t'],
    ['SELECT ROUND(a + b, 2) * 2', 'SELECT (a + b) * 2'],
    ['SELECT ROUND(AVG(ROUND(x, 3)), 2)', 'SELECT (AVG(x))'],
    ["SELECT ROUND(coalesce(x, ')', 1), 2), 3", "SELECT (coalesce(x, ')', 1)), 3"],
    ["SELECT 'ROUND(x, 2)', round, ground(x, 2)", "SELECT 'ROUND(x, 2)', round, ground(x, 2)"],
    ['SELECT ROUND(x, 2', 'SELECT ROUND(x, 2'],
    ['SELECT CASE WHEN a THEN ROUND(b,1) END', 'SELECT CASE WHEN a THEN b END'],
  ])('takes ROUND off %j and keeps what it means', (sql, clean) => {
    expect(removeRound(sql)).toBe(clean);
  });

  it('does all three at once (3C-04)', () => {
    expect(cleanSql('SELECT DISTINCT ROUND(a, 2) /* x */ FROM t -- y')).toBe('SELECT  a   FROM t');
  });

  it('knows SQL that says nothing (3C-09)', () => {
    expect(['', ' ; ', '-- a', '/* a */ ;'].every(isEmptySql)).toBe(true);
    expect(isEmptySql("';'")).toBe(false);
  });
});
