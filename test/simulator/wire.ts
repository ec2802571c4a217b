/** The wire of a simulated cluster: the calls of the peer client of production as gRPC on virtual time. */
import { createTransport } from '@connectrpc/connect/protocol-grpc';
import { PeerClient } from '../../src/peer/peer-client.ts';
import type { OpenTransport } from '../../src/peer/peer-transport.ts';
import { BanyandbNode } from '../../src/banyandb/banyandb-node.ts';
import type { NodeCopyOptions } from '../../src/banyandb/node-shard-copy.ts';
import { BanyandbMember } from '../../src/round/banyandb-member.ts';
import { PeerMember } from '../../src/round/peer-member.ts';
import type { Network } from './network.ts';
import { group, type Replica } from './replica.ts';
import { type Run, RunClock } from './run.ts';
import { WireCall } from './wire-call.ts';

/** The way from a coordinator to a replica. */
function wireTo(network: Network, run: Run, replica: Replica): OpenTransport {
  return ({ limits }) => ({
    calls: createTransport({
      httpClient: (request) => {
        const what = request.url.slice(request.url.lastIndexOf('/') + 1);
        return new WireCall({ network, run, replica, what }).send(request);
      },
      baseUrl: `http://${replica.name}`,
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: Number.MAX_SAFE_INTEGER,
      readMaxBytes: limits.acceptBytesMax,
      writeMaxBytes: limits.sendBytesMax,
      binaryOptions: { readUnknownFields: false },
    }),
    renew: () => undefined,
    // A run ends its calls when it ends.
    [Symbol.dispose]: () => undefined,
  });
}

/** A BanyanDB node as a run's member, as in production. */
export function nodeMember(
  network: Network,
  run: Run,
  replica: Replica,
  manner: NodeCopyOptions,
): BanyandbMember {
  const clock = new RunClock(network.time, run);
  const openTransport = wireTo(network, run, replica);
  const node = new BanyandbNode({ place: replica.name, clock, openTransport });
  return new BanyandbMember(node, { ...manner, groups: async () => [{ group, shards: 1, holders: null }] });
}

/** Another replica as a run's member, as in production. */
export function peerMember(network: Network, run: Run, replica: Replica): PeerMember {
  const clock = new RunClock(network.time, run);
  const openTransport = wireTo(network, run, replica);
  return new PeerMember(new PeerClient({ place: replica.name, clock, runId: run.id, openTransport }));
}
