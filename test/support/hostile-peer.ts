/** Peers that break the wire's promises: a server whose honest answers are tampered with, and a proxy that cuts. */
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Client, type ConnectRouter, createConnectRouter, type ServiceImpl } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { ShardService } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';

export interface HostileServer extends AsyncDisposable {
  readonly port: number;
}

/** Calls that are passed on to an honest peer and may change what it answers. */
export type Tampering = Partial<ServiceImpl<typeof ShardService>>;

/** Serves what `tampering` names; all else is answered by `honest`. */
export async function startHostileServer(
  honest: Client<typeof ShardService>,
  tampering: Tampering,
): Promise<HostileServer> {
  const router: ConnectRouter = createConnectRouter({ connect: false, grpcWeb: false });
  router.service(ShardService, {
    listShards: (request) => honest.listShards(request),
    slots: (request, { signal }) => honest.slots(request, { signal }),
    leaves: (request, { signal }) => honest.leaves(request, { signal }),
    fetch: (requests, { signal }) => honest.fetch(requests, { signal }),
    apply: (requests, { signal }) => honest.apply(requests, { signal }),
    ...tampering,
  });
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const server = createHttp2Server((request, response) => {
    const handler = handlers.get(request.url);
    request.stream.on('error', () => request.stream.close());
    if (handler === undefined) return request.stream.close();
    handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch(() => request.stream.close());
  });
  return await started(server);
}

/** Answers every connection by `behave`. */
export async function startRawServer(behave: (socket: Socket) => void): Promise<HostileServer> {
  return await started(createServer({ noDelay: true }, behave));
}

async function started(server: Server | Http2Server): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface CuttingProxy extends HostileServer {
  /** Bytes that went through so far. */
  passed(): { up: number; down: number };
}

/** Passes bytes on to `port` until so many went up or down; then the connection is cut at that byte. */
export async function startCuttingProxy(
  port: number,
  cut: { readonly up?: number; readonly down?: number },
): Promise<CuttingProxy> {
  const passed = { up: 0, down: 0 };
  const server = await startRawServer((near) => {
    const far = connect({ host: '127.0.0.1', port, noDelay: true });
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    const pass = (from: Socket, to: Socket, way: 'up' | 'down'): void => {
      from.on('data', (chunk: Buffer) => {
        const left = (cut[way] ?? Infinity) - passed[way];
        passed[way] += Math.min(left, chunk.length);
        if (chunk.length < left) to.write(chunk);
        else to.write(chunk.subarray(0, left), end);
      });
      from.on('close', end);
      from.on('error', end);
    };
    pass(near, far, 'up');
    pass(far, near, 'down');
  });
  return { ...server, passed: () => ({ ...passed }) };
}
