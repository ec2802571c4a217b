/** Attacks on one server from a seed, in rounds, after each of which it is looked at. */
import type { ServedReplica } from '../support/served-replica.ts';

/** Attacks under way at a time. */
const lanes = 6;

/** Attacks between two looks at the server. */
const perRound = 60;

/**
 * Most it may take, in MiB. An idle one takes some 150; on top come the messages of six calls at once, of 10 MiB
 * at most, twice while they are read, and what the collector has not got to.
 */
const residentMibMax = 320;

/** One round of attacks. */
async function attackRound(attack: () => Promise<void>): Promise<void> {
  let left = perRound;
  const lane = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      await attack();
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

export interface AttackLimit {
  readonly attacks: number;
  readonly seconds: number;
}

export interface FuzzCounts {
  readonly attacks: number;
  readonly peakMib: number;
}

export interface AttacksOn {
  readonly seed: number;
  readonly replica: ServedReplica;
}

export class Attacks {
  readonly #on: AttacksOn;
  #count = 0;

  constructor(on: AttacksOn) {
    this.#on = on;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** Attacks until there were `attacks` of them or the time is over. Throws at the first thing that does not hold. */
  async run(
    { attacks, seconds }: AttackLimit,
    { attack, look }: { readonly attack: () => Promise<void>; readonly look: () => Promise<void> },
  ): Promise<FuzzCounts> {
    const { seed, replica } = this.#on;
    const endMs = performance.now() + seconds * 1_000;
    let peakMib = 0;
    try {
      while (this.#count < attacks && performance.now() < endMs) {
        await attackRound(async () => {
          this.#count += 1;
          await attack();
        });
        peakMib = replica.peakMemoryMib();
        if (peakMib > residentMibMax) throw new Error(`it took ${peakMib} MiB`);
        await look();
      }
    } catch (error) {
      throw new Error(`seed ${seed}, after ${this.#count} attacks`, { cause: error });
    }
    return { attacks: this.#count, peakMib };
  }
}
