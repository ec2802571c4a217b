/** The tracer that the settings want; without one its packages are not even loaded. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { Tracer } from '../lib/trace.ts';
import type { Settings } from '../settings/settings.ts';
import type { Events } from './events.ts';

/** Null where nothing is traced. Nothing is connected to before there is something to send. */
export async function openTracer(
  { name, trace: { endpoint } }: Settings,
  clock: Clock,
  events: Events,
): Promise<Tracer | null> {
  if (endpoint === null) return null;
  const { OpenTelemetry } = await import('../lib/open-telemetry.ts');
  const onProblem = (message: string): void =>
    events.problem('trace', new CodedError('unreachable', message), 'spans could not be sent');
  return new OpenTelemetry({ endpoint, name, version: packageVersion(), clock, onProblem });
}
