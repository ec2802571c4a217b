import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { lookUpNodes } from '../../../src/peer/dns-nodes.ts';

const look = (resolve: () => Promise<{ name: string; port: number }[]>) =>
  lookUpNodes('_grpc._tcp.example', { clock: systemClock, resolve, timeoutMs: 50 });

test('records become nodes, once each, in one order', async () => {
  const nodes = await look(async () => [
    { name: 'b.example.', port: 2 },
    { name: 'a.example', port: 1 },
    { name: 'b.example', port: 2 },
  ]);
  expect(nodes).toEqual([
    { name: 'a.example:1', grpcAddress: 'a.example:1', tlsEnabled: false, caCertPath: null },
    { name: 'b.example:2', grpcAddress: 'b.example:2', tlsEnabled: false, caCertPath: null },
  ]);
});

test.each([
  ['not-found', () => Promise.reject(Object.assign(new Error('querySrv ENOTFOUND'), { code: 'ENOTFOUND' }))],
  [
    'unreachable',
    () => Promise.reject(Object.assign(new Error('querySrv ESERVFAIL'), { code: 'ESERVFAIL' })),
  ],
  ['timeout', () => new Promise<never>(() => undefined)],
  ['too-large', async () => Array.from({ length: 1_001 }, (_, port) => ({ name: 'a', port }))],
])('%s', async (code, resolve) => {
  await expect(look(resolve)).rejects.toMatchObject({ code });
});
