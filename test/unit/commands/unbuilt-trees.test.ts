/** A repair whose trees cannot be built afterwards: what it changed is told all the same. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

test('the changes of a repair are reported where a tree cannot be built afterwards', async () => {
  const folder = temporaryFolder();
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  const records = writeRecords(folder, 'r.ndjson', [propertyRecord('g/n/1'), propertyRecord('g/n/2')]);
  await runCli(['load', '--root', one, records]);
  mkdirSync(join(two, 'data'), { recursive: true });
  writeFileSync(join(two, 'trees'), 'not a folder');
  const { code, lines, last } = await runCli(['repair', one, two, '--json']);
  expect(code).toBe(2);
  expect(lines).toHaveLength(3);
  expect(last.summary).toMatchObject({ outcome: 'failed', differing: 2, changed: 2, failed: 0, shipped: 2 });
  expect(last.summary.reason).toMatch(/^a tree could not be built afterwards: .*ENOTDIR/);
  expect((await runCli(['get', '--root', two, 'g/n/1'])).code).toBe(0);
});
