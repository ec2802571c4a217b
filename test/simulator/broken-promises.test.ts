/** Whole clusters in which something is broken on purpose: the history ends with the violation that is for it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Outbox } from '../../src/property-store/outbox.ts';
import { PropertyStore } from '../../src/property-store/property-store.ts';
import { Schedule } from '../../src/schedule/schedule.ts';
import type { ShardCopy } from '../../src/shard-copy/shard-copy.ts';
import { closeCluster, type Cluster, makeCluster } from './cluster.ts';
import { Coordinators } from './coordinators.ts';
import { calm } from './network.ts';
import type { Store } from './replica.ts';
import { Run } from './run.ts';
import { simulateCluster } from './simulate-seed.ts';
import { installSynchronousFiles } from './synchronous-files.ts';

let uninstall = (): void => undefined;
beforeAll(() => {
  uninstall = installSynchronousFiles();
});
afterAll(() => uninstall());
afterEach(() => void vi.restoreAllMocks());

/** Of a cluster in memory, without nodes and the wire; nothing is broken in it. */
const seed = 3;

/** Its cluster, in which nobody writes through property stores. */
function plainCluster(): Cluster {
  return { ...makeCluster(seed), sites: [] };
}

/** Runs a seed with the stores of its cluster changed; gives what it came to. */
async function violationOf(
  change: (store: Store) => object,
  cluster: Cluster = plainCluster(),
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
    const cluster = { ...plainCluster(), operations: 1 };
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
    const cluster = plainCluster();
    onTestFinished(() => closeCluster(cluster));
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
    const cluster = plainCluster();
    cluster.network.weather = { ...calm, delayMs: 7 * 24 * 3_600_000 };
    expect(await violationOf(() => ({}), cluster)).toMatch(/^run\d+ does not end$/);
  });

  test('it ends by no error of the program itself', async () => {
    const cluster = plainCluster();
    onTestFinished(() => closeCluster(cluster));
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

describe('what a property store says', () => {
  /** The first cluster in which applications write through property stores, at replicas or at machines that hold nothing. */
  async function clusterOf(at: 'replicas' | 'gateways'): Promise<Cluster> {
    for (let number = at === 'replicas' ? 25 : 1; ; number += at === 'replicas' ? 25 : 1) {
      const cluster = makeCluster(number);
      const [site] = cluster.sites;
      if (site !== undefined && (site.replica !== null) === (at === 'replicas')) return cluster;
      await closeCluster(cluster);
    }
  }

  const violationAt = async (at: 'replicas' | 'gateways') =>
    await violationOf(() => ({}), await clusterOf(at));

  test('it tells of each version that it sends on', async () => {
    vi.spyOn(Outbox.prototype, 'send').mockImplementation(() => undefined);
    for (const at of ['replicas', 'gateways'] as const)
      expect(await violationAt(at)).toMatch(
        /^of \d+ versions that store [dr]\d \d+ was to send on it tells of 0, and 0 wait$/,
      );
  });

  test('what it wrote is there', async () => {
    vi.spyOn(PropertyStore.prototype, 'apply').mockImplementation(async ({ property }) => ({
      ...{ created: true, tags: 1, revision: property.modRevision + 1n },
    }));
    expect(await violationAt('replicas')).toMatch(/^r\d acknowledged/);
    expect(await violationAt('gateways')).toMatch(/^d\d acknowledged e\d+ at .*, and no replica has it$/);
  });

  test('a write is greater than what it had read', async () => {
    const written = { created: true, tags: 1, revision: 0n };
    vi.spyOn(PropertyStore.prototype, 'apply').mockResolvedValue(written);
    expect(await violationAt('replicas')).toMatch(/^a write that read \d+ was given 0$/);
  });

  test('what it deleted is deleted', async () => {
    const { delete: remove } = PropertyStore.prototype;
    vi.spyOn(PropertyStore.prototype, 'delete').mockImplementation(async function (
      this: PropertyStore,
      entity,
    ) {
      return !(await remove.call(this, entity));
    });
    expect(await violationAt('replicas')).toMatch(/^r\d says that e\d+ was (not )?live$/);
    vi.mocked(PropertyStore.prototype.delete).mockResolvedValue(true);
    expect(await violationAt('gateways')).toMatch(
      /^d\d acknowledged e\d+ at no version, and no replica has it$/,
    );
  });
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
