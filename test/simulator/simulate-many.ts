/** Many seeds, in this process or dealt to others; results come in the order of the seeds, whoever made them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type SeedResult, simulateSeed } from './simulate-seed.ts';
import type { SeedOrder } from './simulate-worker.ts';

export interface ManySeeds {
  readonly first: number;
  readonly seeds: number;
  /** Processes that simulate; 1 for none beside this. */
  readonly jobs: number;
}

/** Seeds sent to a process at a time: some seconds of work at most. */
const seedsPerOrder = 10;

/** An order is done within this time on the slowest machine; one that is not hangs where no virtual time passes. */
const orderMsMax = 300_000;

/** Orders given out before the earliest of them is done, per process: one slow seed does not stop the others. */
const ordersAhead = 20;

/** The synchronous files must be installed where `jobs` is 1. */
export async function* simulateMany({ first, seeds, jobs }: ManySeeds): AsyncGenerator<SeedResult> {
  if (jobs > 1) {
    yield* dealSeeds({ first, seeds, jobs });
    return;
  }
  for (let seed = first; seed < first + seeds; seed += 1) yield await simulateSeed(seed);
}

async function* dealSeeds({ first, seeds, jobs }: ManySeeds): AsyncGenerator<SeedResult> {
  const waiting: Promise<SeedResult[]>[] = [];
  const workers = Array.from({ length: jobs }, () => new Worker());
  let next = first;
  const deal = (): void => {
    if (next >= first + seeds) return;
    const count = Math.min(seedsPerOrder, first + seeds - next);
    const idlest = workers.reduce((best, worker) => (worker.orders < best.orders ? worker : best));
    const results = idlest.order({ first: next, count });
    results.catch(() => undefined);
    waiting.push(results);
    next += count;
  };
  try {
    for (let order = 0; order < jobs * ordersAhead; order += 1) deal();
    for (let done = waiting.shift(); done !== undefined; done = waiting.shift()) {
      yield* await done;
      deal();
    }
  } finally {
    for (const worker of workers) worker.end();
  }
}

class Worker {
  readonly #process: ChildProcess;
  readonly #exit: Promise<never>;
  #last: Promise<unknown> = Promise.resolve();
  /** Given and not yet done. */
  orders = 0;

  constructor() {
    this.#process = fork(join(import.meta.dirname, 'simulate-worker.ts'), {
      serialization: 'advanced',
      // Nearly all of what a seed makes dies young: a large nursery saves a tenth of the time.
      execArgv: ['--max-semi-space-size=64'],
    });
    this.#exit = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`a simulating process ended by itself: ${code ?? signal}`);
    });
    this.#exit.catch(() => undefined);
  }

  /** Orders are worked on one after the other. */
  order(order: SeedOrder): Promise<SeedResult[]> {
    this.orders += 1;
    const results = this.#last.then(async () => {
      const answered = once(this.#process, 'message', { signal: AbortSignal.timeout(orderMsMax) });
      this.#process.send(order);
      const [done] = await Promise.race([answered.catch(() => tooLong(order)), this.#exit]);
      this.orders -= 1;
      return done as SeedResult[];
    });
    this.#last = results.catch(() => undefined);
    return results;
  }

  /** It ends what it is at, cleans up and exits. */
  end(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

function tooLong({ first, count }: SeedOrder): never {
  const seconds = orderMsMax / 1_000;
  throw new Error(`one of the seeds ${first} to ${first + count - 1} did not end within ${seconds} seconds`);
}
