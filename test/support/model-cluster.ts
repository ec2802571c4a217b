/** Model nodes behind real sockets: one process of BanyanDB is one server here, for its own address and its repair. */
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { BanyandbNode, type BanyandbNodeOptions } from '../../src/banyandb/banyandb-node.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { NodeQueryService } from '../../src/banyandb/generated/banyandb/database/v1/database_pb.ts';
import {
  type RepairRequest,
  type RepairResponse,
  RepairService,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import type { ModelNode } from './model-node.ts';
import { ModelRepairSession } from './model-repair-session.ts';

export interface ServedNode extends AsyncDisposable {
  /** HOST:PORT. */
  readonly place: string;
  /** Requests so far, by kind. */
  readonly requests: Map<string, number>;
  /** A client of it. */
  client(options?: Partial<BanyandbNodeOptions>): BanyandbNode;
  /** Breaks every connection and listens no more. */
  stop(): Promise<void>;
}

export interface ServeNodeOptions {
  /** Called before each request is worked on. */
  readonly onRequest?: (request: RepairRequest) => void;
  /** Replaces what is answered to a request. */
  readonly tamper?: (answers: RepairResponse[], request: RepairRequest | null) => RepairResponse[];
  /** What it says of where it repairs; by default where it listens. */
  readonly repairAddress?: string;
  /** Encrypts it. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function serveNode(node: ModelNode, options: ServeNodeOptions = {}): Promise<ServedNode> {
  const requests = new Map<string, number>();
  const { onRequest, tamper = (answers) => answers } = options;
  let place = '';
  async function* repair(incoming: AsyncIterable<RepairRequest>): AsyncGenerator<RepairResponse> {
    const session = new ModelRepairSession(node);
    try {
      for await (const request of incoming) {
        const kind = request.data.case ?? 'none';
        requests.set(kind, (requests.get(kind) ?? 0) + 1);
        onRequest?.(request);
        yield* tamper(session.receive(request), request);
        if (session.ended !== null) break;
      }
      yield* tamper(session.close(), null);
    } finally {
      session.abort();
    }
    if (session.ended === 'unknown')
      throw new ConnectError('failed to receive tree summary request', Code.Unknown);
    if (session.ended === 'internal') throw new ConnectError('panic', Code.Internal);
  }
  const adapter = connectNodeAdapter({
    grpcWeb: false,
    connect: false,
    routes: (router) => {
      router.service(RepairService, { repair });
      router.service(NodeQueryService, {
        getCurrentNode: () => ({
          node: {
            metadata: { name: node.name },
            propertyRepairGossipGrpcAddress: options.repairAddress ?? place,
          },
        }),
      });
    },
  });
  const server = options.tls === undefined ? createServer(adapter) : createSecureServer(options.tls, adapter);
  const sessions = sessionsOf(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const session of sessions) session.destroy();
    if (server.listening) await closed;
  };
  return {
    place,
    requests,
    client: (more) => new BanyandbNode({ place, clock: systemClock, ...more }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function sessionsOf(server: Http2Server | Http2SecureServer): Set<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  return sessions;
}
