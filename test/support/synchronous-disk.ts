/** A shard on files that work at once and fail when told, for the tests of one file. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { installSynchronousFiles, setFileFault } from '../simulator/synchronous-files.ts';
import { ShardFixture } from './shard-fixture.ts';

/** Installs such files for the tests of the file that calls it; gives the shard, which is there while they run. */
export function useSynchronousDisk(): () => ShardFixture {
  let uninstall = (): void => undefined;
  let fixture: ShardFixture;
  beforeAll(async () => {
    uninstall = installSynchronousFiles();
    fixture = await ShardFixture.create({ slots: 4 });
  });
  beforeEach(() => setFileFault(null));
  afterAll(async () => {
    setFileFault(null);
    await fixture[Symbol.asyncDispose]();
    uninstall();
  });
  return () => fixture;
}
