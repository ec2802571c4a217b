import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runtimeMajorMin, unfitRuntime } from '../../../src/lib/runtime-version.ts';

test('older versions are told, later ones are fit', () => {
  expect(unfitRuntime('v20.20.2')).toBe('Node.js 24 or later is needed, and this is v20.20.2');
  for (const version of ['v24.0.0', 'v24.21.0', 'v30.1.0']) expect(unfitRuntime(version)).toBeNull();
  expect(unfitRuntime(process.version)).toBeNull();
});

test('the package asks for the same', () => {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  expect((JSON.parse(text) as { engines: { node: string } }).engines.node).toBe(`>=${runtimeMajorMin}`);
});
