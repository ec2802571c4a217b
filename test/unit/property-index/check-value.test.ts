/** A walk in key order moves on, or the database is damaged. */
import { expect, test } from 'vitest';
import { checkAscending } from '../../../src/property-index/check-value.ts';

test.each([
  ['', 'a', true],
  ['a', 'b', true],
  ['a', 'aa', true],
  ['a', 'a', false],
  ['b', 'a', false],
  ['aa', 'a', false],
])('after %j comes %j: %s', (before, key, right) => {
  const check = (): void => checkAscending(Buffer.from(before), Buffer.from(key), 'x.db');
  if (right) check();
  else
    expect(check).toThrow(expect.objectContaining({ code: 'damaged-database', details: { path: 'x.db' } }));
});
