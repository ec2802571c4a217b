/** Each check of the end of a history can fail: what is wrong there, made by hand, is noticed by the check that is for it. */
import { describe, expect, test } from 'vitest';
import type { RoundReport } from '../../src/round/round-report.ts';
import { entityKey } from '../../src/property/entity.ts';
import type { Cluster } from './cluster.ts';
import { comeToRest } from './come-to-rest.ts';
import type { Coordinators } from './coordinators.ts';
import { calm, Network } from './network.ts';
import { NodeStore } from './node-store.ts';
import type { Replica } from './replica.ts';
import { Run } from './run.ts';
import { of, Told, version } from './told-replica.ts';
import { UnderWay } from './under-way.ts';
import { SkewedClock, VirtualTime } from './virtual-time.ts';

/** What each round of the end does, by its number from 1, and how it ends. */
type Round = (
  number: number,
) => Partial<{ outcome: string; shipped: number; never: boolean; error: boolean }>;

const nothing: Round = () => ({});

class End {
  readonly time = new VirtualTime();
  readonly network = new Network(this.time, 1, calm);
  readonly underWay = new UnderWay();
  readonly running = new Set<Run>();
  deleteExpiryMs: number | null = null;

  of(replicas: readonly Replica[], round: Round): Promise<void> {
    let number = 0;
    const start = () => {
      number += 1;
      const { outcome = 'converged', shipped = 0, never = false, error = false } = round(number);
      const run = new Run(`round${number}`, 'operator', 0);
      if (never) {
        this.running.add(run);
        return { run, report: new Promise(() => undefined) };
      }
      const report = { outcome, reason: 'so it is', repair: { shipped } } as unknown as RoundReport;
      return { run, report: Promise.resolve(error ? null : report) };
    };
    const { time, network, underWay, deleteExpiryMs } = this;
    const cluster = { time, network, replicas, underWay, doors: new Set(), nodeManner: { deleteExpiryMs } };
    const coordinators = { start, running: this.running };
    return comeToRest(
      cluster as unknown as Cluster,
      coordinators as unknown as Coordinators,
      async () => undefined,
    );
  }

  /** A node that holds a live version of `e0`, written now; it has a tree of it. */
  async node(): Promise<NodeStore> {
    const clock = new SkewedClock(this.time, 'node', 0);
    const wrong = (why: unknown): never => {
      throw new Error(String(why));
    };
    const store = new NodeStore({ place: 'node', clock, slots: 1, onViolation: wrong, onWentBack: wrong });
    await store.write('e0', 'v', null);
    await store.build();
    return store;
  }
}

/** Two replicas that hold the same. */
function twins(): [Told, Told] {
  return [new Told('r0', of(version(5n))), new Told('r1', of(version(5n)))];
}

function both([one, two]: [Told, Told], round: Round = nothing): Promise<void> {
  return new End().of([one.replica, two.replica], round);
}

test('a cluster that agrees and stays so is at rest', async () => {
  await expect(both(twins())).resolves.toBeUndefined();
});

test('what differs at first may be settled by the second round', async () => {
  const [one, two] = twins();
  one.contents = new Map();
  const settle: Round = (number) => {
    if (number === 2) one.contents = two.contents;
    return { shipped: number === 2 ? 1 : 0 };
  };
  await expect(both([one, two], settle)).resolves.toBeUndefined();
});

describe('who waits for ever', () => {
  test('a run that was begun before', async () => {
    const end = new End();
    end.running.add(new Run('run7', 'r0', 0));
    await expect(end.of([], nothing)).rejects.toThrow('run7 waits for nothing, for ever');
  });

  test('an operation', async () => {
    const end = new End();
    end.underWay.track('operation 3', new Promise(() => undefined));
    end.underWay.track('operation 4', Promise.reject(new Error('it ended')));
    await new Promise(setImmediate);
    await expect(end.of([], nothing)).rejects.toThrow(/^operation 3 waits for nothing, for ever$/);
  });

  test.each([1, 2, 3])('round %i at rest', async (which) => {
    await expect(both(twins(), (number) => ({ never: number === which }))).rejects.toThrow(
      `round${which} waits for nothing, for ever`,
    );
  });
});

test.each([1, 2, 3])('round %i in calm weather converges', async (which) => {
  const ends = (how: ReturnType<Round>) => both(twins(), (number) => (number === which ? how : {}));
  await expect(ends({ outcome: 'inconclusive' })).rejects.toThrow(
    `round ${which} in calm weather ended inconclusive (so it is), not converged`,
  );
  await expect(ends({ error: true })).rejects.toThrow(`round ${which} in calm weather ended by an error`);
});

describe('after two rounds', () => {
  const during = (change: (replicas: [Told, Told]) => void, which: number): Promise<void> => {
    const replicas = twins();
    return both(replicas, (number) => {
      if (number === which) change(replicas);
      return {};
    });
  };
  const all =
    (...to: Parameters<typeof version>) =>
    (replicas: [Told, Told]): void => {
      for (const replica of replicas) replica.contents = of(version(...to));
    };

  test('there is nothing that never was', async () => {
    await expect(during(all(6n), 2)).rejects.toThrow('more than ever was');
    await expect(during(all(5n, 7n), 2)).rejects.toThrow('more than ever was');
  });

  test('nothing is less than it was', async () => {
    await expect(during(all(4n), 1)).rejects.toThrow('and there was (5, live');
    await expect(during(all(5n, 0n, 0), 1)).rejects.toThrow('and there was (5, live');
  });

  test('all hold the same, what there was among it', async () => {
    const lose = ([, two]: [Told, Told]): void => {
      two.contents = new Map();
    };
    await expect(during(lose, 2)).rejects.toThrow('r1 has nothing of "n\\u0000e0", not (5, live');
    const loseAll = ([one, two]: [Told, Told]): void => {
      lose([two, one]);
      lose([one, two]);
    };
    await expect(during(loseAll, 2)).rejects.toThrow('r0 has nothing of "n\\u0000e0", not (5, live');
  });

  test('all have the same root', async () => {
    const [one, two] = twins();
    two.root = Buffer.from('another');
    await expect(both([one, two])).rejects.toThrow('2 roots after two rounds');
  });

  test('a third round ships nothing and changes nothing', async () => {
    await expect(both(twins(), (number) => ({ shipped: number === 3 ? 1 : 0 }))).rejects.toThrow(
      'the third round of a cluster at rest shipped 1 versions',
    );
    await expect(during(all(6n), 3)).rejects.toThrow('the third round of a cluster at rest changed r0');
  });
});

describe('with a BanyanDB node', () => {
  /** A node, and a replica that holds the same but for what `differ` makes of it. */
  async function pair(end: End, has: (store: NodeStore) => Told['contents'] = (store) => store.contents()) {
    const store = await end.node();
    const told = new Told('r0', has(store));
    told.root = Buffer.from(store.root, 'hex');
    const node = Object.assign(new Told('node', new Map(), 'banyandb'), { store });
    return { store, replicas: [told.replica, node.replica] };
  }
  /** Beside what the node has, a live version that is older than deletes are kept. */
  const withOld = (store: NodeStore): Told['contents'] =>
    new Map([...store.contents(), [entityKey({ name: 'n', id: 'old' }).toString('latin1'), version(1n)]]);

  test('that agrees it is at rest, and its root counts as every other', async () => {
    const end = new End();
    await expect(end.of((await pair(end)).replicas, nothing)).resolves.toBeUndefined();
    const other = new End();
    const { replicas } = await pair(other);
    Object.assign(replicas[0] ?? {}, { root: Buffer.from('another') });
    await expect(other.of(replicas, nothing)).rejects.toThrow('2 roots after two rounds');
  });

  test('what is held back from it, a round has to say', async () => {
    const end = new End();
    end.deleteExpiryMs = 1;
    await expect(end.of((await pair(end, withOld)).replicas, nothing)).rejects.toThrow(
      'round 1 in calm weather ended converged (so it is), not failed',
    );
    const told = new End();
    told.deleteExpiryMs = 1;
    const says: Round = () => ({ outcome: 'failed' });
    await expect(told.of((await pair(told, withOld)).replicas, says)).resolves.toBeUndefined();
    expect(told.network.happenings.of('version held back from a node')).toBe(1);
  });

  test('what need not be held back from it is missed there', async () => {
    const end = new End();
    await expect(end.of((await pair(end, withOld)).replicas, nothing)).rejects.toThrow('node has nothing of');
  });

  test('a third round pushes nothing, also where something is held back', async () => {
    const end = new End();
    end.deleteExpiryMs = 1;
    const { store, replicas } = await pair(end, withOld);
    const pushing: Round = (number) => {
      if (number === 3) store.pushes += 2;
      return { outcome: 'failed' };
    };
    await expect(end.of(replicas, pushing)).rejects.toThrow('a cluster at rest shipped 2 versions');
  });
});
