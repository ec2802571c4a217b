/** Places that are one: to compare a place with itself would prove nothing. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, temporaryFolder } from '../../support/run-cli.ts';

test.each(['diff', 'repair', 'audit', 'round'])(
  '%s refuses a place that is named twice, also by another way there',
  async (verb) => {
    const folder = temporaryFolder();
    const [one, two, link] = ['one', 'two', 'link'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const root of [one, two]) mkdirSync(join(root, 'data'), { recursive: true });
    symlinkSync(one, link);
    for (const again of [one, `${one}/`, link]) {
      const { code, last } = await runCli([verb, one, two, again, '--json']);
      expect(code).toBe(2);
      expect(last.error).toMatchObject({ code: 'bad-argument', field: 'places', value: again });
      expect(last.error.message).toContain('a place is named twice');
    }
  },
);
