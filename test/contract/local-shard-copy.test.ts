import { systemClock } from '../../src/lib/clock.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import { ApplyThread } from '../../src/shard-copy/apply-thread.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { describeShardCopyContract } from './shard-copy.contract.ts';
import { settings } from './shard-copy-fixture.ts';

for (const threaded of [false, true]) {
  const name = threaded ? 'in a data root, written by the apply thread' : 'in a data root';
  describeShardCopyContract(name, async () => {
    const shard = await ShardFixture.create(settings);
    const checkpointer = new Checkpointer((_path, error) => {
      throw error;
    });
    const applyThread = threaded ? new ApplyThread(checkpointer, systemClock) : undefined;
    return {
      copy: new LocalShardCopy({ ...shard.identity, clock: systemClock, applyThread }),
      load: async (versions) => {
        await shard.apply(versions);
      },
      build: async () => {
        await buildTree({ identity: shard.identity, settings, clock: systemClock });
      },
      dispose: async () => {
        await applyThread?.[Symbol.asyncDispose]();
        await checkpointer[Symbol.asyncDispose]();
        await shard[Symbol.asyncDispose]();
      },
    };
  });
}
