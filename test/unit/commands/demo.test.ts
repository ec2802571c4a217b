/** The `demo` verb: the tour ends well, is the same every time, and keeps its replicas where it is told. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, temporaryFolder } from '../../support/run-cli.ts';

test('the tour ends with equal replicas', async () => {
  const root = join(temporaryFolder(), 'tour');
  const { code, lines, last } = await runCli(['demo', '--root', root, '--json']);
  expect(code).toBe(0);
  expect(lines.map(({ step }) => step)).toEqual([
    'written',
    'built',
    'compared',
    'repaired',
    'repaired again',
    'checked',
    undefined,
  ]);
  const kinds = lines[2].kinds.map(({ kind }: { kind: string }) => kind).sort();
  expect(kinds).toEqual([
    'lost with the shard',
    'missed delete',
    'newer delete',
    'older revision',
    'other content at the same revision',
    'write missed',
    'written after the delete',
  ]);
  expect(last.summary).toMatchObject({ outcome: 'equal', changed: last.summary.shipped });

  const places = ['replica-1', 'replica-2', 'replica-3'].map((name) => join(root, name));
  const diff = await runCli(['diff', ...places, '--json']);
  expect(diff).toMatchObject({ code: 0, last: { summary: { outcome: 'matched', differing: 0 } } });
  const repair = await runCli(['repair', ...places, '--json']);
  expect(repair).toMatchObject({ code: 0, last: { summary: { outcome: 'matched', shipped: 0 } } });

  const again = await runCli(['demo', '--json']);
  expect(again.last).toEqual(last);
});

test('the tour is told in words', async () => {
  const { code, stdout } = await runCli(['demo']);
  expect(code).toBe(0);
  for (const words of [
    'differ',
    'missed delete',
    'Repaired again: matched, 0 values sent',
    'equal to the byte',
  ]) {
    expect(stdout).toContain(words);
  }
});

test('a folder that holds something is left alone', async () => {
  const root = join(temporaryFolder(), 'full');
  mkdirSync(root);
  writeFileSync(join(root, 'letter.txt'), '');
  expect(await runCli(['demo', '--root', root, '--json'])).toMatchObject({
    code: 2,
    last: { error: { code: 'bad-argument' } },
  });
});
