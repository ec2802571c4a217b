import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import { providerOf, startPair } from '../support/peer-pair.ts';
import { describeShardCopyContract } from './shard-copy.contract.ts';

for (const compression of [false, true]) {
  describeShardCopyContract(`of a peer${compression ? ', compressed' : ''}`, async () => {
    const behind = new MemoryShardCopy();
    const pair = await startPair(providerOf([behind]), { server: { compression }, client: { compression } });
    return {
      copy: new PeerShardCopy(pair.client, 'g', 0),
      load: (versions) => behind.load(versions),
      build: () => behind.build(),
      dispose: async () => await pair[Symbol.asyncDispose](),
    };
  });
}
