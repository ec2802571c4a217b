/** What a test file that explores the small scope needs around it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { installSynchronousFiles } from './synchronous-files.ts';

/** A folder for all tests of the file that calls this, which have synchronous files meanwhile. */
export function smallScopeScratch(): string {
  const scratch = mkdtempSync(join(tmpdir(), 'tallystick-explore-'));
  let uninstall = (): void => undefined;
  beforeAll(() => {
    uninstall = installSynchronousFiles();
  });
  afterAll(() => {
    uninstall();
    rmSync(scratch, { recursive: true, force: true });
  });
  return scratch;
}
