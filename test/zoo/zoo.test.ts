/** The bugs still fit the sources they are put into; `npm run zoo` shows that each is caught. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allBugs } from './all-bugs.ts';

const top = join(import.meta.dirname, '../..');

describe('the zoo', () => {
  test('has bugs of different names', () => {
    expect(allBugs.length).toBeGreaterThanOrEqual(30);
    expect(new Set(allBugs.map(({ name }) => name)).size).toBe(allBugs.length);
  });

  test.each(allBugs)('can hold: $name', ({ patches, tests }) => {
    for (const { file, search } of patches) {
      const text = readFileSync(join(top, 'src', file), 'utf8');
      expect(text.split(search).length - 1, `src/${file}: ${search}`).toBe(1);
    }
    for (const file of tests) expect(existsSync(join(top, 'test', file)), file).toBe(true);
  });
});
