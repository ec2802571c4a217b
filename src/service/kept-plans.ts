/**
 * Plans that dry runs keep for a later order: a file each in the data root, named by its run. They are few and short
 * of life, for what they say of the copies grows old; all of them may be lost.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../lib/atomic-file.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { isErrno } from '../lib/errno.ts';
import { dayMs } from '../lib/units.ts';

/** Plans kept at a time, the newest: people look at a few, and one may be as long as the data. */
export const plansKeptMax = 10;

/** For how long: what is agreed on is carried out the same day. */
export const planKeptMs = dayMs;

const extension = '.plan';

interface KeptPlan {
  readonly path: string;
  readonly keptAtMs: number;
}

export class KeptPlans {
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(root: string, clock: Clock) {
    this.#directory = join(root, 'plans');
    this.#clock = clock;
  }

  /** Where the plan of a run is to be put. */
  async place(run: string): Promise<string> {
    await makeDirectory(this.#directory);
    return this.#path(run);
  }

  /** Until when a plan that was just put in its place is kept, in milliseconds since 1970; null where there is none. */
  async keptUntilMs(run: string): Promise<number | null> {
    const plan = await this.#look(this.#path(run));
    await this.sweep();
    return plan === null ? null : plan.keptAtMs + planKeptMs;
  }

  /** The plan of a run. Throws `not-found` for one that was never kept or is kept no longer. */
  async find(run: string): Promise<string> {
    const plan = await this.#look(this.#path(run));
    if (plan !== null && this.#isYoung(plan)) return plan.path;
    throw new CodedError('not-found', `no plan of run ${run} is kept (any more); make another dry run`, {
      field: 'plan',
      value: run,
    });
  }

  /** Discards what is too old, too much, or was left over by a crash. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    const looks = await Promise.all(names.map((name) => this.#look(join(this.#directory, name))));
    const plans = looks.filter((plan) => plan !== null).sort((a, b) => b.keptAtMs - a.keptAtMs);
    const kept = plans
      .filter((plan) => plan.path.endsWith(extension) && this.#isYoung(plan))
      .slice(0, plansKeptMax);
    for (const plan of plans) {
      // A plan that is being written has another name, and is younger than a day.
      const gone = plan.path.endsWith(extension) ? !kept.includes(plan) : !this.#isYoung(plan);
      if (gone) await rm(plan.path, { force: true });
    }
  }

  #path(run: string): string {
    return join(this.#directory, run + extension);
  }

  #isYoung({ keptAtMs }: KeptPlan): boolean {
    return keptAtMs + planKeptMs > this.#clock.nowMs();
  }

  async #look(path: string): Promise<KeptPlan | null> {
    try {
      return { path, keptAtMs: (await stat(path)).mtimeMs };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return null;
      throw CodedError.from(error);
    }
  }
}
