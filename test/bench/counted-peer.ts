/** Counts what a peer client's connection carries: bytes of its sockets, calls, messages and their protobuf bytes. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { ShardService } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import type { PeerClient } from '../../src/peer/peer-client.ts';

export interface WireCounts {
  /** Bytes of TCP payload in both directions: frames, headers and messages. */
  readonly wireBytes: number;
  readonly calls: number;
  readonly messages: number;
  /** Bytes of the messages themselves, both directions; 0 unless asked for. */
  readonly protobufBytes: number;
}

/** Counts the bytes of every socket that this process opens from now on. */
export class SocketCounter implements Disposable {
  readonly #sockets: Socket[] = [];
  readonly #onSocket = (message: unknown): void => {
    this.#sockets.push((message as { socket: Socket }).socket);
  };

  constructor() {
    subscribe('net.client.socket', this.#onSocket);
  }

  get bytes(): number {
    return this.#sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);
  }

  [Symbol.dispose](): void {
    unsubscribe('net.client.socket', this.#onSocket);
  }
}

type Call = (request: unknown, options: unknown) => unknown;

export class MessageCounter {
  calls = 0;
  messages = 0;
  protobufBytes = 0;
  readonly #sized: boolean;

  /** `sized` also encodes every message once more to know its size. */
  constructor(sized: boolean) {
    this.#sized = sized;
  }

  /** Counts what goes through the client's calls from now on. */
  watch(client: PeerClient): void {
    const { connection } = client;
    const plain = connection.shards as unknown as Record<string, Call>;
    const counted: Record<string, Call> = {};
    for (const method of ShardService.methods) {
      const call = plain[method.localName]!;
      const [up, down] = [method.input, method.output];
      counted[method.localName] = (request, options) => {
        this.calls += 1;
        const sent = isStream(request) ? this.#through(up, request) : this.#count(up, request);
        const answer = call(sent, options);
        if (isStream(answer)) return this.#through(down, answer);
        return (answer as Promise<unknown>).then((message) => this.#count(down, message));
      };
    }
    Object.defineProperty(connection, 'shards', { value: counted });
  }

  #count<T>(schema: DescMessage, message: T): T {
    this.messages += 1;
    if (this.#sized)
      this.protobufBytes += toBinary(schema, { $typeName: schema.typeName, ...message } as Message).length;
    return message;
  }

  async *#through(schema: DescMessage, messages: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    for await (const message of messages) yield this.#count(schema, message);
  }
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
