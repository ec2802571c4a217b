/** Whole clusters in which something is broken on purpose: the history ends with the violation that is for it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createUniversalHandlerClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-grpc';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type RepairRequest,
  RepairService,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { toWireProperty } from '../../src/banyandb/node-property.ts';
import { parseSource } from '../../src/property/source-json.ts';
import { Schedule } from '../../src/schedule/schedule.ts';
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';
import { makeVersion } from '../support/versions.ts';
import { type Cluster, makeCluster } from './cluster.ts';
import { Coordinators } from './coordinators.ts';
import type { Violation } from './invariants.ts';
import { calm } from './network.ts';
import { NodeStore } from './node-store.ts';
import type { Store } from './replica.ts';
import { Run } from './run.ts';
import { simulateCluster } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';
import { SkewedClock, VirtualTime } from './virtual-time.ts';

let uninstall = (): void => undefined;
beforeAll(() => {
  uninstall = installSynchronousFiles();
});
afterAll(() => uninstall());
afterEach(() => void vi.restoreAllMocks());

/** Of a cluster of seven in memory, without nodes, the wire or an older database; nothing is broken in it. */
const seed = 3;

/** Runs a seed with the stores of its cluster changed; gives what it came to. */
async function violationOf(
  change: (store: Store) => object,
  cluster: Cluster = makeCluster(seed),
): Promise<string> {
  for (const { store } of cluster.replicas) Object.assign(store, change(store));
  return (await simulateCluster(seed, cluster)).violation?.message ?? 'none';
}

/** The same with the copies changed that coordinators reach. */
function withCopy(change: (copy: ShardCopy) => Partial<ShardCopy>): Promise<string> {
  return violationOf(({ copy }) => {
    Object.assign(copy, change(copy));
    return {};
  });
}

const never = (): Promise<never> => new Promise(() => undefined);
const inVain = async (): Promise<void> => undefined;

test('nothing is broken in the seed by itself', async () => {
  expect(await violationOf(() => ({}))).toBe('none');
});

describe('a write that was acknowledged', () => {
  test.each([
    ['write', 'and has'],
    ['remove', 'deleted 1'],
  ])('%s', async (call, told) => {
    const violation = await violationOf(() => ({ [call]: inVain }));
    expect(violation).toMatch(/^r\d acknowledged/);
    expect(violation).toContain(told);
  });
});

describe('who waits for ever', () => {
  test('a write', async () => {
    expect(await violationOf(() => ({ write: never }))).toMatch(
      /^operation \d+(, operation \d+)* waits for nothing/,
    );
  });

  test('a schedule', async () => {
    vi.spyOn(Schedule.prototype, 'due').mockImplementation(() => ({ builds: [{}], rounds: [] }) as never);
    const cluster = { ...makeCluster(seed), operations: 1 };
    const violation = await violationOf(() => ({ build: never }), cluster);
    expect(violation).toMatch(/^the schedule of r\d(, the schedule of r\d)* waits for nothing, for ever$/);
  });

  test('a run whose question nobody answers', async () => {
    vi.spyOn(Coordinators.prototype, 'cancel').mockImplementation(() => undefined);
    expect(await withCopy(() => ({ openView: never }))).toMatch(/^run\d+.* waits for nothing, for ever$/);
  });
});

describe('what a run does', () => {
  test('it tells the truth of what it applied', async () => {
    const lie = ({ openApply }: ShardCopy): Partial<ShardCopy> => ({
      openApply: async (options) => {
        const session = await openApply(options);
        return Object.assign(session, {
          apply: async (batch: []) => batch.map(() => ({ result: 'applied' })),
        });
      },
    });
    expect(
      await withCopy((copy) => lie({ ...copy, openApply: copy.openApply.bind(copy) } as ShardCopy)),
    ).toMatch(/^run\d+ says converged; r\d has/);
  });

  test('it ends when it is cancelled', async () => {
    const cluster = makeCluster(seed);
    cluster.network.weather = { ...calm, delayMs: 5_000 };
    const cancelled = async (): Promise<Error | null> => {
      const coordinators = new Coordinators(cluster);
      coordinators.cancel(coordinators.start(cluster.replicas, 'operator').run);
      await cluster.time.run(async () => undefined);
      return coordinators.violation;
    };
    expect(await cancelled()).toBeNull();
    vi.spyOn(Run.prototype, 'cancel').mockImplementation(() => undefined);
    expect((await cancelled())?.message).toMatch(/^run0 goes on a second after it was cancelled at \d+ ms$/);
  });

  test('it ends within a day', async () => {
    const cluster = makeCluster(seed);
    cluster.network.weather = { ...calm, delayMs: 7 * 24 * 3_600_000 };
    expect(await violationOf(() => ({}), cluster)).toMatch(/^run\d+ does not end$/);
  });

  test('it ends by no error of the program itself', async () => {
    const cluster = makeCluster(seed);
    const coordinators = new Coordinators(cluster);
    const fails = (error: Error) => () => {
      throw error;
    };
    coordinators.start(cluster.replicas, 'operator', { onStep: fails(new TypeError('x is not a function')) });
    await cluster.time.run(async () => undefined);
    expect(coordinators.violation?.message).toBe('x is not a function');
  });

  test('it compares trees that were built', async () => {
    expect(await violationOf(() => ({ builtOf: () => null }))).toMatch(
      /^r\d told run\d+ of a tree that it never built$/,
    );
  });

  test('in calm weather it converges', async () => {
    const fail = (): never => {
      throw new TypeError('it cannot be applied');
    };
    expect(await withCopy(() => ({ openApply: fail }))).toMatch(/^round 1 in calm weather ended/);
  });
});

test('a tree that is said to be of the index as it is', async () => {
  const fresh = (store: Store) => {
    const listedTree = store.listedTree.bind(store);
    return { build: inVain, listedTree: async () => ({ ...(await listedTree()), stale: false }) };
  };
  expect(await violationOf(fresh)).toMatch(/^r\d says its tree is of its index as it is, and it is not$/);
});

describe('a schedule', () => {
  test('does not wake in the past', async () => {
    vi.spyOn(Schedule.prototype, 'nextWakeMs').mockReturnValue(0);
    expect(await violationOf(() => ({}))).toMatch(/^the schedule of r\d wakes in the past$/);
  });

  test('looks without an error', async () => {
    vi.spyOn(Schedule.prototype, 'observe').mockImplementation(() => {
      throw new TypeError('x is not a function');
    });
    expect(await violationOf(() => ({}))).toBe('x is not a function');
  });
});

describe('a live version that is pushed to a BanyanDB node', () => {
  /** What the node says of a push of `e0` over its tombstone, when asked for it first and before that deleted, or not. */
  async function pushed(asked: 'never' | 'before the delete' | 'after the delete') {
    const violations: Violation[] = [];
    const wentBack: string[] = [];
    const clock = new SkewedClock(new VirtualTime(), 'node', 0);
    const store = new NodeStore({
      ...{ place: 'node', clock, slots: 1 },
      onViolation: (violation) => violations.push(violation),
      onWentBack: (key) => wentBack.push(key),
    });
    const { handlers } = store.serve();
    const client = createClient(
      RepairService,
      createTransport({
        ...{
          httpClient: createUniversalHandlerClient([...handlers]),
          baseUrl: 'http://node',
          useBinaryFormat: true,
        },
        ...{ interceptors: [], acceptCompression: [], sendCompression: null, compressMinBytes: 1_000_000 },
        ...{ readMaxBytes: 1_000_000, writeMaxBytes: 1_000_000 },
      }),
    );
    const version = makeVersion({ id: 'e0', revision: 5n });
    const entity = 'g/n/e0';
    const remove = async (): Promise<void> => {
      await store.write('e0', 'v', 5n);
      await store.remove('e0');
    };
    async function* requests(): AsyncGenerator<Partial<RepairRequest>> {
      if (asked !== 'before the delete') await remove();
      if (asked !== 'never') yield { data: { case: 'propertyMissing', value: { entity } } } as never;
      if (asked === 'before the delete') await remove();
      const property = toWireProperty(parseSource(version.source));
      yield {
        data: { case: 'propertySync', value: { property, deleteTime: 0n, id: Buffer.alloc(0) } },
      } as never;
    }
    const answers = client.repair(requests() as never);
    await Array.fromAsync(answers).catch(() => undefined);
    return { violations: violations.map(({ message }) => message), wentBack: wentBack.length };
  }

  test('does not take the place of a tombstone that the node told of', async () => {
    const wrong = [' pushed g/n/e0 live to node, which had told it of the delete'];
    expect(await pushed('never')).toEqual({ violations: wrong, wentBack: 1 });
    expect(await pushed('after the delete')).toEqual({ violations: wrong, wentBack: 1 });
    expect(await pushed('before the delete')).toEqual({ violations: [], wentBack: 1 });
  });
});

describe('npm run simulate', () => {
  test.each(['1', '2'])('in %s processes: a violation is told with what replays it', (jobs) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'simulate.ts'), '--seeds', '3', '--seed', '3', '--jobs', jobs],
      {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: `--import=${join(import.meta.dirname, 'idle-writes.ts')}` },
      },
    );
    expect(status).toBe(1);
    expect(stderr).toContain('seed 3: ');
    expect(stderr).toContain('replay it: npm run simulate -- --seed 3\n');
    expect(JSON.parse(stdout).summary).toMatchObject({ seeds: 3, violations: 3 });
  });
});
