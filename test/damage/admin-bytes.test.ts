/** Bytes that are no request to the admin endpoint are answered with a problem document, and the endpoint goes on. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Cluster, type Replica } from '../support/running-service.ts';

let cluster: Cluster;
let one: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  await cluster.load('one', { a: 5 });
  one = await cluster.start('one');
});
afterAll(() => cluster[Symbol.asyncDispose]());

afterEach(async () => {
  expect(await one.get('/livez')).toMatchObject({ status: 200 });
});

test.each([
  ['what is no HTTP', 'these are no words of it\r\n\r\n', 400],
  ['a header without end', `GET /livez HTTP/1.1\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
  ['two lengths', 'POST /v1/pause HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}', 400],
  ['an address that is none', 'GET /v1/shards/%zz/0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 400],
])('%s', async (_, request, status) => {
  const [host, port] = String(one.admin).split(':');
  const socket = connect({ host: host ?? '', port: Number(port) });
  socket.write(request);
  const [head, body] = (await text(socket)).split('\r\n\r\n');
  expect(head).toContain(`HTTP/1.1 ${status} `);
  expect(head).toContain('application/problem+json');
  expect(JSON.parse(body ?? '')).toMatchObject({ status, code: 'bad-argument' });
});
