import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { describeShardCopyContract } from './shard-copy.contract.ts';

describeShardCopyContract('in memory', () => {
  const copy = new MemoryShardCopy();
  return {
    copy,
    load: (versions) => copy.load(versions),
    build: () => copy.build(),
    dispose: () => undefined,
  };
});
