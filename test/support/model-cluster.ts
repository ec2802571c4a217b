/** Model nodes behind real sockets: one process of BanyanDB is one server here, for its own address and its repair. */
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { BanyandbNode, type BanyandbNodeOptions } from '../../src/banyandb/banyandb-node.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { RepairRequest } from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import type { ModelNode } from './model-node.ts';
import { type NodeRoutesOptions, nodeRoutes } from './model-routes.ts';

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

export interface ServeNodeOptions extends Pick<NodeRoutesOptions, 'tamper'> {
  /** Called before each request is worked on. */
  readonly onRequest?: (request: RepairRequest) => void;
  /** What it says of where it repairs; by default where it listens. */
  readonly repairAddress?: string;
  /** Encrypts it. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function serveNode(node: ModelNode, options: ServeNodeOptions = {}): Promise<ServedNode> {
  const requests = new Map<string, number>();
  let place = '';
  const { tamper, repairAddress } = options;
  const routes = nodeRoutes(node, {
    ...(tamper && { tamper }),
    onRequest: (request) => {
      const kind = request.data.case ?? 'none';
      requests.set(kind, (requests.get(kind) ?? 0) + 1);
      options.onRequest?.(request);
    },
    repairAddress: () => repairAddress ?? place,
  });
  const adapter = connectNodeAdapter({ grpcWeb: false, connect: false, routes });
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
