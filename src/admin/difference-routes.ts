/**
 * The route for differences: who has what, who wins. A stream of JSON lines rather than pages: trees are compared
 * while it is read, at the pace of who reads, and nothing of it is kept.
 */
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { jsonLine } from '../lib/json-line.ts';
import { TimeLimit } from '../lib/time-limit.ts';
import type { App } from './app.ts';
import { differenceResource, differencesQuery, differencesSummary } from './difference-resources.ts';
import type { Operations } from './operations.ts';

/** Comparisons at a time: each reads trees here and at peers. */
const comparisonsMax = 2;

/** A comparison that has not been read to its end by then is given up. */
const comparisonMs = 10 * 60_000;

const summary =
  'Differences of the newest trees, as JSON lines: one for each differing entity, then `{"summary":…}`; ' +
  'a failure midway is the last line, `{"error":…}`. Builds and changes nothing; POST /v1/repairs with `dryRun` tells ' +
  'what a repair would do, page by page';

export function addDifferences(app: App, operations: Operations, clock: Clock): void {
  const comparing = new Set<TimeLimit>();
  const line = z.union([
    differenceResource,
    z.object({ summary: differencesSummary }),
    z.object({ error: z.looseObject({ code: z.string(), message: z.string() }) }),
  ]);
  const response = {
    200: { description: 'JSON lines', content: { 'application/x-ndjson': { schema: line } } },
  };
  app.get(
    '/v1/differences',
    { schema: { summary, querystring: differencesQuery, response } },
    async ({ query, signal: gone }, reply) => {
      if (comparing.size >= comparisonsMax)
        throw new CodedError('busy', `${comparisonsMax} comparisons are being read already`);
      const limit = TimeLimit.start({ clock, timeoutMs: comparisonMs, error: tooSlow, signal: gone });
      const end = (): void => {
        limit[Symbol.dispose]();
        comparing.delete(limit);
      };
      comparing.add(limit);
      try {
        const peers = query.peers === undefined ? null : [query.peers].flat();
        const lines = operations.differences({ ...query, peers }, limit.signal);
        // What is wrong with the question is told as every problem is.
        const first = await lines.next();
        const stream = Readable.from(textLines(first, lines), { objectMode: false });
        stream.once('close', end);
        return await reply.type('application/x-ndjson').send(stream as never);
      } catch (error) {
        end();
        throw error;
      }
    },
  );
}

function tooSlow(): CodedError {
  return new CodedError(
    'timeout',
    `the comparison was not read to its end within ${comparisonMs / 60_000} minutes`,
  );
}

async function* textLines(
  first: IteratorResult<object>,
  rest: AsyncIterable<object>,
): AsyncGenerator<string> {
  try {
    if (!first.done) yield jsonLine(first.value);
    for await (const value of rest) yield jsonLine(value);
  } catch (error) {
    yield jsonLine({ error: CodedError.from(error).toJSON() });
  }
}
