/** What a process at an address says of itself, where it is no data node that repairs. */
import { afterEach, expect, test } from 'vitest';
import { BanyandbNode } from '../../../src/banyandb/banyandb-node.ts';
import { NodeShardCopy } from '../../../src/banyandb/node-shard-copy.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { PeerServer } from '../../../src/peer/peer-server.ts';
import { type ServedNode, serveNode } from '../../support/model-cluster.ts';
import { ModelNode } from '../../support/model-node.ts';
import { providerOf } from '../../support/peer-pair.ts';

let open: (ServedNode | BanyandbNode)[] = [];

afterEach(async () => {
  for (const one of open) await ('stop' in one ? one.stop() : one[Symbol.dispose]());
  open = [];
});

test('a process that repairs nothing', async () => {
  const served = await serveNode(new ModelNode(), { repairAddress: '' });
  const client = served.client();
  open.push(served, client);
  await expect(client.repair()).rejects.toMatchObject({
    code: 'refused',
    details: { place: served.place },
  });
});

test('a process that does not say what it is, as a node of release 0.9', async () => {
  await using server = new PeerServer({ provider: providerOf([]), clock: systemClock });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = new BanyandbNode({ place: `127.0.0.1:${port}`, clock: systemClock });
  open.push(client);
  await expect(client.repair()).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringMatching(/since release 0\.10; of a node of 0\.9 copy the folder/) as unknown,
  });
});

test('a Tallystick is no node', async () => {
  await using server = new PeerServer({ provider: providerOf([]), clock: systemClock });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const served = await serveNode(new ModelNode(), { repairAddress: `127.0.0.1:${port}` });
  const client = served.client();
  open.push(served, client);
  const copy = new NodeShardCopy(client, { group: 'g', shard: 0, shards: 1 });
  await expect(copy.openView()).rejects.toMatchObject({ code: 'refused' });
});
