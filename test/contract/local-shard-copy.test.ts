import { systemClock } from '../../src/lib/clock.ts';
import { LocalShardCopy } from '../../src/shard-copy/local-shard-copy.ts';
import { buildTree } from '../../src/tree/build-tree.ts';
import { ShardFixture } from '../support/shard-fixture.ts';
import { describeShardCopyContract } from './shard-copy.contract.ts';
import { settings } from './shard-copy-fixture.ts';

describeShardCopyContract('in a data root', async () => {
  const shard = await ShardFixture.create(settings);
  return {
    copy: new LocalShardCopy({ ...shard.identity, clock: systemClock }),
    load: async (versions) => {
      await shard.apply(versions);
    },
    build: async () => {
      await buildTree({ identity: shard.identity, settings, clock: systemClock });
    },
    dispose: () => shard[Symbol.asyncDispose](),
  };
});
