/** Replicas of one group that were first loaded in unlike spellings: what `repair` and `diff` make of them. */
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { propertyRecord, runCli, temporaryFolder, writeRecords } from '../../support/run-cli.ts';

const entities = Array.from({ length: 24 }, (_, number) => `g/n/${number}`);

let folder = '';

beforeEach(() => {
  folder = temporaryFolder();
});

/** A data root whose entities have the same revisions everywhere and `text` as their content. */
async function replica(name: string, spelling: string, text: string): Promise<string> {
  const root = join(folder, name);
  const records = entities.map((entity) => ({
    ...propertyRecord(entity, 5),
    tags: [{ key: 'k', value: { strArray: { value: [text, entity] } } }],
  }));
  const file = writeRecords(folder, `${name}.ndjson`, records);
  const loaded = await runCli(['load', '--root', root, '--spelling', spelling, file]);
  expect(loaded.code, loaded.stderr).toBe(0);
  return root;
}

async function contents(root: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const entity of entities) {
    const { lines } = await runCli(['get', '--root', root, entity, '--json']);
    found.push(lines[0].property);
  }
  return found;
}

test('ties between unlike spellings get the same winner everywhere, whoever is named first', async () => {
  const one = await replica('one', 'compact', 'x');
  const two = await replica('two', 'spaced', 'y');
  const three = await replica('three', 'compact', 'z');
  const four = await replica('four', 'spaced', 'x');
  const repaired = await runCli(['repair', two, one, four, three, '--json']);
  expect(repaired.last.summary).toMatchObject({ outcome: 'repaired', differing: 24, kept: 0, failed: 0 });
  const winners = await contents(one);
  for (const root of [two, three, four]) expect(await contents(root)).toEqual(winners);
  const again = await runCli(['repair', one, two, three, four, '--json']);
  expect(again.last.summary).toMatchObject({ outcome: 'matched', otherSpelling: 24, shipped: 0 });

  // The same versions, met in pairs and in another order, lead to the same winners.
  const five = await replica('five', 'spaced', 'z');
  const six = await replica('six', 'compact', 'y');
  const seven = await replica('seven', 'compact', 'x');
  await runCli(['repair', six, five]);
  await runCli(['repair', five, seven]);
  expect(await contents(five)).toEqual(winners);
  expect(await contents(seven)).toEqual(winners);
});
