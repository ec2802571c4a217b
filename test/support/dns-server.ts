/** A DNS server on loopback (RFC 1035, SRV records of RFC 2782) that answers as a test says. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** HOST:PORT of each record, or the code of a failure: 2 server failure, 3 no such name. */
export type DnsAnswer = readonly string[] | 2 | 3;

const headerBytes = 12;
const srvType = 33;

export class DnsServer implements AsyncDisposable {
  /** Of any name. */
  answer: DnsAnswer;
  readonly place: string;
  readonly #socket: Socket;

  private constructor(socket: Socket, answer: DnsAnswer) {
    this.#socket = socket;
    this.answer = answer;
    this.place = `127.0.0.1:${socket.address().port}`;
    socket.on('message', (query, { address, port }) => socket.send(reply(query, this.answer), port, address));
  }

  static async start(answer: DnsAnswer): Promise<DnsServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsServer(socket, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

function reply(query: Buffer, answer: DnsAnswer): Buffer {
  let end = headerBytes;
  while (query[end] !== 0) end += 1 + (query[end] ?? 0);
  const question = query.subarray(headerBytes, end + 5);
  const records = typeof answer === 'number' ? [] : answer.map(record);
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  // An answer, recursion desired and available.
  header.writeUInt16BE(0x8180 + (typeof answer === 'number' ? answer : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

function record(address: string): Buffer {
  const [host = '', port = ''] = address.split(':');
  const labels = host.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const target = Buffer.concat([...labels, Buffer.of(0)]);
  const head = Buffer.alloc(18);
  // Its name is that of the question; it may be kept for no time.
  for (const [at, value] of [0xc00c, srvType, 1, 0, 0, 6 + target.length, 0, 0, Number(port)].entries())
    head.writeUInt16BE(value, at * 2);
  return Buffer.concat([head, target]);
}
