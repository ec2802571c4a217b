/** The trace of one run: a span for it, one for each of its phases, and one for each call that a phase makes. */
import type { RunResource } from '../admin/resources.ts';
import type { Span, Tracer } from '../lib/trace.ts';

/** What a run is doing, as far as traces tell it apart. */
export type TracedPhase = 'ask' | 'build' | 'describe' | 'compare' | 'plan' | 'carry out';

export class RunTrace {
  readonly #tracer: Tracer | null;
  readonly #parent: string | null;
  #run: Span | null = null;
  #phase: Span | null = null;
  #phaseKey = '';

  /** `parent` is the `traceparent` that came with the order; without a tracer nothing is traced. */
  constructor(tracer: Tracer | null, parent: string | null) {
    this.#tracer = tracer;
    this.#parent = parent;
  }

  /** A run that was paused goes on in its span. */
  start({ id, kind, trigger, group, shard, dryRun }: RunResource): void {
    this.#run ??=
      this.#tracer?.start(kind, this.#parent, {
        attributes: {
          'tallystick.run': id,
          'tallystick.trigger': trigger,
          'tallystick.dry_run': dryRun,
          ...(group !== null && { 'tallystick.group': group }),
          ...(shard !== null && { 'tallystick.shard': shard }),
        },
      }) ?? null;
  }

  /** What is done from now on, of which shard where it is of one. */
  phase(phase: TracedPhase, of: { readonly group: string; readonly shard: number } | null = null): void {
    if (this.#run === null) return;
    const key = `${phase} ${of?.group}/${of?.shard}`;
    if (key === this.#phaseKey) return;
    this.endPhase();
    this.#phaseKey = key;
    const attributes = of === null ? {} : { 'tallystick.group': of.group, 'tallystick.shard': of.shard };
    this.#phase = this.#run.start(phase, { attributes });
  }

  /** The span of a call to a peer. */
  startCall(call: string, place: string): Span | null {
    const within = this.#phase ?? this.#run;
    return (
      within?.start(call, { kind: 'client', attributes: { 'rpc.method': call, 'server.address': place } }) ??
      null
    );
  }

  endPhase(): void {
    this.#phase?.end();
    this.#phase = null;
    this.#phaseKey = '';
  }

  end({ outcome, error, counts }: RunResource): void {
    this.endPhase();
    this.#run?.end({
      error,
      attributes: {
        'tallystick.outcome': outcome ?? 'failed',
        'tallystick.differing': counts.differing,
        'tallystick.changed': counts.changed,
      },
    });
  }
}
