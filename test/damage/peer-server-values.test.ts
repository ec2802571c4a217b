/** A peer that answers wrongly, stalls or floods ends the run with itself, with a coded error, and harms nothing else. */
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { type FetchResponse, VersionSchema } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import { startHostileServer, startRawServer, type Tampering } from '../support/hostile-peer.ts';
import { MemoryShardCopy } from '../support/memory-shard-copy.ts';
import {
  batchAnswers,
  changeApplied,
  changeFetched,
  codeAt,
  codeOf,
  deadlines,
  honest,
  keys,
  settings,
  shards,
  startHonest,
  uses,
  versions,
} from '../support/tampered-peer.ts';

beforeAll(async () => void (await startHonest()));
afterAll(async () => await honest[Symbol.asyncDispose]());

const never = (): Promise<never> => new Promise(() => undefined);

describe('a peer that answers a fetch', () => {
  const version = versions[200]!;
  const answers = (change: (list: FetchResponse['answers']) => FetchResponse['answers']): Tampering =>
    changeFetched((answer) => [{ ...answer, answers: change(answer.answers) }]);
  test.each<[string, Tampering]>([
    ['out of order', answers((list) => list.toReversed())],
    ['twice', changeFetched((answer) => [answer, answer])],
    ['one thing twice', answers((list) => [list[0]!, ...list])],
    ['not all', answers((list) => list.slice(0, -1))],
    ['not at all', changeFetched(() => [])],
    ['with nothing', answers(() => [])],
    [
      'with what was not asked',
      answers((list) => [...list, create(VersionSchema, { key: version.key, source: Buffer.from('{}') })]),
    ],
    ['about another key', answers((list) => [{ ...list[0]!, key: version.key }, ...list.slice(1)])],
    ['with an empty key', answers((list) => [{ ...list[0]!, key: new Uint8Array() }, ...list.slice(1)])],
    ['with a negative delete time', answers((list) => [{ ...list[0]!, deleteTime: -1n }, ...list.slice(1)])],
  ])('%s', async (_, tampering) => {
    expect(await codeOf(tampering, uses.fetch)).toBe('bad-message');
  });

  test('with a value that is not what its digest says: whoever stores it refuses it', async () => {
    const tampering = answers((list) =>
      list.map((answer) => ({ ...answer, source: Buffer.concat([answer.source!, Buffer.from(' ')]) })),
    );
    await using hostile = await startHostileServer(shards(), tampering);
    using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock });
    const [page] = await Array.fromAsync(new PeerShardCopy(client, 'g', 0).fetch(keys.slice(0, 1)));
    const target = new MemoryShardCopy();
    const session = await target.openApply({ settings, confirmed: null });
    expect(await session.apply([page![0]!.version!])).toMatchObject([{ result: 'refused' }]);
  });
});

describe('a peer that answers an apply', () => {
  test.each<[string, Tampering]>([
    ['before it was asked', changeApplied((answer) => [{ ...answer, results: new Uint8Array(5) }])],
    ['twice', batchAnswers((answer) => [answer, answer])],
    ['with too few results', batchAnswers((answer) => [{ ...answer, results: answer.results.subarray(1) }])],
    ['with too many results', batchAnswers((answer) => [{ ...answer, results: new Uint8Array(6) }])],
    ['with unknown results', batchAnswers((answer) => [{ ...answer, results: answer.results.fill(9) }])],
    ['with reasons for nothing', batchAnswers((answer) => [{ ...answer, reasons: ['why'] }])],
    [
      'with refusals without reasons',
      batchAnswers((answer) => [{ ...answer, results: answer.results.fill(2) }]),
    ],
    ['with an end', { apply: async function* () {} }],
    [
      'with an end after the first batch',
      {
        apply: async function* (requests, { signal }) {
          let answered = 0;
          for await (const answer of shards().apply(requests, { signal })) {
            yield answer;
            if (answered++ === 1) return;
          }
        },
      },
    ],
  ])('%s', async (_, tampering) => {
    expect(await codeOf(tampering, uses.apply)).toBe('bad-message');
  });
});

describe('a peer that stalls', () => {
  test.each<[keyof typeof uses, Tampering, string]>([
    ['list', { listShards: never }, 'listing shards'],
    [
      'slots',
      {
        slots: async function* () {
          yield await never();
        },
      },
      'opening a view',
    ],
    [
      'leaves',
      {
        leaves: async function* () {
          yield await never();
        },
      },
      'reading leaves',
    ],
    [
      'fetch',
      {
        fetch: async function* () {
          yield await never();
        },
      },
      'fetching values',
    ],
    [
      'apply',
      {
        apply: async function* () {
          yield await never();
        },
      },
      'opening an apply',
    ],
    ['apply', batchAnswers(() => []), 'applying a batch'],
  ])('in %s', async (name, tampering, step) => {
    await using hostile = await startHostileServer(shards(), tampering);
    using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock, deadlines });
    const ended = uses[name](new PeerShardCopy(client, 'g', 0), client);
    await expect(ended).rejects.toMatchObject({ code: 'timeout', details: { step } });
  });
});

describe('what is no peer', () => {
  test.each<[string, Parameters<typeof startRawServer>[0], string[]]>([
    ['a server that never answers', () => undefined, ['timeout']],
    ['a server that hangs up', (socket) => socket.destroy(), ['unreachable']],
    [
      'a web server',
      (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      ['unreachable', 'bad-message'],
    ],
    [
      'a source of noise',
      (socket) => socket.write(Buffer.alloc(100_000, 0xa5)),
      ['unreachable', 'bad-message'],
    ],
  ])('%s', async (_, behave, codes) => {
    await using server = await startRawServer(behave);
    for (const use of Object.values(uses)) expect(codes).toContain(await codeAt(server.port, use, deadlines));
  });

  test('a port where nobody listens', async () => {
    const server = await startRawServer(() => undefined);
    await server[Symbol.asyncDispose]();
    for (const use of Object.values(uses)) expect(await codeAt(server.port, use)).toBe('unreachable');
  });
});

test('a peer that floods is held back by flow control while nobody reads', async () => {
  const filler = create(VersionSchema, { key: keys[0]!, source: Buffer.alloc(500_000, 'x') });
  let sent = 0;
  const flood: Tampering = {
    fetch: async function* () {
      for (; sent < 1_000; sent++) yield { answers: [{ ...filler, key: keys[sent] ?? keys[0]! }] };
    },
  };
  await using hostile = await startHostileServer(shards(), flood);
  using client = new PeerClient({ place: `127.0.0.1:${hostile.port}`, clock: systemClock });
  const fetched = new PeerShardCopy(client, 'g', 0).fetch(keys)[Symbol.asyncIterator]();
  await fetched.next();
  // Another call over the same connection goes through, and shows that the server had its turns to send.
  for (let call = 0; call < 20; call++) await client.listShards();
  expect(sent).toBeLessThan(20);
  await expect(Array.fromAsync({ [Symbol.asyncIterator]: () => fetched })).rejects.toMatchObject({
    code: 'bad-message',
  });
});

test('an honest peer is served all along', async () => {
  const copy = new PeerShardCopy(honest.client, 'g', 0);
  for (const use of Object.values(uses)) await use(copy, honest.client);
});
