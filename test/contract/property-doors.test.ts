/** Both doors through which applications write and read properties: one suite, asked over HTTP and over gRPC. */
import { ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PropertyService } from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ShardService } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerConnection } from '../../src/peer/peer-connection.ts';
import { type Door, grpcDoor, httpDoor, statuses } from '../support/property-doors.ts';
import { Cluster, type Json, type Replica } from '../support/running-service.ts';

const file = `
groups: [{ group: app, shards: 3 }]
admin:
  tokens:
    - { name: eve, role: viewer, token: viewer-token-0123456789 }
    - { name: shop, role: writer, token: writer-token-0123456789 }
    - { name: ops, role: operator, token: operator-token-0123456789 }
`;

let cluster: Cluster;
let replica: Replica;

beforeAll(async () => {
  cluster = await Cluster.create();
  replica = await cluster.start('one', { 'property.listen': '127.0.0.1:0' }, file);
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const text = (key: string, value: string) => ({ key, value: { str: { value } } });
const number = (key: string, value: string) => ({ key, value: { int: { value } } });

describe.each(['http', 'grpc'] as const)('over %s', (kind) => {
  const status = statuses[kind];
  let door: Door;
  const open = (token: string | null): Door =>
    kind === 'http' ? httpDoor(replica.admin, token) : grpcDoor(replica.service.propertyAddress ?? '', token);

  beforeAll(() => {
    door = open('writer-token-0123456789');
  });

  afterAll(() => door[Symbol.dispose]());

  const entity = (id: string) => ({ group: 'app', name: kind, id });

  test('apply creates, merges, replaces; delete; query', async () => {
    const first = await door.apply(entity('a/b c%d'), [text('x', 'one'), number('n', '9007199254740993')]);
    expect(first).toMatchObject({ status: status.ok, body: { created: true, tagsNum: 2 } });
    const merged = await door.apply(entity('a/b c%d'), [text('x', 'two')], { strategy: 'STRATEGY_MERGE' });
    expect(merged).toMatchObject({ status: status.ok, body: { created: false, tagsNum: 2 } });
    const { body } = await door.query({ groups: ['app'], name: kind });
    expect(body.properties).toEqual([
      {
        id: 'a/b c%d',
        metadata: {
          group: 'app',
          name: kind,
          id: 0,
          createRevision: expect.stringMatching(/^\d{19}$/),
          modRevision: expect.stringMatching(/^\d{19}$/),
        },
        tags: [text('x', 'two'), number('n', '9007199254740993')],
        updatedAt: expect.stringMatching(/Z$/),
      },
    ]);
    const replaced = await door.apply(entity('a/b c%d'), [text('y', '')], { strategy: 'STRATEGY_REPLACE' });
    expect(replaced.body).toMatchObject({ created: false, tagsNum: 1 });
    expect(await door.delete(entity('a/b c%d'))).toMatchObject({
      status: status.ok,
      body: { deleted: true },
    });
    expect((await door.delete(entity('a/b c%d'))).body).toMatchObject({ deleted: false });
    expect((await door.query({ groups: ['app'], name: kind })).body.properties).toEqual([]);
  });

  test('queries by ids, criteria, order, limit and projection, with a trace', async () => {
    for (const [id, at] of [
      ['p', 3],
      ['q', 1],
      ['r', 2],
    ] as const)
      await door.apply({ group: 'app', name: `${kind}-q`, id }, [number('at', String(at)), text('id', id)]);
    const query = async (more: object) => {
      const { status: told, body } = await door.query({ groups: ['app'], name: `${kind}-q`, ...more });
      expect([told, body]).toEqual([status.ok, expect.anything()]);
      return body;
    };
    const idsOf = ({ properties }: { properties: { id: string }[] }) => properties.map(({ id }) => id);
    const orderBy = { tagName: 'at', sort: 'SORT_DESC' };
    expect(idsOf(await query({ orderBy }))).toEqual(['p', 'r', 'q']);
    expect(idsOf(await query({ orderBy: { tagName: 'at' }, limit: 2 }))).toEqual(['q', 'r']);
    expect(idsOf(await query({ ids: ['q', 'none'] }))).toEqual(['q']);
    const above = (value: string) => ({
      condition: { name: 'at', op: 'BINARY_OP_GT', value: { int: { value } } },
    });
    expect(idsOf(await query({ criteria: above('1'), orderBy }))).toEqual(['p', 'r']);
    const among = {
      condition: { name: 'id', op: 'BINARY_OP_IN', value: { strArray: { value: ['p', 'q'] } } },
    };
    const le = { op: 'LOGICAL_OP_AND', left: above('1'), right: among };
    const { properties, trace } = await query({ criteria: { le }, tagProjection: ['id'], trace: true });
    expect(properties).toMatchObject([{ id: 'p', tags: [text('id', 'p')] }]);
    expect(trace.spans).toHaveLength(3);
    expect(trace.spans[0]).toMatchObject({ message: 'shard', error: false, duration: expect.any(String) });
  });

  test.each([
    ['id', 'property.id', ''],
    ['name', 'property.metadata.name', 'a/b'],
  ])('a wrong %s', async (member, field, value) => {
    // HTTP has no path without an id.
    if (kind === 'http' && value === '') return;
    const answer = await door.apply({ ...entity('a'), [member]: value }, [text('x', 'y')]);
    expect(answer).toMatchObject({
      status: status['bad-argument'],
      body: { code: 'bad-argument', field, reason: expect.stringMatching(/must not/) },
    });
  });

  test('other faults, with field and reason', async () => {
    const wrong = async (answer: Promise<{ status: number; body: unknown }>, code: string, field: string) =>
      expect(await answer).toMatchObject({
        status: status[code as keyof typeof status],
        body: { code, field, reason: expect.stringMatching(/\w+/) },
      });
    await wrong(door.apply(entity('a'), []), 'bad-argument', 'property.tags');
    await wrong(door.apply(entity('a'), [text('', 'x')]), 'bad-argument', 'property.tags[0].key');
    await wrong(
      door.apply({ ...entity('a'), group: 'none' }, [text('x', 'y')]),
      'not-found',
      'property.metadata.group',
    );
    await wrong(door.apply(entity('a'), [text('x', 'y'.repeat(1_050_000))]), 'too-large', 'property');
    await wrong(door.delete({ ...entity('a'), group: 'none' }), 'not-found', 'group');
    await wrong(door.query({ groups: [] }), 'bad-argument', 'groups');
    await wrong(door.query({ groups: ['none'] }), 'not-found', 'groups');
    const condition = { name: 'x', op: 'BINARY_OP_MATCH', value: { str: { value: 'y' } } };
    const matchOption = { analyzer: 'simple' };
    await wrong(
      door.query({ groups: ['app'], criteria: { condition: { ...condition, matchOption } } }),
      'bad-argument',
      'criteria.condition.match_option.analyzer',
    );
    const left = { condition: { ...condition, op: 'BINARY_OP_EQ' } };
    await wrong(
      door.query({ groups: ['app'], criteria: { le: { left, right: left } } }),
      'bad-argument',
      'criteria.le.op',
    );
    await wrong(door.query({ groups: ['app'], criteria: {} }), 'bad-argument', 'criteria');
  });

  test('a revision that was read is exceeded', async () => {
    const modRevision = String(systemClock.nowNs() + 10n ** 15n);
    await door.apply(entity('read'), [text('x', 'y')], { metadata: { modRevision } });
    const { body } = await door.query({ groups: ['app'], name: kind, ids: ['read'] });
    expect(body.properties[0].metadata.modRevision).toBe(String(BigInt(modRevision) + 1n));
  });

  test('a viewer reads, a writer writes, nobody else does either', async () => {
    const [viewer, operator, nobody, stranger] = [
      'viewer-token-0123456789',
      'operator-token-0123456789',
      null,
      'x',
    ].map(open) as [Door, Door, Door, Door];
    expect((await viewer.query({ groups: ['app'] })).status).toBe(status.ok);
    expect(await viewer.apply(entity('v'), [text('x', 'y')])).toMatchObject({
      status: status.role,
      body: { code: 'refused' },
    });
    expect((await viewer.delete(entity('v'))).status).toBe(status.role);
    expect((await operator.apply(entity('v'), [text('x', 'y')])).status).toBe(status.ok);
    for (const one of [nobody, stranger]) {
      expect((await one.query({ groups: ['app'] })).status).toBe(status.nobody);
      expect((await one.apply(entity('v'), [text('x', 'y')])).status).toBe(status.nobody);
    }
    for (const one of [viewer, operator, nobody, stranger]) one[Symbol.dispose]();
  });
});

describe('over HTTP alone', () => {
  const headers = { authorization: 'Bearer writer-token-0123456789', 'content-type': 'application/json' };
  const send = async (method: string, path: string, body: unknown) => {
    const options = { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`http://${replica.admin}${path}`, options);
    return { status: response.status, body: (await response.json()) as Json };
  };

  test('an id may hold slashes as they are, names may be spelled as in protobuf, below /api too', async () => {
    const property = { tags: [{ key: 'l', value: { str_array: { value: ['a'] } } }] };
    expect(await send('PUT', '/api/v1/property/data/app/plain/a/b//c', { property })).toMatchObject({
      status: 200,
      body: { created: true },
    });
    const { body } = await send('POST', '/v1/property/data/query', {
      groups: ['app'],
      name: 'plain',
      tag_projection: ['l'],
      order_by: { tag_name: 'l' },
    });
    expect(body.properties).toMatchObject([
      { id: 'a/b//c', tags: [{ key: 'l', value: { strArray: { value: ['a'] } } }] },
    ]);
  });

  test('every fault of a body is told with its path', async () => {
    const { status, body } = await send('PUT', '/v1/property/data/app/plain/a', {
      property: { id: 'b', metadata: { group: 'g' }, tags: [{ key: 'a', value: { int: { value: 'x' } } }] },
      strategy: 'MERGE',
      more: 1,
    });
    expect(status).toBe(400);
    expect(body.problems.map(({ field }: { field: string }) => field).sort()).toEqual([
      'more',
      'property.id',
      'property.metadata.group',
      'property.tags[0].value.int.value',
      'strategy',
    ]);
    expect(await send('POST', '/v1/property/data/query', { groups: ['app'], limt: 1 })).toMatchObject({
      status: 400,
      body: { code: 'bad-argument', field: 'limt' },
    });
    expect(
      (await send('POST', '/v1/property/data/query', { groups: ['app'], limit: -1 })).body,
    ).toMatchObject({
      field: 'limit',
    });
  });

  test('a writer gives no orders; what it writes is no order in the log', async () => {
    expect(await send('POST', '/v1/pause', {})).toMatchObject({ status: 403, body: { code: 'refused' } });
    await send('PUT', '/v1/property/data/app/plain/a', { property: { tags: [text('x', 'y')] } });
    const orders = replica.log.filter(({ message }) => message === 'an order was given');
    expect(orders.filter(({ fields }) => (fields as { route?: string }).route?.includes('data'))).toEqual([]);
  });

  test('the description and the metrics know of it', async () => {
    const viewer = { authorization: 'Bearer viewer-token-0123456789' };
    const { body } = await replica.get('/openapi.json', viewer);
    expect(Object.keys(body.paths['/v1/property/data/{group}/{name}/{id}'])).toEqual(['put', 'delete']);
    expect(body.paths['/v1/property/data/query'].post.requestBody).toBeDefined();
    const metrics = (await replica.get('/metrics', viewer)).body;
    expect(metrics).toMatch(/^tallystick_property_calls_total\{call="apply",code="ok"\} \d+$/m);
    expect(metrics).toMatch(/^tallystick_property_calls_total\{call="query",code="bad-argument"\} \d+$/m);
    expect(metrics).toMatch(/^tallystick_property_call_seconds_count\{call="apply"\} \d+$/m);
  });
});

test('neither port offers the service of the other', async () => {
  const unknown = async (place: string, ask: (connection: PeerConnection) => Promise<unknown>) => {
    using connection = new PeerConnection({ place, clock: systemClock });
    const error = await ask(connection).catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error).code).toBe(12);
  };
  await unknown(replica.service.propertyAddress ?? '', (connection) =>
    connection.client(ShardService).listShards({}),
  );
  await unknown(replica.service.address ?? '', (connection) =>
    connection.client(PropertyService).query({ groups: ['app'] }),
  );
});

test('PropertyService elsewhere than on loopback needs to know who calls', async () => {
  await expect(cluster.start('four', { 'property.listen': '0.0.0.0:0' })).rejects.toMatchObject({
    code: 'bad-settings',
    message: expect.stringMatching(/PropertyService needs tokens/),
  });
});
