/** What happened in simulated clusters, counted: a fault that never occurs proves nothing. */

const kindsOfHappenings = [
  'partition',
  'partition heals',
  'message lost, stream breaks',
  'message lost, silence',
  'stream cut after some messages',
  'request repeated late',
  'view given up by its replica',
  'replica crashes',
  'replica crashes in the midst of its work',
  'replica restarts',
  'temporary files left by a crash',
  'older database put in place',
  'clock off from the start',
  'clock jumps',
  'write through a property store',
  'delete through a property store',
  'write of a shard that is held elsewhere',
  'version sent on to another replica',
  'version not sent on',
  'versions on their way lost in a crash',
  'property store stops with versions on their way',
  'write during a run',
  'delete during a run',
  'coordinator dies',
  'coordinator takes over from a dead one',
  'two coordinators at once',
  'operator cancels',
  'operator tries again',
  'plan kept',
  'kept plan carried out',
  'build by schedule',
  'round by schedule',
  'run converges',
  'run ends matched',
  'run ends without converging',
  'run over the wire of production',
  'run over BanyanDB nodes',
  'BanyanDB repairs by itself',
  'BanyanDB brings a delete back',
  'push overtaken by a delete',
  'version held back from a node',
] as const;

export type Happening = (typeof kindsOfHappenings)[number];

export class Happenings {
  readonly #counts = new Map<Happening, number>();

  count(kind: Happening, times = 1): void {
    this.#counts.set(kind, this.of(kind) + times);
  }

  of(kind: Happening): number {
    return this.#counts.get(kind) ?? 0;
  }

  add(other: HappeningCounts): void {
    for (const [kind, times] of other) this.count(kind, times);
  }

  /** Of all kinds, in their order. */
  counts(): HappeningCounts {
    return kindsOfHappenings.map((kind) => [kind, this.of(kind)]);
  }
}

export type HappeningCounts = readonly (readonly [Happening, number])[];
