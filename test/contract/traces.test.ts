/** A traced run over two replicas, as a collector receives it; and that nothing of it happens unless it is wanted. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readSettings } from '../../src/settings/settings.ts';
import { Cluster, type Json, type Replica } from '../support/running-service.ts';

/** A span with the replica that told it. */
interface ToldSpan {
  readonly replica: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string>>;
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;

let cluster: Cluster;
let collector: Server;
let connections = 0;
let spans: ToldSpan[] = [];

beforeEach(async () => {
  spans = [];
  connections = 0;
  collector = createServer((request, response) => {
    void receive(request).then(() => response.end('{}'));
  });
  collector.on('connection', () => {
    connections += 1;
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  cluster = await Cluster.create();
  await cluster.load('one', { a: 1, b: 2 });
  await cluster.load('two', { a: 1, c: 3 });
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  collector.closeAllConnections();
  collector.close();
});

async function receive(request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as Json;
  const flat = (attributes: Json): Record<string, string> =>
    Object.fromEntries(attributes.map(({ key, value }: Json) => [key, String(Object.values(value)[0])]));
  for (const { resource, scopeSpans } of resourceSpans) {
    const replica = flat(resource.attributes)['service.instance.id'] ?? '';
    for (const span of scopeSpans.flatMap((scope: Json) => scope.spans))
      spans.push({ ...span, replica, attributes: flat(span.attributes) });
  }
}

async function start(flags: Readonly<Record<string, string>>): Promise<[Replica, Replica]> {
  const two = await cluster.start('two', flags);
  return [await cluster.start('one', { ...flags, nodes: await cluster.nodes(two) }), two];
}

test('one trace per run: its phases, the calls they make, and what the peer did for each', async () => {
  const { port } = collector.address() as AddressInfo;
  const [one, two] = await start({ 'trace.endpoint': `http://127.0.0.1:${port}/v1/traces` });
  const { body } = await one.post('/v1/repairs', {}, { traceparent });
  expect(await one.ended(body.id)).toMatchObject({ outcome: 'converged', counts: { changed: 2 } });
  // What was not sent yet is sent when they stop.
  await one.service[Symbol.asyncDispose]();
  await two.service[Symbol.asyncDispose]();
  const ours = spans.filter((span) => span.traceId === traceId);
  const run = ours.find(({ name, replica }) => name === 'repair' && replica === 'one');
  expect(run).toMatchObject({
    parentSpanId: '00f067aa0ba902b7',
    attributes: { 'tallystick.run': body.id, 'tallystick.outcome': 'converged', 'tallystick.changed': '2' },
  });
  const phases = ours.filter(({ parentSpanId }) => parentSpanId === run?.spanId);
  expect(new Set(phases.map(({ name }) => name))).toEqual(
    new Set(['ask', 'build', 'describe', 'compare', 'plan', 'carry out']),
  );
  const calls = ours.filter(({ kind, replica }) => kind === 3 && replica === 'one');
  for (const call of calls) {
    expect(phases.map(({ spanId }) => spanId)).toContain(call.parentSpanId);
    expect(call.attributes['server.address']).toBe(two.service.address);
  }
  expect(calls.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['ListShards', 'Slots', 'Apply', 'Fetch']),
  );
  const served = ours.filter(({ replica }) => replica === 'two');
  expect(served).toHaveLength(calls.length);
  for (const { kind, name, parentSpanId, attributes } of served) {
    expect(kind).toBe(2);
    expect(calls.find(({ spanId }) => spanId === parentSpanId)?.name).toBe(name);
    expect(attributes['tallystick.run']).toBe(body.id);
  }
  // Builds at the start are runs too, each with a trace of its own.
  expect(spans.some((span) => span.name === 'build' && span.traceId !== traceId)).toBe(true);
});

test('a malformed or absent parent begins a trace of its own', async () => {
  const { port } = collector.address() as AddressInfo;
  const [one] = await start({ 'trace.endpoint': `http://127.0.0.1:${port}/v1/traces` });
  const { body } = await one.post('/v1/repairs', {}, { traceparent: '00-xyz-1-01' });
  await one.ended(body.id);
  await one.service[Symbol.asyncDispose]();
  const run = spans.find(({ name }) => name === 'repair');
  expect(run?.traceId).toMatch(/^[\da-f]{32}$/);
  expect(run?.parentSpanId ?? '').toBe('');
});

test('off: no header goes to a peer, nothing is connected to', async () => {
  const { port } = collector.address() as AddressInfo;
  // The peer would tell of every call that came with a parent.
  const two = await cluster.start('two', { 'trace.endpoint': `http://127.0.0.1:${port}/v1/traces` });
  const one = await cluster.start('one', { nodes: await cluster.nodes(two) });
  const { body } = await one.post('/v1/repairs', {}, { traceparent });
  await one.ended(body.id);
  await one.service[Symbol.asyncDispose]();
  await two.service[Symbol.asyncDispose]();
  expect(spans.filter((span) => span.traceId === traceId || span.kind === 2)).toEqual([]);
  await cluster.load('three', { a: 1 });
  const before = connections;
  const three = await cluster.start('three');
  await three.run('/v1/builds', { force: true });
  await three.service[Symbol.asyncDispose]();
  expect(connections).toBe(before);
});

test('a collector that is away is told, and holds up nothing', async () => {
  const [one, two] = await start({ 'trace.endpoint': 'http://127.0.0.1:9/v1/traces' });
  expect(await one.run('/v1/repairs', {})).toMatchObject({ outcome: 'converged' });
  // In one process the packages tell the service that was started last.
  const told = await vi.waitUntil(
    () => [...one.log, ...two.log].find(({ message }) => message === 'spans could not be sent'),
    20_000,
  );
  expect(told.fields).toMatchObject({
    of: 'trace',
    error: { code: 'unreachable', message: expect.stringMatching(/^connect ECONNREFUSED/) },
  });
  const startMs = performance.now();
  await one.service[Symbol.asyncDispose]();
  await two.service[Symbol.asyncDispose]();
  expect(performance.now() - startMs).toBeLessThan(9_000);
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' }, 'http://c:4318/v1/traces'],
  [
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/t', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://d' },
    'http://c/t',
  ],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', TALLYSTICK_TRACE_ENDPOINT: 'http://own' }, 'http://own'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_SDK_DISABLED: 'true' }, null],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_TRACES_EXPORTER: 'none' }, null],
  [{}, null],
])('the variables %j send them to %s', async (environment, endpoint) => {
  const { trace } = await readSettings({ file: null, environment, flags: {} });
  expect(trace.endpoint).toBe(endpoint);
});

test('an endpoint that is no address is told with where it came from', async () => {
  const environment = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'collector:4318' };
  await expect(readSettings({ file: null, environment, flags: {} })).rejects.toMatchObject({
    details: { problems: [{ file: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', field: 'trace.endpoint' }] },
  });
});
