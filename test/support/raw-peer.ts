/** What listens as a peer would and answers a call with bytes of the test, whatever was asked. */
import { once } from 'node:events';
import { createServer, type Http2Server, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';

export class RawPeer implements AsyncDisposable {
  /** Headers of the calls so far. */
  readonly asked: IncomingHttpHeaders[] = [];
  readonly place: string;
  readonly #server: Http2Server;

  private constructor(server: Http2Server) {
    this.#server = server;
    this.place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Answers each call with `answer` as its body. */
  static async start(answer: Buffer): Promise<RawPeer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const peer = new RawPeer(server);
    server.on('stream', (stream, headers) => {
      peer.asked.push(headers);
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(answer);
    });
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}
