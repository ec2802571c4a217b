import { join } from 'node:path';
import { expect, test } from 'vitest';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

test('control characters of stored data are written out in text, and given as they are in JSON', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'one');
  const id = 'red\u001b[31m\r\u202ex';
  const records = [{ ...propertyRecord('g/n/1', 5), id }];
  await runCli(['load', '--root', root, writeRecords(folder, 'records.ndjson', records)]);
  await runCli(['build', root]);
  const text = (await runCli(['inspect', root, '--leaves'])).stdout;
  expect(text).toContain('g/n/red\\u001b[31m\\u000d\\u202ex  revision 5\n');
  for (const control of ['\u001b', '\r', '\u202e']) expect(text).not.toContain(control);
  const { lines } = await runCli(['inspect', root, '--leaves', '--json']);
  expect(lines.map(({ entity }) => entity)).toContain(`g/n/${id}`);
  expect((await runCli(['get', '--root', root, 'g/n/\u001b[2J'])).stderr).not.toContain('\u001b');
});

test('a line of JSON holds nothing that a reader may take for the end of a line', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'one');
  const id = 'a\u0085b\u2028c\u2029d\v\f\u001c\u001d\u001ee';
  const file = writeRecords(folder, 'records.ndjson', [{ ...propertyRecord('g/n/1', 5), id }]);
  await runCli(['load', '--root', root, file]);
  await runCli(['build', root]);
  for (const argv of [
    ['inspect', root, '--leaves'],
    ['get', '--root', root, `g/n/${id}`],
    ['get', '--root', root, id],
  ]) {
    const { lines, stdout } = await runCli([...argv, '--json']);
    for (const end of '\u0085\u2028\u2029\v\f\u001c\u001d\u001e') expect(stdout).not.toContain(end);
    const texts = lines.map(({ entity, property, error }) => entity ?? property?.id ?? error?.value);
    expect(texts.some((text) => text?.endsWith(id))).toBe(true);
  }
});
