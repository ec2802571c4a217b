import { defineConfig } from 'vitest/config';

/** The tests that hold the modules of mutation.config.ts: those near them, and quick, since each mutant runs all that reach it. */
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: [
      'test/unit/property/order.test.ts',
      'test/unit/lib/varint.test.ts',
      'test/unit/diff/*.test.ts',
      'test/unit/tree/tree-reader.test.ts',
      'test/unit/tree/tree-bytes.test.ts',
      'test/golden/tree-format.test.ts',
      'test/unit/peer/wire-*.test.ts',
    ],
    // Names of tests hold it, and a test is found again by its name.
    env: { TALLYSTICK_SEED: '1' },
    // For the first run, on a busy machine; a mutant that hangs is ended by StrykerJS itself.
    testTimeout: 60_000,
  },
});
